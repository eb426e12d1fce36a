"use strict";
// The live page: what the server tells is shown as it comes; where it tells nothing, the page says that it is stale.
(() => {
  const byId = (id) => document.getElementById(id);
  const STALE_MS = 5000;
  const AGAIN_MS = 2000;
  let heardAt = 0;
  let madeAt = 0;
  let refused = "";
  let failures = null;
  let stopArmed = 0;
  let data = {};

  const { count, time } = Charts;

  // The table of failed rows asks the server, which searches in the ledger.
  const query = (search, more = {}) => new URLSearchParams({ ...search, ...more }).toString();
  async function ask(path) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error((await answer.text()).trim() || `HTTP ${answer.status}`);
    return answer;
  }
  const source = {
    async find(search, offset, limit) {
      const started = performance.now();
      const found = await (await ask(`/failed?${query(search, { offset, limit })}`)).json();
      failures.costMs = performance.now() - started;
      return found;
    },
    async ids(search) {
      return (await (await ask(`/failed.txt?${query(search)}`)).text()).trimEnd();
    },
    save(search) {
      const link = document.createElement("a");
      link.href = `/failed.csv?${query(search)}`;
      link.download = "failed.csv";
      link.click();
    },
  };
  // A batch that fails a lot must not have every page ask for the same rows all the time.
  function refreshFailures(known) {
    if (!failures) {
      failures = { known, costMs: 0, due: 0, timer: 0 };
      Failures.start(source);
      return;
    }
    if (failures.known === known || failures.timer) return;
    failures.timer = setTimeout(() => {
      failures.timer = 0;
      failures.due = Date.now() + Math.max(2000, 20 * failures.costMs);
      Failures.refresh();
    }, Math.max(0, failures.due - Date.now()));
    failures.known = known;
  }

  function stateOf(data) {
    const { live, state } = data;
    if (state.state !== "running" || !live.state) return state;
    // No figure that changes every second: a screen reader reads this line aloud whenever it changes.
    if (live.stopping) return { state: "running", tone: "wait", text: `stopping: ${live.stopping}` };
    if (live.pauses.length) return { state: "running", tone: "wait", text: `${live.state}: ${live.pauses.map((pause) => pause.reason).join("; ")}` };
    return { state: "running", text: "running" };
  }

  function liveTiles(data) {
    const { live, pace } = data;
    const paused = live.state && live.pauses.some((pause) => pause.wait_s === null);
    const eta = paused ? null : data.eta_s;
    if (data.state.state !== "running") return [];
    const { per } = Page;
    const tiles = [];
    if (live.state) {
      const allowed = live.rate_per_s !== live.asked_per_s ? `, ${per(live.rate_per_s)} allowed` : "";
      tiles.push(["calls started in the last second", count(live.started_per_s), "", `of ${per(live.asked_per_s)}${allowed}`]);
    }
    if (live.state) tiles.push(["calls in flight", count(live.in_flight)]);
    if (live.state && live.pauses.length && !paused) tiles.push(["goes on in", Page.span(Math.max(0, ...live.pauses.map((pause) => pause.wait_s))), "throttled"]);
    if (pace !== null) tiles.push(["rows a second, last 30 s", Charts.plain(pace)]);
    const ends = live.ends_at ? new Date(live.ends_at) : null;
    const done = eta === null ? null : new Date(Date.now() + eta * 1000);
    const late = ends && done && done > ends;
    tiles.push([late ? "done at, after the window's end" : "done at", done ? time(done) : "–", late ? "failed" : "", done ? `in ${Page.span(eta)}` : ""]);
    if (ends) tiles.push(["window ends", time(ends)]);
    return tiles;
  }

  // Whoever does not look at the page sees its title at most.
  function show() {
    const counts = data.counts;
    if (counts) {
      const done = counts.succeeded + counts.unchanged;
      const title = `${counts.total ? Math.floor((100 * done) / counts.total) : 0} % · ${Page.name(data)}`;
      if (document.title !== title) document.title = title;
    }
    if (!document.hidden) draw();
  }
  function draw() {
    if (data.error) {
      byId("manifest").textContent = "Waiting for the ledger";
      Page.state({ state: "none", text: data.error });
      return;
    }
    const { counts } = data;
    Page.show({ ...data, made_at: madeAt, state: stateOf(data) }, liveTiles(data));
    byId("failed-section").hidden = counts.failed === 0;
    byId("runs-section").hidden = data.runs.total === 0;
    if (counts.failed || failures) refreshFailures(JSON.stringify([data.batch, counts.failures]));
    const going = data.state.state === "running";
    const controls = byId("controls");
    if (controls) {
      controls.querySelectorAll("button, input").forEach((one) => { one.disabled = !going; });
      const rate = byId("control-rate");
      if (data.live.state) rate.placeholder = data.live.asked_per_s === null ? "unlimited" : String(data.live.asked_per_s);
    }
  }

  function heard(at) {
    heardAt = Date.now();
    madeAt = at;
    refused = "";
    checkStale();
  }
  function checkStale() {
    const stale = byId("stale");
    const silent = heardAt ? Date.now() - heardAt > STALE_MS : performance.now() > STALE_MS;
    const fresh = !silent && !refused;
    if (stale.hidden !== fresh) {
      stale.hidden = fresh;
      document.body.classList.toggle("is-stale", !fresh);
    }
    if (stale.hidden) return;
    const since = heardAt ? `What you see is of ${time(heardAt)}.` : "Nothing was heard from it yet.";
    const text = refused ? `Stale. The server says: ${refused} ${since}` : `Stale. The server does not answer; trying again. ${since}`;
    if (stale.textContent !== text) stale.textContent = text;
  }

  function listen() {
    const events = new EventSource("/events");
    events.addEventListener("snapshot", (event) => {
      heard(Date.now() / 1000);
      data = JSON.parse(event.data);
      show();
    });
    events.addEventListener("change", (event) => {
      heard(Date.now() / 1000);
      data = { ...data, ...JSON.parse(event.data) }; // the parts that have not changed stay the same objects
      show();
    });
    events.addEventListener("beat", (event) => heard(Number(event.data)));
    events.addEventListener("error", async () => {
      if (events.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      try {
        const answer = await fetch("/failed?limit=1");
        if (answer.status === 403) refused = await answer.text();
      } catch {
        refused = "";
      }
      checkStale();
      setTimeout(listen, AGAIN_MS);
    });
  }

  async function command(verb, value) {
    const said = byId("control-answer");
    said.textContent = `${verb} …`;
    try {
      const answer = await fetch("/control", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ verb, value }) });
      const text = await answer.text();
      const found = answer.headers.get("Content-Type").startsWith("application/json") ? JSON.parse(text) : { error: text };
      said.textContent = found.error ? `${verb}: refused: ${found.error}` : `${verb}: done at ${time(Date.now())}`;
    } catch (error) {
      said.textContent = `${verb}: the server does not answer (${error.message})`;
    }
  }
  function pressed(button) {
    const { verb } = button.dataset;
    if (verb === "stop" && Date.now() > stopArmed) {
      stopArmed = Date.now() + 5000;
      byId("control-answer").textContent = "Press Stop the run once more within 5 s: no more calls start, those in flight are awaited.";
      return;
    }
    stopArmed = 0;
    command(verb, { pause: byId("control-reason").value || null, rate: byId("control-rate").value }[verb] ?? null);
  }

  if (location.search) history.replaceState(null, "", location.pathname); // the token does not stay in sight
  const controls = byId("controls");
  if (controls) {
    controls.addEventListener("click", (event) => { if (event.target.dataset.verb) pressed(event.target); });
    byId("control-form").addEventListener("submit", (event) => event.preventDefault());
  }
  ["charts", "failed-section", "runs-section", "paces-section", "waits-section", "reasons-section"].forEach((id) => { byId(id).hidden = true; });
  setInterval(checkStale, 1000);
  document.addEventListener("visibilitychange", () => { if (data.counts || data.error) show(); });
  listen();
})();
