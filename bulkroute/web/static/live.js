// @ts-check
"use strict";
// The live page of a ledger: what the server sends is shown as it comes.
(() => {
  /** What has to be pressed twice: what the button says, that in short, and what follows. @type {Record<string, Careful>} */
  const CAREFUL = {
    stop: ["Stop the run", "Stop", () => "no more calls start, those in flight are awaited"],
    go: ["Go", "Go", () => `${following()}, if no other gate is waited for`],
    "no-go": ["No go", "No go", () => "no further wave begins and the run stops, exit code 3; what was sent stays"],
  };
  const { count, plain, rate, span, time } = Format;
  let finding = new AbortController();
  /** The table of failed rows, once it is shown. @type {null | {known: string, costMs: number, due: number, timer: number}} */
  let failures = null;
  /** @type {LiveData | {error: string} | null} */
  let data = null;

  /**
   * The table of failed rows asks the server, which searches in the ledger.
   * @param {FailedSearch} search
   * @param {Record<string, number>} more
   */
  const query = (search, more = {}) => {
    const numbers = Object.entries(more).map(([name, value]) => [name, String(value)]);
    return new URLSearchParams({ ...search, ...Object.fromEntries(numbers) }).toString();
  };
  /** @type {FailedSource} */
  const source = {
    async find(search, offset, limit) {
      const started = performance.now();
      finding.abort(); // who types on no longer wants what the server is looking for
      finding = new AbortController();
      const { signal } = finding;
      /** @type {PackedRows} */
      const found = await (await Link.ask(`failed?${query(search, { offset, limit })}`, { signal })).json();
      if (failures) failures.costMs = performance.now() - started;
      return { total: found.total, rows: Failures.unpacked(found) };
    },
    async ids(search) {
      return (await (await Link.ask(`failed.txt?${query(search)}`)).text()).trimEnd();
    },
    save: (search) => Link.save(`failed.csv?${query(search)}`, "failed.csv"),
  };
  /**
   * A batch that fails a lot must not have every page ask for the same rows all the time.
   * @param {string} known
   */
  function refreshFailures(known) {
    if (!failures) {
      failures = { known, costMs: 0, due: 0, timer: 0 };
      Failures.start(source);
      return;
    }
    const table = failures;
    if (table.known === known || table.timer) return;
    table.timer = setTimeout(
      () => {
        table.timer = 0;
        table.due = Date.now() + Math.max(2000, 20 * table.costMs);
        Failures.refresh();
      },
      Math.max(0, table.due - Date.now()),
    );
    table.known = known;
  }

  /**
   * @param {LiveData} data
   * @returns {State}
   */
  function stateOf({ live, state }) {
    if (state.state !== "running" || !live.state) return state;
    // No figure that changes every second: a screen reader reads this line aloud whenever it changes.
    if (live.stopping) return { state: "running", tone: "wait", text: `stopping: ${live.stopping}` };
    if (live.backing_out) return { state: "running", tone: "wait", text: `backing out: ${live.backing_out}` };
    const reasons = live.pauses.map((pause) => pause.reason).join("; ");
    if (reasons) return { state: "running", tone: "wait", text: `${live.state}: ${reasons}` };
    return { state: "running", text: "running" };
  }

  /**
   * @param {LiveData} data
   * @returns {Tile[]}
   */
  function liveTiles({ live, pace, eta_s, state }) {
    if (state.state !== "running") return [];
    /** @type {Tile[]} */
    const tiles = [];
    let goesOn = true;
    /** @type {Date | null} */
    let ends = null;
    if (live.state) {
      const allowed = live.rate_per_s !== live.asked_per_s ? `, ${rate(live.rate_per_s)} allowed` : "";
      const of = `of ${rate(live.asked_per_s)}${allowed}`;
      tiles.push(["calls a second now", count(live.started_per_s), "", of]);
      goesOn = live.pauses.every((pause) => pause.wait_s !== null);
      const wait_s = Math.max(0, ...live.pauses.map((pause) => pause.wait_s ?? 0));
      if (live.pauses.length && goesOn) tiles.push(["goes on in", span(wait_s), "throttled"]);
      for (const pause of live.pauses) {
        if (pause.next_probe_s !== null) tiles.push(["next probe in", span(pause.next_probe_s), "throttled"]);
        if (pause.wait_s === null && pause.until !== null) tiles.push(["giving up at", time(new Date(pause.until))]);
      }
      ends = live.ends_at === null ? null : new Date(live.ends_at);
    }
    if (goesOn && eta_s !== null) {
      const done = new Date(Date.now() + eta_s * 1000);
      const late = ends !== null && done > ends;
      const name = late ? "done at, after the window's end" : "done at";
      tiles.push([name, time(done), late ? "failed" : "", `in ${span(eta_s)}`]);
    }
    if (ends) tiles.push(["window ends", time(ends)]);
    if (live.state && live.back_out_s !== null) {
      tiles.push(["a back-out now would take", span(live.back_out_s), "", `${count(live.back_out_rows)} changed rows`]);
      const by = live.back_out_by === null ? null : new Date(live.back_out_by);
      if (by) tiles.push(["latest start of it", time(by), by < new Date() ? "failed" : ""]);
    }
    if (!live.state && pace !== null) tiles.push(["rows a second, last 30 s", plain(pace)]);
    return tiles;
  }

  /**
   * While the page is hidden, at most its title is seen.
   * @param {LiveData | {error: string}} found
   */
  function show(found) {
    data = found;
    if (!("error" in data)) {
      const { counts } = data;
      const share = counts.total ? Math.floor((100 * Outcome.done(counts)) / counts.total) : 0;
      const title = `${share} % · ${Outcome.name(data)}`;
      if (document.title !== title) document.title = title;
    }
    if (!document.hidden) draw(data);
  }
  /** @param {LiveData | {error: string}} data */
  function draw(data) {
    if ("error" in data) {
      byId("manifest").textContent = "Waiting for the ledger";
      Tables.badge({ state: "none", text: data.error });
      return;
    }
    const { counts } = data;
    Page.show({ ...data, made_at: Fresh.at(), state: stateOf(data) }, liveTiles(data));
    byId("failed-section").hidden = counts.failed + counts.refused === 0;
    byId("runs-section").hidden = data.runs.total === 0;
    if (counts.failed || counts.refused || failures) refreshFailures(JSON.stringify([data.batch, counts.failures]));
    if (!document.getElementById("controls")) return;
    Buttons.enable(data.state.state === "running");
    const isHeld = data.live.state !== undefined && data.live.pauses.some((pause) => pause.cause === "gate");
    const mayGo = isHeld && data.waves.is_held;
    element("control-go", HTMLButtonElement).hidden = !mayGo;
    element("control-no-go", HTMLButtonElement).hidden = !isHeld;
    if (data.live.state) {
      const asked = data.live.asked_per_s;
      element("control-rate", HTMLInputElement).placeholder = asked === null ? "unlimited" : String(asked);
    }
  }

  /** What a go leads to. */
  function following() {
    if (!data || "error" in data) return "the next wave begins";
    const next = data.waves.rows.find((wave) => wave.state === "waiting");
    return next ? `wave ${next.wave} begins, which sends ${count(next.rows)} rows` : "the next wave begins";
  }
  /** @param {string} verb */
  function pressed(verb) {
    const reason = element("control-reason", HTMLInputElement);
    if (verb === "no-go" && !reason.value.trim()) {
      byId("control-answer").textContent = "No go: write why into the field first; it is kept.";
      reason.focus();
      return;
    }
    if (verb in CAREFUL && !Buttons.isMeant(verb, CAREFUL[verb])) return;
    if (verb === "pause" || verb === "no-go") Buttons.command(verb, reason.value || null);
    else if (verb === "rate") Buttons.command(verb, element("control-rate", HTMLInputElement).value);
    else Buttons.command(verb, null);
  }

  Buttons.start(pressed);
  for (const name of ["failed", "runs", "paces", "waits", "reasons", "pairs", "waves", "notices", "remarks"])
    byId(`${name}-section`).hidden = true;
  byId("charts").hidden = true;
  Fresh.follow(show);
})();
