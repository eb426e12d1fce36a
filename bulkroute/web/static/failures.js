"use strict";
// The table of failed rows: searched, filtered and turned over a page at a time, so that 20,000 rows cost no more than 100.
// Where the rows come from is the page's business: `source` has find({text, kind}, offset, limit), ids(search), save(search).
const Failures = (() => {
  const PAGE = 100;
  const byId = (id) => document.getElementById(id);
  const TARGETS = { 1: "skill_queue", 3: "ivr" };
  let source = null;
  let offset = 0;
  let asked = 0;
  let total = 0;

  const search = () => ({ text: byId("failed-text").value.trim(), kind: byId("failed-kind").value });

  async function refresh() {
    const mine = ++asked;
    let found;
    try {
      found = await source.find(search(), offset, PAGE);
    } catch (error) {
      byId("failed-place").textContent = `the rows could not be read (${error.message})`;
      return;
    }
    if (mine !== asked) return; // a later question was asked meanwhile
    if (offset >= found.total && offset > 0) {
      offset = Math.max(0, Math.floor((found.total - 1) / PAGE) * PAGE);
      await refresh();
      return;
    }
    total = found.total;
    const rows = found.rows.map(([id, line, type, device, kind, http, code, text, attempts, at]) => [
      id, line, `${TARGETS[type] || type} ${device}`, kind, http, code, found.texts[text], attempts, at === null ? "" : Page.moment(at),
    ]);
    Page.table("failed", COLUMNS, rows, "no failed row" + (search().text || search().kind ? " matches" : ""));
    byId("failed-place").textContent = total
      ? `${(offset + 1).toLocaleString("en")} to ${Math.min(total, offset + PAGE).toLocaleString("en")} of ${total.toLocaleString("en")}` : "";
    byId("failed-back").disabled = offset === 0;
    byId("failed-on").disabled = offset + PAGE >= total;
    byId("failed-copy").disabled = byId("failed-save").disabled = total === 0;
  }
  const COLUMNS = [
    ["id", "plain"], ["line", "number"], ["wanted", "plain"], ["kind", "plain"], ["HTTP", "number"], ["code", "plain"],
    ["what the service said", "text"], ["tries", "number"], ["finished", "plain"],
  ];

  function kinds(found) {
    const select = byId("failed-kind");
    const chosen = select.value;
    const options = Object.entries(found).sort((a, b) => b[1] - a[1]).map(([kind, rows]) => new Option(`${kind} (${rows.toLocaleString("en")})`, kind));
    if (chosen && !(chosen in found)) options.push(new Option(`${chosen} (0)`, chosen));
    select.replaceChildren(new Option("all", ""), ...options);
    select.value = chosen;
  }

  function turn(to) {
    offset = Math.max(0, to);
    return refresh();
  }
  async function copy() {
    const text = await source.ids(search());
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard without https or in a file: the old way.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    byId("failed-place").textContent = `${total.toLocaleString("en")} ids copied`;
  }

  function start(from) {
    source = from;
    let timer = 0;
    byId("failed-tools").addEventListener("submit", (event) => event.preventDefault());
    byId("failed-text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(turn, 120, 0); });
    byId("failed-kind").addEventListener("change", () => turn(0));
    byId("failed-back").addEventListener("click", () => turn(offset - PAGE));
    byId("failed-on").addEventListener("click", () => turn(offset + PAGE));
    byId("failed-copy").addEventListener("click", copy);
    byId("failed-save").addEventListener("click", () => source.save(search()));
    return refresh();
  }
  return { start, refresh, kinds };
})();
