"use strict";
// What both pages show of a snapshot. Text is put in as text, never as markup.
const Page = (() => {
  const byId = (id) => document.getElementById(id);
  const shown = new Map();
  const { count } = Charts;
  const dated = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const moment = (at) => dated.format(at * 1000);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  function span(seconds) {
    if (seconds < 1) return `${Math.round(seconds * 1000)}\u00a0ms`;
    if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}\u00a0s`;
    const minutes = Math.round(seconds / 60);
    if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min\u00a0${Math.round(seconds % 60)}\u00a0s`;
    return `${Math.floor(minutes / 60)}\u00a0h\u00a0${minutes % 60}\u00a0min`;
  }

  // Draw a part of the page anew only where it changed: a selection, a focus or a screen reader is not disturbed.
  // A part of the data that has not changed is the same object.
  function changed(name, ...parts) {
    const before = shown.get(name);
    if (before && parts.every((part, at) => part === before[at])) return false;
    shown.set(name, parts);
    return true;
  }

  function table(id, columns, rows, empty) {
    const cell = (tag, text, kind) => {
      const made = document.createElement(tag);
      made.className = kind;
      made.textContent = text ?? "";
      return made;
    };
    const head = document.createElement("thead");
    const titles = document.createElement("tr");
    for (const [title, kind] of columns) {
      const made = cell("th", title, kind === "number" ? kind : "");
      made.scope = "col";
      titles.append(made);
    }
    head.append(titles);
    const body = document.createElement("tbody");
    for (const row of rows) {
      const line = document.createElement("tr");
      row.forEach((value, at) => line.append(cell("td", typeof value === "number" && columns[at][1] === "number" ? count(value) : value, columns[at][1])));
      body.append(line);
    }
    if (!rows.length) {
      const line = document.createElement("tr");
      const only = cell("td", empty, "note");
      only.colSpan = columns.length;
      line.append(only);
      body.append(line);
    }
    byId(id).replaceChildren(...(rows.length ? [head] : []), body);
  }

  // Most seconds change a figure or two: only those are touched.
  function tiles(list) {
    const holder = byId("tiles");
    list.forEach(([name, value, kind, more], at) => {
      const known = holder.children[at];
      if (changed(`tile ${at}`, name, value, kind, more) || !known) {
        const tile = document.createElement("div");
        tile.className = kind || "";
        const title = document.createElement("dt");
        const figure = document.createElement("dd");
        title.textContent = name;
        figure.textContent = value;
        if (more) {
          const small = document.createElement("small");
          small.textContent = ` ${more}`;
          figure.append(small);
        }
        tile.append(title, figure);
        if (known) known.replaceWith(tile);
        else holder.append(tile);
      }
    });
    while (holder.children.length > list.length) holder.lastElementChild.remove();
  }

  function progress(counts) {
    const names = { succeeded: "succeeded", unchanged: "unchanged", failed: "failed", in_doubt: "in doubt", pending: "pending" };
    const bar = byId("progress");
    bar.replaceChildren(...Object.keys(names).slice(0, 4).map((name) => {
      const part = document.createElement("span");
      part.className = name;
      part.style.width = `${(100 * counts[name]) / Math.max(1, counts.total)}%`;
      return part;
    }));
    bar.setAttribute("aria-label", Object.entries(names).map(([name, label]) => `${count(counts[name])} ${label}`).join(", "));
  }

  function state(found) {
    const badge = byId("state");
    badge.dataset.state = found.state;
    badge.dataset.tone = found.tone || { running: "good", killed: "bad" }[found.state] || "";
    if (badge.textContent !== found.text) badge.textContent = found.text;
  }

  const per = (rate) => (rate === null || rate === undefined ? "unlimited" : `${Charts.plain(rate)}/s`);

  // Which batch it is: a rollback is one of its own.
  function named(data) {
    const back = data.parent !== null;
    byId("manifest").textContent = name(data);
    byId("where").textContent = `batch ${data.batch} in ${data.ledger}${back ? `, which puts back batch ${data.parent}` : ""}`;
    note("batch", back && `Shown are the rows of the rollback, until batch ${data.parent} is run again: what is put back is pending there. ` +
      `About batch ${data.parent} itself: bulkroute report ${data.ledger} --batch ${data.parent} -o batch${data.parent}.html`);
  }
  const name = (data) => (data.parent === null ? data.manifest : `Rollback of ${data.manifest}`);

  function show(data, extraTiles = []) {
    const { counts, calls } = data;
    const done = counts.succeeded + counts.unchanged;
    const left = counts.pending + counts.in_doubt;
    if (changed("batch", data.batch, data.parent, data.manifest, data.ledger)) named(data);
    const tone = data.state.state === "ended" ? (done === counts.total ? "good" : counts.failed ? "bad" : "wait") : "";
    state({ tone, ...data.state });
    if (changed("counts", counts, calls, data.state.state, JSON.stringify(extraTiles))) {
      progress(counts);
      tiles([
        [data.parent === null ? "rows done" : "rows put back", count(done), "done", `of ${count(counts.total)}`],
        ["failed", count(counts.failed), counts.failed ? "failed" : ""],
        ["left", count(left)],
        ...extraTiles,
        ...(counts.unchanged ? [["unchanged", count(counts.unchanged)]] : []),
        ...(counts.in_doubt && data.state.state !== "running" ? [["in doubt", count(counts.in_doubt)]] : []),
        ["calls", count(calls.all)],
        ["of these retries", count(calls.retries)],
        ["throttled calls", count(calls.throttled), calls.throttled ? "throttled" : ""],
        ["working time", span(calls.seconds)],
        ["calls per second, mean", calls.seconds ? Charts.plain(calls.all / calls.seconds) : "–"],
      ]);
    }
    if (changed("charts", data.timeline, data.latency)) {
      byId("charts").hidden = calls.all === 0;
      if (calls.all) Charts.show(data);
    }
    if (changed("reasons", data.reasons)) {
      byId("reasons-section").hidden = false;
      table("reasons", [["rows", "number"], ["kind", "plain"], ["what the service said", "text"], ["for example", "plain"]],
        data.reasons.rows.map((reason) => [reason.rows, reason.error, reason.description, reason.example_id]), "no row failed");
      note("reasons", data.reasons.total > data.reasons.rows.length && `The ${data.reasons.rows.length} commonest of ${count(data.reasons.total)} reasons.`);
      Failures.kinds(counts.failures);
    }
    if (changed("paces", data.paces)) {
      byId("paces-section").hidden = !data.paces.length;
      table("paces", [["run", "number"], ["at", "plain"], ["rate asked for", "number"], ["rate allowed", "number"], ["concurrency", "number"], ["why", "text"]],
        data.paces.toReversed().map((pace) => [pace.run, moment(pace.at), per(pace.asked), per(pace.rate), pace.concurrency, pace.reason]), "");
    }
    if (changed("waits", data.waits)) {
      byId("waits-section").hidden = !data.waits.length;
      table("waits", [["run", "number"], ["from", "plain"], ["for", "number"], ["reason", "text"]], data.waits.toReversed().map((wait) => [
        wait.run, moment(wait.started_at), wait.ended_at === null ? "no end on record" : span(wait.ended_at - wait.started_at), wait.reason]), "");
    }
    if (changed("runs", data.runs)) {
      table("runs", [["run", "number"], ["started", "plain"], ["took", "number"], ["rate asked for", "number"], ["calls", "number"], ["retries", "number"],
        ["throttled", "number"], ["how it ended", "text"], ["exit code", "number"], ["command and place", "text"]], data.runs.rows.toReversed().map((run) => [
        run.run, moment(run.started_at), span(run.seconds), per(run.rate), run.calls, run.retries,
        run.throttled, run.ending, run.exit_code, `${run.command}: ${run.where}`]), "no run yet");
    }
    byId("foot").textContent = `State of ${moment(data.made_at)}; times are local (${zone}). bulkroute ${data.version}, charts by uPlot.`;
  }
  function note(name, text) {
    const line = byId(`${name}-note`);
    line.hidden = !text;
    line.textContent = text || "";
  }
  return { show, table, moment, name, note, per, span, state };
})();
