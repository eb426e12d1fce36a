// @ts-check
"use strict";
// What both pages show of a ledger. Only what has changed is drawn anew.
const Page = (() => {
  /** @type {Map<string, unknown[]>} */
  const shown = new Map();
  const { count, moment, plain, rate, span } = Format;

  /**
   * Draw a part of the page anew only where it changed: a selection, a focus or a screen reader is not disturbed.
   * A part of the data that has not changed is the same object.
   * @param {string} name
   * @param {unknown[]} parts
   */
  function changed(name, ...parts) {
    const before = shown.get(name);
    if (before && parts.every((part, at) => part === before[at])) return false;
    shown.set(name, parts);
    return true;
  }

  /**
   * @param {string} id
   * @param {Column[]} columns
   * @param {(string | number | null)[][]} rows
   * @param {string} empty what stands there without rows
   */
  function table(id, columns, rows, empty) {
    const head = make("thead");
    const titles = make("tr");
    for (const [title, kind] of columns) {
      const cell = make("th", title, kind === "number" ? kind : "");
      cell.scope = "col";
      titles.append(cell);
    }
    head.append(titles);
    const body = make("tbody");
    for (const row of rows) {
      const line = make("tr");
      row.forEach((value, at) => {
        const kind = columns[at][1];
        line.append(make("td", typeof value === "number" && kind === "number" ? count(value) : value, kind));
      });
      body.append(line);
    }
    if (!rows.length) {
      const line = make("tr");
      const only = make("td", empty, "note");
      only.colSpan = columns.length;
      line.append(only);
      body.append(line);
    }
    byId(id).replaceChildren(...(rows.length ? [head] : []), body);
  }

  /**
   * Most seconds change a figure or two: only those are touched.
   * @param {Tile[]} list
   */
  function tiles(list) {
    const holder = byId("tiles");
    list.forEach(([name, value, kind, more], at) => {
      const known = holder.children[at];
      if (changed(`tile ${at}`, name, value, kind, more) || !known) {
        const tile = make("div", "", kind);
        const figure = make("dd", value);
        if (more) figure.append(make("small", ` ${more}`));
        tile.append(make("dt", name), figure);
        if (known) known.replaceWith(tile);
        else holder.append(tile);
      }
    });
    while (holder.children.length > list.length) holder.lastElementChild?.remove();
  }

  /** @param {Counts} counts */
  function progress(counts) {
    /** @type {[keyof Counts & string, string][]} */
    const parts = [
      ["succeeded", "succeeded"],
      ["unchanged", "unchanged"],
      ["skipped", "skipped"],
      ["failed", "failed"],
      ["refused", "refused"],
      ["in_doubt", "in doubt"],
    ];
    const bar = byId("progress");
    bar.replaceChildren(
      ...parts.map(([name]) => {
        const part = make("span", "", name);
        part.style.width = `${(100 * Number(counts[name])) / Math.max(1, counts.total)}%`;
        return part;
      }),
    );
    const said = [...parts.map(([name, label]) => `${count(Number(counts[name]))} ${label}`)];
    bar.setAttribute("aria-label", [...said, `${count(counts.pending)} pending`].join(", "));
  }

  /** @param {State} found */
  function state(found) {
    const badge = byId("state");
    badge.dataset.state = found.state;
    /** @type {Record<string, string>} */
    const tones = { running: "good", killed: "bad" };
    badge.dataset.tone = found.tone || tones[found.state] || "";
    if (badge.textContent !== found.text) badge.textContent = found.text;
  }

  /**
   * Show which batch it is: a rollback is one of its own.
   * @param {PageData} data
   */
  function named(data) {
    const back = data.parent !== null;
    byId("manifest").textContent = name(data);
    const puts = back ? `, which puts back batch ${data.parent}` : "";
    byId("where").textContent = `batch ${data.batch} in ${data.ledger}${puts}`;
    const other = `bulkroute report ${data.ledger} --batch ${data.parent} -o batch${data.parent}.html`;
    note(
      "batch",
      back
        ? `Shown are the rows of the rollback, until batch ${data.parent} is run again: ` +
            `what is put back is pending there. About batch ${data.parent} itself: ${other}`
        : "",
    );
  }
  /** @param {PageData} data */
  const name = (data) => (data.parent === null ? data.manifest : `Rollback of ${data.manifest}`);

  /**
   * @param {PageData} data
   * @param {Tile[]} extraTiles
   */
  function outcome(data, extraTiles) {
    const { counts, calls } = data;
    const done = counts.succeeded + counts.unchanged + counts.skipped;
    progress(counts);
    tiles([
      [data.parent === null ? "rows done" : "rows put back", count(done), "done", `of ${count(counts.total)}`],
      ["failed", count(counts.failed), counts.failed ? "failed" : ""],
      .../** @type {Tile[]} */ (counts.refused ? [["refused", count(counts.refused), "refused"]] : []),
      ["left", count(counts.pending + counts.in_doubt)],
      ...extraTiles,
      .../** @type {Tile[]} */ (counts.unchanged ? [["unchanged", count(counts.unchanged)]] : []),
      .../** @type {Tile[]} */ (
        counts.in_doubt && data.state.state !== "running" ? [["in doubt", count(counts.in_doubt)]] : []
      ),
      ["calls", count(calls.all)],
      ["of these retries", count(calls.retries)],
      ["throttled calls", count(calls.throttled), calls.throttled ? "throttled" : ""],
      ["working time", span(calls.seconds)],
      ["calls per second, mean", calls.seconds ? plain(calls.all / calls.seconds) : "–"],
    ]);
  }

  /** @param {PageData} data */
  function reasons({ reasons, counts }) {
    byId("reasons-section").hidden = false;
    table(
      "reasons",
      [
        ["rows", "number"],
        ["kind", "plain"],
        ["what the service said", "text"],
        ["for example", "plain"],
      ],
      reasons.rows.map((reason) => [reason.rows, reason.error, reason.description, reason.example_id]),
      "no row failed",
    );
    const shown = reasons.rows.length;
    note("reasons", reasons.total > shown ? `The ${shown} commonest of ${count(reasons.total)} reasons.` : "");
    Failures.kinds(counts.failures);
  }

  /** @param {PageData} data */
  function paces({ paces }) {
    byId("paces-section").hidden = !paces.length;
    table(
      "paces",
      [
        ["run", "number"],
        ["at", "plain"],
        ["rate asked for", "number"],
        ["rate allowed", "number"],
        ["concurrency", "number"],
        ["why", "text"],
      ],
      paces
        .toReversed()
        .map((pace) => [pace.run, moment(pace.at), rate(pace.asked), rate(pace.rate), pace.concurrency, pace.reason]),
      "",
    );
  }

  /** @param {PageData} data */
  function waits({ waits }) {
    byId("waits-section").hidden = !waits.length;
    table(
      "waits",
      [
        ["run", "number"],
        ["from", "plain"],
        ["for", "number"],
        ["reason", "text"],
      ],
      waits.toReversed().map((wait) => {
        const length = wait.ended_at === null ? "no end on record" : span(wait.ended_at - wait.started_at);
        return [wait.run, moment(wait.started_at), length, wait.reason];
      }),
      "",
    );
  }

  /** @param {PageData} data */
  function runs({ runs }) {
    table(
      "runs",
      [
        ["run", "number"],
        ["started", "plain"],
        ["took", "number"],
        ["rate asked for", "number"],
        ["calls", "number"],
        ["retries", "number"],
        ["throttled", "number"],
        ["how it ended", "text"],
        ["exit code", "number"],
        ["command and place", "text"],
      ],
      runs.rows
        .toReversed()
        .map((run) => [
          run.run,
          moment(run.started_at),
          span(run.seconds),
          rate(run.rate),
          run.calls,
          run.retries,
          run.throttled,
          run.ending,
          run.exit_code,
          `${run.command}: ${run.where}`,
        ]),
      "no run yet",
    );
  }

  /**
   * @param {PageData} data
   * @param {Tile[]} extraTiles after those of the rows
   */
  function show(data, extraTiles = []) {
    const { counts, calls } = data;
    const done = counts.succeeded + counts.unchanged + counts.skipped;
    if (changed("batch", data.batch, data.parent, data.manifest, data.ledger)) named(data);
    const tone =
      data.state.state === "ended"
        ? done + counts.refused === counts.total
          ? "good"
          : counts.failed
            ? "bad"
            : "wait"
        : "";
    state({ tone, ...data.state });
    if (changed("counts", counts, calls, data.state.state, JSON.stringify(extraTiles))) outcome(data, extraTiles);
    if (changed("charts", data.timeline, data.latency)) {
      byId("charts").hidden = calls.all === 0;
      if (calls.all) Charts.show(data);
    }
    if (changed("reasons", data.reasons)) reasons(data);
    if (changed("paces", data.paces)) paces(data);
    if (changed("waits", data.waits)) waits(data);
    if (changed("runs", data.runs)) runs(data);
    byId("foot").textContent =
      `State of ${moment(data.made_at)}; times are local (${Format.zone}). ` +
      `bulkroute ${data.version}, charts by uPlot.`;
  }

  /**
   * @param {string} name
   * @param {string} text hidden if empty
   */
  function note(name, text) {
    const line = byId(`${name}-note`);
    line.hidden = !text;
    line.textContent = text;
  }
  return { show, table, name, note, state };
})();
