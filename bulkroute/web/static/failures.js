// @ts-check
"use strict";
// The table of failed rows: searched, filtered and turned over a page at a time, so that 20,000 rows cost no more than
// 100. Where the rows come from is the page's business: its FailedSource.
const Failures = (() => {
  const PAGE = matchMedia("(max-width: 760px)").matches ? 25 : 100;
  /** @type {Record<number, string>} */
  const TARGETS = { 1: "skill_queue", 3: "ivr" };
  /** @type {Column[]} */
  const COLUMNS = [
    ["number", "plain"],
    ["id", "plain"],
    ["line", "number"],
    ["wanted", "short"],
    ["kind", "plain"],
    ["answer", "short"],
    ["why", "text"],
    ["tries", "number"],
    ["finished", "short"],
  ];
  const { count } = Format;
  const place = byId("failed-place");
  const text = element("failed-text", HTMLInputElement);
  const kind = element("failed-kind", HTMLSelectElement);
  const back = element("failed-back", HTMLButtonElement);
  const on = element("failed-on", HTMLButtonElement);
  const copy = element("failed-copy", HTMLButtonElement);
  const save = element("failed-save", HTMLButtonElement);
  /** @type {FailedSource} */
  let source;
  let offset = 0;
  let asked = 0;
  let total = 0;

  /**
   * Failed rows as objects. On the way here their columns are named once, and a text that thousands share comes once.
   * @param {PackedRows} packed
   * @returns {FailedRow[]}
   */
  function unpacked({ columns, rows, texts }) {
    return rows.map((values) => {
      const row = Object.fromEntries(columns.map((name, at) => [name, values[at]]));
      return /** @type {FailedRow} */ ({ ...row, description: texts[row.description] });
    });
  }

  /**
   * What callers dial, as people write it.
   * @param {FailedRow} row
   */
  const number = (row) => (row.ext_code ? `${row.access_code} ext ${row.ext_code}` : row.access_code);

  /** @param {FailedRow} row */
  const answer = ({ http_status, return_code }) =>
    [http_status === null ? "" : `HTTP ${http_status}`, return_code].filter(Boolean).join(", ");

  const search = () => ({ text: text.value.trim(), kind: kind.value });

  /** @param {unknown} error */
  function unread(error) {
    place.textContent = `the rows could not be read (${error instanceof Error ? error.message : error})`;
  }

  /** @returns {Promise<void>} */
  async function refresh() {
    const mine = ++asked;
    let found;
    try {
      found = await source.find(search(), offset, PAGE);
    } catch (error) {
      if (mine !== asked) return; // given up for a later question
      unread(error);
      return;
    }
    if (mine !== asked) return; // a later question was asked meanwhile
    if (offset >= found.total && offset > 0) {
      offset = Math.max(0, Math.floor((found.total - 1) / PAGE) * PAGE);
      await refresh();
      return;
    }
    total = found.total;
    const rows = found.rows.map((row) => [
      number(row),
      row.id,
      row.line,
      `${TARGETS[row.devicetype] ?? row.devicetype} ${row.device_id}${row.target ? ` (${row.target})` : ""}`,
      row.error,
      answer(row),
      row.description,
      row.attempts,
      row.finished_at === null ? "" : Format.moment(row.finished_at),
    ]);
    Tables.table("failed", COLUMNS, rows, "no failed row" + (search().text || search().kind ? " matches" : ""));
    const last = Math.min(total, offset + PAGE);
    place.textContent = total ? `${count(offset + 1)} to ${count(last)} of ${count(total)}` : "";
    back.disabled = offset === 0;
    on.disabled = last >= total;
    copy.disabled = save.disabled = total === 0;
  }

  /** @param {Record<string, number>} found failed rows by kind */
  function kinds(found) {
    const chosen = kind.value;
    const options = Object.entries(found)
      .sort((a, b) => b[1] - a[1])
      .map(([name, rows]) => new Option(`${name} (${count(rows)})`, name));
    if (chosen && !(chosen in found)) options.push(new Option(`${chosen} (0)`, chosen));
    kind.replaceChildren(new Option("all", ""), ...options);
    kind.value = chosen;
  }

  /** @param {number} to */
  function turn(to) {
    offset = Math.max(0, to);
    return refresh();
  }
  /** @param {() => Promise<void>} work */
  async function tried(work) {
    try {
      await work();
    } catch (error) {
      unread(error);
    }
  }
  async function copyIds() {
    const ids = await source.ids(search());
    try {
      await navigator.clipboard.writeText(ids);
    } catch {
      // No clipboard without https or in a file: the old way.
      const area = make("textarea");
      area.value = ids;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    place.textContent = `${count(total)} ids copied`;
  }

  /** @param {FailedSource} from */
  function start(from) {
    source = from;
    let timer = 0;
    byId("failed-tools").addEventListener("submit", (event) => event.preventDefault());
    text.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(turn, 120, 0);
    });
    kind.addEventListener("change", () => turn(0));
    back.addEventListener("click", () => turn(offset - PAGE));
    on.addEventListener("click", () => turn(offset + PAGE));
    copy.addEventListener("click", () => tried(copyIds));
    save.addEventListener("click", () => tried(() => source.save(search())));
    return refresh();
  }
  return { start, refresh, kinds, number, unpacked };
})();
