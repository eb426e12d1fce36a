"use strict";
// The charts of both pages, drawn by uPlot. Colours come from the style sheet, so that light, dark and print need nothing here.
const Charts = (() => {
  const charts = [];
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  // Making a format anew for each text costs more than the text.
  const toTheMinute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const toTheSecond = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  const whole = new Intl.NumberFormat("en");
  const count = (value) => whole.format(value);
  const plain = (value) => (value === null || value === undefined ? "–" : number.format(value));
  const ms = (value) =>
    value === null || value === undefined ? "–" : value < 1000 ? `${number.format(value)} ms` : `${number.format(value / 1000)} s`;
  const rough = (value) => ms(Number(value.toPrecision(2)));
  let timeline = null;
  let waits = [];

  // The run that is at place x of the axis, on which one run follows the other without the time between them.
  function runAt(x) {
    return timeline.runs.reduce((found, run) => (run.x <= x ? run : found), timeline.runs[0]);
  }
  function clock(x, seconds) {
    const run = runAt(x);
    if (!run) return "";
    return (seconds ? toTheSecond : toTheMinute).format((run.started_at + x - run.x) * 1000);
  }

  // Charts grow with the text around them, on a meeting-room screen for instance.
  const scale = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

  function axis(extra) {
    const ink = () => colour("soft");
    return {
      stroke: ink, font: `${Math.round(12 * scale())}px system-ui, sans-serif`,
      grid: { stroke: () => colour("grid"), width: 1 }, ticks: { stroke: () => colour("grid"), width: 1, size: 5 }, ...extra,
    };
  }
  function line(key, label, extra = {}) {
    return { label, key, stroke: () => colour(key), width: 2, points: { show: true, filter: lonely, size: 5 }, spanGaps: false, ...extra };
  }
  // A value with a gap on both sides makes no line: it is shown as a point.
  function lonely(plot, series) {
    const values = plot.data[series];
    const missing = (at) => (values[at] ?? null) === null;
    return values.flatMap((_value, at) => (!missing(at) && missing(at - 1) && missing(at + 1) ? [at] : []));
  }

  // Behind the lines: where the run waited, and where one run ends and the next one starts.
  function backdrop(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour("wait");
    for (const wait of waits) {
      const run = timeline.runs.find((one) => one.run === wait.run);
      if (!run) continue;
      const next = timeline.runs[timeline.runs.indexOf(run) + 1];
      const end = next ? next.x : timeline.end;
      const from = run.x + Math.max(0, wait.started_at - run.started_at);
      const to = Math.min(end, wait.ended_at === null ? end : run.x + wait.ended_at - run.started_at);
      const left = plot.valToPos(from, "x", true);
      ctx.fillRect(left, bbox.top, Math.max(1, plot.valToPos(to, "x", true) - left), bbox.height);
    }
    ctx.strokeStyle = ctx.fillStyle = colour("soft");
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    let free = -Infinity;
    for (const run of timeline.runs.length > 1 ? timeline.runs : []) {
      const left = Math.round(plot.valToPos(run.x, "x", true));
      ctx.beginPath();
      ctx.moveTo(left, bbox.top);
      ctx.lineTo(left, bbox.top + bbox.height);
      ctx.stroke();
      const text = `run ${run.run}`;
      if (left >= free) {
        ctx.fillText(text, left + 4 * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
        free = left + ctx.measureText(text).width + 10 * devicePixelRatio;
      }
    }
    ctx.restore();
  }

  // The values under the pointer, or of the end of the axis where there is none.
  function legend(plot, id, columns, format, rest) {
    const target = document.getElementById(id);
    const at = plot.cursor.idx ?? plot.data[0].length - 1;
    const parts = plot.series.slice(1).flatMap((series, place) => {
      const value = plot.data[place + 1][at];
      return RATES.has(series.key) && plot.data[place + 1].every((one) => one === null) ? [] : [[series.key, series.label, plot.cursor.idx === null || plot.cursor.idx === undefined ? "" : format(value)]];
    });
    target.replaceChildren(...parts.concat(rest || []).map(([key, label, value]) => {
      const entry = document.createElement("span");
      entry.className = `of-${key}`;
      const swatch = document.createElement("i");
      const strong = document.createElement("b");
      strong.textContent = value;
      entry.append(swatch, `${label} `, strong);
      return entry;
    }), columns(plot, at));
  }

  function make(id, options, data) {
    const holder = document.getElementById(`chart-${id}`);
    const size = () => ({ width: Math.max(240, holder.clientWidth), height: innerWidth < 600 ? 200 : 240 * scale() });
    const plot = new uPlot({ ...size(), legend: { show: false }, cursor: { drag: { x: false, y: false }, points: { size: 6 } }, ...options }, data, holder);
    const chart = { plot, fit: () => plot.setSize(size()) };
    charts.push(chart);
    if (window.ResizeObserver) new ResizeObserver(() => { if (holder.clientWidth !== plot.width) chart.fit(); }).observe(holder);
    return plot;
  }

  function overTime(id, series, format, yAxis, rest) {
    const shown = (plot, at) => {
      const moment = document.createElement("span");
      if (plot.cursor.idx !== null && plot.cursor.idx !== undefined && timeline.runs.length) {
        const run = runAt(plot.data[0][at]);
        moment.textContent = `run ${run.run}, ${clock(plot.data[0][at], true)}`;
      }
      return moment;
    };
    const update = (plot) => legend(plot, `legend-${id}`, shown, format, rest());
    return make(id, {
      scales: { x: { time: false, range: (_plot, from, to) => [0, Math.max(to ?? 1, timeline.end, 1)] }, y: { range: (_plot, _from, to) => [0, Math.max(1, (to ?? 1) * 1.08)] } },
      axes: [
        axis({ size: 32 * scale(), values: (_plot, places) => places.map((x) => (x > timeline.end ? "" : clock(x, timeline.end < 600))), space: 80 * scale(), incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 604800] }),
        axis({ size: 62 * scale(), ...yAxis }),
      ],
      series: [{}, ...series],
      hooks: { drawAxes: [backdrop], setCursor: [update], setData: [update], ready: [update] },
    }, columnsOf(series));
  }
  const columnsOf = (series) => [timeline.x, ...series.map((one) => timeline[one.key])];

  let rate = null, latency = null, bars = null;
  let shownBars = [];
  const RATES = new Set(["target", "allowed"]); // in the legend only where there is one
  const rateSeries = [
    line("done", "succeeded", { fill: () => `${colour("done")}22` }),
    line("failed", "failed or tried again"),
    line("throttled", "throttled"),
    line("target", "asked for", { dash: [6, 4], width: 1.5 }),
    line("allowed", "allowed by the service", { dash: [2, 3] }),
  ];
  const latencySeries = [line("p99", "p99"), line("p95", "p95"), line("p50", "median")];

  function distribution(found) {
    shownBars = found.bars;
    const data = [shownBars.map((_bar, at) => at), shownBars.map((bar) => bar.calls)];
    const said = (plot, at) => {
      const text = document.createElement("span");
      const bar = shownBars[plot.cursor.idx];
      text.textContent = bar ? `${ms(bar.from)} to ${ms(bar.to)}: ${count(bar.calls)} calls` : "";
      return text;
    };
    const update = (plot) => {
      const rest = [["p50", "median", ms(found.p50)], ["p95", "p95", ms(found.p95)], ["p99", "p99", ms(found.p99)]];
      legend({ cursor: plot.cursor, data: plot.data, series: [{}] }, "legend-distribution", (_plot, at) => said(plot, at), ms, rest);
    };
    if (bars) {
      bars.update = update;
      bars.plot.setData(data);
      return;
    }
    const state = { update };
    const plot = make("distribution", {
      scales: { x: { time: false, range: () => [-0.6, Math.max(0.6, shownBars.length - 0.4)] }, y: { range: (_plot, _from, to) => [0, Math.max(1, (to ?? 1) * 1.08)] } },
      axes: [
        axis({ size: 32 * scale(), values: (_plot, places) => places.map((at) => (Number.isInteger(at) && shownBars[at] ? rough(shownBars[at].from) : "")), incrs: [1, 2, 5, 10], space: 60 }),
        axis({ size: 62 * scale(), values: (_plot, values) => values.map((value) => (Number.isInteger(value) ? count(value) : "")) }),
      ],
      series: [{}, { label: "calls", key: "p50", stroke: () => colour("p50"), fill: () => `${colour("p50")}66`, width: 1, points: { show: false }, paths: uPlot.paths.bars({ size: [0.9, 60] }) }],
      hooks: { setCursor: [(made) => state.update(made)], setData: [(made) => state.update(made)], ready: [(made) => state.update(made)] },
    }, data);
    bars = Object.assign(state, { plot });
  }

  // An image is described once it has something to say, and anew only where that differs.
  function say(id, text) {
    const holder = document.getElementById(`chart-${id}`);
    holder.setAttribute("role", "img");
    if (holder.getAttribute("aria-label") !== text) holder.setAttribute("aria-label", text);
  }

  function show(data) {
    timeline = data.timeline;
    waits = data.waits;
    const peak = (key) => Math.max(0, ...timeline[key].filter((value) => value !== null));
    if (rate) {
      rate.setData(columnsOf(rateSeries));
      latency.setData(columnsOf(latencySeries));
    } else {
      rate = overTime("rate", rateSeries, (value) => `${plain(value)}/s`, {}, () => (waits.length ? [["wait", "the run waited", ""]] : []));
      latency = overTime("latency", latencySeries, ms, { values: (_plot, values) => values.map((value) => (value ? ms(value) : "0")) }, () => []);
    }
    distribution(data.latency);
    const asked = timeline.target.filter((value, at) => value !== null && value !== timeline.target[at - 1]);
    const target = asked.length ? `; asked for were ${asked.slice(-5).map(plain).join(", then ")} a second` : "";
    say("rate", `Calls per second over working time (runs: ${timeline.runs.length}); at most ${plain(peak("calls"))} a second in a stretch of ${timeline.width_s} s${target}.`);
    say("latency", `Latency over working time; median ${ms(data.latency.p50)}, p95 ${ms(data.latency.p95)}, p99 ${ms(data.latency.p99)} over all.`);
    say("distribution", `Latency distribution; median ${ms(data.latency.p50)}, p95 ${ms(data.latency.p95)}, p99 ${ms(data.latency.p99)}.`);
  }

  function redraw() {
    charts.forEach(({ plot, fit }) => { fit(); plot.redraw(true, true); });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    charts.forEach(({ plot }, at) => { plot.setSize({ width: at ? 330 : 680, height: 190 }); plot.redraw(true, true); });
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    redraw();
  });
  return { show, count, ms, plain, time: (at) => toTheSecond.format(at) };
})();
