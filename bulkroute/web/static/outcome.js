// @ts-check
"use strict";
// The upper part of both pages: whose routes these are, what must be looked at, what is changed, and how far it is.
const Outcome = (() => {
  const { count, moment, plain, span } = Format;
  const { changed, note, table, tiles } = Tables;
  const MOST_SHOWN = 20;

  /** @param {PageData} data */
  const name = (data) => (data.parent === null ? data.manifest : `Rollback of ${data.manifest}`);
  /** @param {Counts} counts */
  const done = (counts) => counts.succeeded + counts.unchanged + counts.skipped;

  /**
   * Show which batch it is, a rollback being one of its own, and whose.
   * @param {PageData} data
   */
  function named(data) {
    const { origin, parent } = data;
    byId("manifest").textContent = name(data);
    const puts = parent === null ? "" : `, which puts back batch ${parent}`;
    byId("where").textContent = `batch ${data.batch} in ${data.ledger}${puts}`;
    const at = [origin.service, origin.who ? `by ${origin.who}` : ""].filter(Boolean).join(" · ");
    const labels = [origin.tenant, origin.note, origin.plan].filter(Boolean).map((text) => make("b", text));
    byId("origin").replaceChildren(...labels, make("span", at));
    const other = `bulkroute report ${data.ledger} --batch ${parent} -o batch${parent}.html`;
    note(
      "batch",
      parent === null
        ? ""
        : `Shown are the rows of the rollback, until batch ${parent} is run again: ` +
            `what is put back is pending there. About batch ${parent} itself: ${other}`,
    );
  }

  /**
   * Warnings, and what came of waves and checks: those that ask for something first.
   * @param {PageData} data
   */
  function remarks({ remarks, runs }) {
    const check = remarks.find((remark) => remark.kind === "check"); // the last one: the newest come first
    /** @param {Remark} remark */
    const isNotice = ({ kind, is_good }) => kind === "notice" || (kind === "hook" && is_good);
    const told = remarks.filter((remark) => !isNotice(remark) && remark.kind !== "check");
    if (check) told.unshift(check);
    byId("remarks-section").hidden = !told.length;
    const ordered = [...told.filter((remark) => !remark.is_good), ...told.filter((remark) => remark.is_good)];
    const last = runs.rows.at(-1);
    /** @type {Record<string, string>} */
    const titles = { warning: "Warning", wave: "Waves", check: "Verified", hook: "Hook" };
    const lines = ordered.slice(0, MOST_SHOWN).map((remark) => {
      const line = make("li", "", remark.is_good ? "good" : "bad");
      const old = remark.run === null && last !== undefined && last.started_at > remark.at;
      const of = old ? `, before run ${last.run}` : remark.run === null ? "" : `, run ${remark.run}`;
      const title = remark.kind === "check" && !remark.is_good ? "Verified, and different" : titles[remark.kind];
      line.append(make("b", title ?? remark.kind), ` ${remark.text} `, make("small", moment(remark.at) + of));
      return line;
    });
    const rest = ordered.length - lines.length;
    if (rest > 0) lines.push(make("li", `${count(rest)} more like these`));
    byId("remarks").replaceChildren(...lines);
    notices(remarks.filter(isNotice));
  }

  /** @param {Remark[]} found */
  function notices(found) {
    byId("notices-section").hidden = !found.length;
    table(
      "notices",
      [
        ["run", "number"],
        ["at", "plain"],
        ["notice", "text"],
      ],
      found.map((remark) => [remark.run, moment(remark.at), remark.text]),
      "",
    );
  }

  /** @param {PageData} data */
  function pairs({ pairs, parent }) {
    byId("pairs-section").hidden = !pairs.rows.length;
    byId("pairs-title").textContent = parent === null ? "What is changed" : "What is put back";
    const refused = pairs.rows.some((pair) => pair.refused);
    /** @type {Column[]} */
    const columns = [
      ["from", "text"],
      ["to", "text"],
      ["rows", "number"],
      [parent === null ? "done" : "put back", "number"],
      ["failed", "number"],
      .../** @type {Column[]} */ (refused ? [["refused", "number"]] : []),
      ["left", "number"],
    ];
    table(
      "pairs",
      columns,
      pairs.rows.map((pair) => [
        pair.before || "not known",
        pair.after,
        pair.rows,
        pair.done,
        pair.failed,
        ...(refused ? [pair.refused] : []),
        pair.rows - pair.done - pair.failed - pair.refused,
      ]),
      "",
    );
    const shown = pairs.rows.length;
    note("pairs", pairs.total > shown ? `The ${shown} commonest of ${count(pairs.total)} pairs of targets.` : "");
  }

  /** @type {Record<string, string>} */
  const WAVE_STATES = {
    waiting: "not begun",
    reading: "being read back",
    wrong: "not right",
    gate: "waiting for a go",
    no_go: "no go",
  };

  /** @param {PageData} data */
  function waves({ waves }) {
    byId("waves-section").hidden = !waves.rows.length;
    table(
      "waves",
      [
        ["wave", "number"],
        ["state", "plain"],
        ["since", "plain"],
        ["rows", "number"],
        ["done", "number"],
        ["failed", "number"],
        ["what was said", "text"],
      ],
      waves.rows.map((wave) => [
        wave.wave,
        WAVE_STATES[wave.state] ?? wave.state,
        wave.state === "waiting" ? "" : moment(wave.since),
        wave.rows,
        wave.done,
        wave.failed,
        wave.words,
      ]),
      "",
    );
    const shown = waves.rows.length;
    note("waves", waves.total > shown ? `The first ${shown} of ${count(waves.total)} waves.` : "");
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
    Tables.progress(
      parts.map(([name, label]) => [name, label, Number(counts[name])]),
      counts.total,
      `${count(counts.pending)} pending`,
    );
  }

  /**
   * What nobody decides by, in a sentence or two.
   * @param {PageData} data
   */
  function facts({ counts, calls, state }) {
    /** @type {[number, string][]} */
    const others = [
      [counts.unchanged, "were right already"],
      [counts.skipped, "skipped as asked for"],
      [counts.drifted, "changed by another hand since they were done"],
      [state.state === "running" ? 0 : counts.in_doubt, "in doubt"],
    ];
    const of = others.filter(([rows]) => rows).map(([rows, what]) => `${count(rows)} ${what}`);
    const kinds = `${count(calls.retries)} of them retries, ${count(calls.throttled)} throttled`;
    const pace = calls.seconds ? `: ${plain(calls.all / calls.seconds)} a second on average` : "";
    const made = calls.all ? `${count(calls.all)} calls, ${kinds}, in ${span(calls.seconds)} of work${pace}.` : "";
    byId("facts").textContent = [of.length ? `Of the rows, ${of.join(", ")}.` : "", made].filter(Boolean).join(" ");
  }

  /**
   * @param {PageData} data
   * @param {Tile[]} extraTiles
   */
  function counts(data, extraTiles) {
    const { counts } = data;
    progress(counts);
    tiles([
      [data.parent === null ? "rows done" : "rows put back", count(done(counts)), "done", `of ${count(counts.total)}`],
      ["failed", count(counts.failed), counts.failed ? "failed" : ""],
      .../** @type {Tile[]} */ (counts.refused ? [["refused", count(counts.refused), "refused"]] : []),
      ["left", count(counts.pending + counts.in_doubt)],
      ...extraTiles,
    ]);
    facts(data);
  }

  /**
   * @param {PageData} data
   * @param {Tile[]} extraTiles after those of the rows
   */
  function show(data, extraTiles) {
    if (changed("batch", data.batch, data.parent, data.manifest, data.ledger, data.origin)) named(data);
    if (changed("remarks", data.remarks, data.runs)) remarks(data);
    if (changed("counts", data.counts, data.calls, data.state.state, JSON.stringify(extraTiles)))
      counts(data, extraTiles);
    if (changed("pairs", data.pairs)) pairs(data);
    if (changed("waves", data.waves)) waves(data);
  }
  return { done, name, show };
})();
