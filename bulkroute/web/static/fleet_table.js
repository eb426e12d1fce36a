// @ts-check
"use strict";
// What both pages of a fleet show: totals, and a line for each tenant, those first that need somebody's attention.
const FleetTable = (() => {
  const { count, rate, span } = Format;
  const { badge, changed, note, progress, tiles } = Tables;
  /** How a line looks, by how much its tenant needs somebody. */
  const TONES = ["bad", "wait", "good", "wait", "good", "", "done"];
  /** @type {Column[]} */
  const COLUMNS = [
    ["tenant", "plain"],
    ["state", "plain"],
    ["progress", "plain"],
    ["done", "number"],
    ["failed", "number"],
    ["left", "number"],
    ["rate", "number"],
    ["to go", "number"],
    ["host", "plain"],
    ["why", "text"],
  ];
  /** What is drawn of each tenant. @type {Map<string, {line: FleetLine, row: HTMLTableRowElement}>} */
  const drawn = new Map();
  const body = make("tbody");
  /** @type {FleetData | null} */
  let data = null;

  /** @param {FleetLine} line */
  const why = (line) => line.reason || (line.last_failure ? `last failed: ${line.last_failure}` : "");
  /** @param {FleetLine} line */
  const state = (line) => line.word + (line.exit_code ? ` (${line.exit_code})` : "");

  /** @param {FleetLine} line */
  function bar(line) {
    const made = make("span", "", "bar");
    for (const [className, rows] of /** @type {[string, number][]} */ ([
      ["succeeded", line.done],
      ["failed", line.failed],
    ])) {
      const part = make("span", "", className);
      part.style.width = `${(100 * rows) / Math.max(1, line.total)}%`;
      made.append(part);
    }
    return made;
  }
  /** @param {FleetLine} line */
  function name(line) {
    if (line.href === null) return make("b", line.tenant);
    const link = make("a", line.tenant);
    link.href = line.href;
    return link;
  }
  /** @param {FleetLine} line */
  function rowOf(line) {
    const row = make("tr");
    row.dataset.tone = TONES[line.need];
    const known = line.total > 0;
    /** @type {(Node | string)[]} */
    const cells = [
      name(line),
      make("span", state(line), "dot"),
      known ? bar(line) : "",
      known ? count(line.done) : "",
      known ? make("span", count(line.failed), line.failed ? "is-failed" : "") : "",
      known ? count(line.left) : "",
      line.goes_on ? `${count(line.started_per_s)} of ${rate(line.asked_per_s)}` : "",
      line.eta_s === null ? "" : span(line.eta_s),
      line.host,
      why(line),
    ];
    cells.forEach((value, at) => {
      const cell = make("td", "", COLUMNS[at][1]);
      cell.append(value);
      cell.dataset.title = COLUMNS[at][0];
      row.append(cell);
    });
    return row;
  }

  function head() {
    const titles = make("tr");
    for (const [title, kind] of COLUMNS) {
      const cell = make("th", title, kind === "number" ? kind : "");
      cell.scope = "col";
      titles.append(cell);
    }
    const made = make("thead");
    made.append(titles);
    return made;
  }

  /** @param {FleetData} data */
  function totals({ totals, lines }) {
    const { done, ended, failed, succeeded, tenants, total } = totals;
    const acting = lines.filter((line) => line.need === 0).length;
    const waiting = lines.filter((line) => line.need === 1).length;
    const to_go = Math.max(0, ...lines.map((line) => line.eta_s ?? 0));
    const goesOn = lines.some((line) => line.goes_on);
    progress(
      [
        ["succeeded", "done", done],
        ["failed", "failed", failed],
      ],
      total,
      `${count(total - done - failed)} left`,
    );
    tiles([
      ["tenants done", count(succeeded), "done", `of ${count(tenants)}`],
      ["need somebody", count(acting), acting ? "failed" : ""],
      ["wait", count(waiting), waiting ? "throttled" : ""],
      ["rows done", count(done), "done", `of ${count(total)}`],
      ["rows failed", count(failed), failed ? "failed" : ""],
      ["rows left", count(total - done - failed)],
      .../** @type {Tile[]} */ (goesOn ? [["calls a second now", count(totals.started_per_s)]] : []),
      .../** @type {Tile[]} */ (to_go ? [["the last is done in", span(to_go)]] : []),
    ]);
    const tone = acting ? "bad" : waiting ? "wait" : goesOn || ended === tenants ? "good" : "";
    const said = acting ? `${count(acting)} of ${count(tenants)} need somebody` : waiting ? "some wait" : "";
    badge({ state: "fleet", tone, text: said || (goesOn ? "running" : ended === tenants ? "ended" : "nothing runs") });
  }

  /** The states there are, to choose from; what is chosen stays so. @param {Record<string, number>} states */
  function choices(states) {
    const select = element("tenants-state", HTMLSelectElement);
    const chosen = select.value;
    const words = Object.keys(states);
    if (chosen && !words.includes(chosen)) words.push(chosen);
    const options = words.map((word) => {
      const option = make("option", `${word} (${count(states[word] ?? 0)})`);
      option.value = word;
      return option;
    });
    const all = make("option", "all");
    all.value = "";
    select.replaceChildren(all, ...options);
    select.value = chosen;
  }

  /** Put the lines that are wanted in their order; those that have not moved are not touched. */
  function arrange() {
    if (!data) return;
    const text = element("tenants-text", HTMLInputElement).value.toLowerCase();
    const word = element("tenants-state", HTMLSelectElement).value;
    const wanted = data.lines.filter(
      (line) =>
        (!word || line.word === word) &&
        (!text || [line.tenant, why(line), line.host].some((said) => said.toLowerCase().includes(text))),
    );
    wanted.sort((one, other) => one.need - other.need || one.place - other.place);
    const rows = wanted.flatMap((line) => drawn.get(line.tenant)?.row ?? []);
    rows.forEach((row, at) => {
      if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
    });
    while (body.children.length > rows.length) body.lastElementChild?.remove();
    note("tenants", wanted.length < data.lines.length ? `${count(wanted.length)} of ${count(data.lines.length)}` : "");
  }

  /** @param {FleetData} found */
  function show(found) {
    data = found;
    byId("manifest").textContent = found.fleet;
    for (const line of found.lines) {
      const known = drawn.get(line.tenant);
      if (known?.line === line) continue;
      const row = rowOf(line);
      known?.row.replaceWith(row);
      drawn.set(line.tenant, { line, row });
    }
    totals(found);
    if (changed("states", JSON.stringify(found.totals.states))) choices(found.totals.states);
    arrange();
  }

  byId("tenants").append(head(), body);
  byId("tenants-text").addEventListener("input", arrange);
  byId("tenants-state").addEventListener("change", arrange);
  byId("tenants-tools").addEventListener("submit", (event) => event.preventDefault());
  return { show };
})();
