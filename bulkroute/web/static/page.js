// @ts-check
"use strict";
// What both pages show of a ledger, top to bottom.
const Page = (() => {
  const { count, moment, rate, span } = Format;
  const { changed, note, table } = Tables;

  /** @param {PageData} data */
  function reasons({ reasons, counts }) {
    byId("reasons-section").hidden = false;
    table(
      "reasons",
      [
        ["outcome", "plain"],
        ["rows", "number"],
        ["kind", "plain"],
        ["why", "text"],
        ["for example", "plain"],
      ],
      reasons.rows.map((reason) => [
        reason.refused ? "refused" : "failed",
        reason.rows,
        reason.error,
        reason.description,
        reason.example_number ? `${reason.example_number} (id ${reason.example_id})` : reason.example_id,
      ]),
      "no row failed, and none was refused",
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
        ["how it was started", "text"],
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
          run.where,
        ]),
      "no run yet",
    );
  }

  /**
   * Whether all is as wanted, as far as it can be: rows that nobody may change, or that are not there, are no fault.
   * @param {PageData} data
   */
  function tone({ counts, state }) {
    if (state.state !== "ended") return "";
    const { locked = 0, unknown_id = 0 } = counts.failures;
    if (Outcome.done(counts) + locked + unknown_id === counts.total) return "good";
    return counts.failed ? "bad" : "wait";
  }

  /**
   * @param {PageData} data
   * @param {Tile[]} extraTiles after those of the rows
   */
  function show(data, extraTiles = []) {
    const { calls } = data;
    Tables.badge({ tone: tone(data), ...data.state });
    Outcome.show(data, extraTiles);
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
  return { show };
})();
