// @ts-check
"use strict";
// The charts of both pages: calls and latency over the working time of all runs, and how latencies are distributed.
const Charts = (() => {
  const { count, plain, ms, roughMs } = Format;
  const { axis, colour, drawn, fromZero, legend, line, scale } = Plots;
  /** @type {Timeline} */
  let timeline;
  /** @type {Wait[]} */
  let waits = [];

  /**
   * The run that is at place x of the axis, on which one run follows the other without the time between them.
   * @param {number} x
   * @returns {TimelineRun | undefined}
   */
  const runAt = (x) => timeline.runs.findLast((run) => run.x <= x) ?? timeline.runs[0];
  /**
   * @param {number} x
   * @param {boolean} seconds
   */
  function clock(x, seconds) {
    const run = runAt(x);
    if (!run) return "";
    const at = (run.started_at + x - run.x) * 1000;
    return seconds ? Format.time(at) : Format.timeToTheMinute(at);
  }

  /**
   * Behind the lines: where the run waited, and where one run ends and the next one starts.
   * @param {uPlot} plot
   */
  function backdrop(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour("wait");
    for (const wait of waits) {
      const at = timeline.runs.findIndex((one) => one.run === wait.run);
      if (at < 0) continue;
      const run = timeline.runs[at];
      const end = timeline.runs[at + 1]?.x ?? timeline.end;
      const from = run.x + Math.max(0, wait.started_at - run.started_at);
      const to = Math.min(end, wait.ended_at === null ? end : run.x + wait.ended_at - run.started_at);
      const left = plot.valToPos(from, "x", true);
      ctx.fillRect(left, bbox.top, Math.max(1, plot.valToPos(to, "x", true) - left), bbox.height);
    }
    if (timeline.runs.length > 1) markRuns(plot);
    ctx.restore();
  }
  /** @param {uPlot} plot */
  function markRuns({ ctx, bbox, valToPos }) {
    ctx.strokeStyle = ctx.fillStyle = colour("soft");
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    let free = -Infinity;
    for (const run of timeline.runs) {
      const left = Math.round(valToPos(run.x, "x", true));
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
  }

  /**
   * @param {Line[]} lines
   * @returns {uPlot.AlignedData}
   */
  const columnsOf = (lines) => [timeline.x, ...lines.map((one) => timeline[one.key])];

  /**
   * @param {string} id
   * @param {Line[]} lines
   * @param {(value: number | null) => string} format
   * @param {uPlot.Axis} yAxis
   * @param {uPlot.Scale.Range} yRange
   * @param {() => LegendEntry[]} rest of the legend
   */
  function overTime(id, lines, format, yAxis, yRange, rest) {
    /** @param {uPlot} plot */
    function update(plot) {
      const at = plot.cursor.idx ?? null;
      const entries = lines
        .filter((one) => !IF_ANY.has(one.key) || timeline[one.key].some((value) => value !== null))
        .map((one) => [one.key, one.label, at === null ? "" : format(timeline[one.key][at] ?? null)]);
      const run = at === null ? undefined : runAt(timeline.x[at]);
      const said = run && at !== null ? `run ${run.run}, ${clock(timeline.x[at], true)}` : "";
      legend(id, [.../** @type {LegendEntry[]} */ (entries), ...rest()], said);
    }
    /** @type {uPlot.Axis} */
    const xAxis = {
      size: 32 * scale(),
      values: (_plot, places) => places.map((x) => (x > timeline.end ? "" : clock(x, timeline.end < 600))),
      space: 80 * scale(),
      incrs: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 604800],
    };
    /** @type {uPlot.Scale.Range} */
    const wholeTime = (_plot, _from, to) => [0, Math.max(to ?? 1, timeline.end, 1)];
    return drawn(
      id,
      {
        scales: { x: { time: false, range: wholeTime }, y: { range: yRange } },
        axes: [axis(xAxis), axis({ size: 62 * scale(), ...yAxis })],
        series: [{}, ...lines],
        hooks: { drawAxes: [backdrop], setCursor: [update], setData: [update], ready: [update] },
      },
      columnsOf(lines),
    );
  }

  /** @type {Set<SeriesName>} */
  const IF_ANY = new Set(["target", "allowed"]); // in the legend only where there is one
  const RATES = [
    line("done", "succeeded", { fill: () => `${colour("done")}22` }),
    line("failed", "failed or tried again"),
    line("throttled", "throttled"),
    line("target", "asked for", { dash: [6, 4], width: 1.5 }),
    line("allowed", "allowed by the service", { dash: [2, 3] }),
  ];
  const LATENCIES = [line("p99", "p99"), line("p95", "p95"), line("p50", "median")];

  /** @param {(number | null)[]} values */
  const highest = (values) => Math.max(0, ...values.map((value) => value ?? 0));
  /**
   * A rate far above what was ever reached would flatten all curves: then it is out of sight.
   * @type {uPlot.Scale.Range}
   */
  const asFarAsCalls = () => {
    const reached = highest(timeline.calls);
    const rates = Math.max(highest(timeline.target), highest(timeline.allowed));
    return [0, Math.max(1, 1.08 * (!reached || rates <= 2 * reached ? Math.max(reached, rates) : 1.2 * reached))];
  };

  /** @type {Latency} */
  let latency;
  /** @returns {uPlot.AlignedData} */
  const barColumns = () => [latency.bars.map((_bar, at) => at), latency.bars.map((bar) => bar.calls)];

  function distribution() {
    /** @param {uPlot} plot */
    function update(plot) {
      const bar = latency.bars[plot.cursor.idx ?? -1];
      const { p50, p95, p99 } = latency;
      legend(
        "distribution",
        [
          ["p50", "median", ms(p50)],
          ["p95", "p95", ms(p95)],
          ["p99", "p99", ms(p99)],
        ],
        bar ? `${ms(bar.from)} to ${ms(bar.to)}: ${count(bar.calls)} calls` : "",
      );
    }
    /** @type {uPlot.Axis} */
    const xAxis = {
      size: 32 * scale(),
      values: (_plot, places) =>
        places.map((at) => (Number.isInteger(at) && latency.bars[at] ? roughMs(latency.bars[at].from) : "")),
      incrs: [1, 2, 5, 10],
      space: 60,
    };
    /** @type {uPlot.Axis} */
    const yAxis = {
      size: 62 * scale(),
      values: (_plot, values) => values.map((value) => (Number.isInteger(value) ? count(value) : "")),
    };
    const ink = () => colour("p50");
    /** @type {uPlot.Series} */
    const bars = { label: "calls", stroke: ink, fill: () => `${ink()}66`, width: 1, points: { show: false } };
    /** @type {uPlot.Scale.Range} */
    const allBars = () => [-0.6, Math.max(0.6, latency.bars.length - 0.4)];
    return drawn(
      "distribution",
      {
        scales: { x: { time: false, range: allBars }, y: { range: fromZero } },
        axes: [axis(xAxis), axis(yAxis)],
        series: [{}, { ...bars, paths: uPlot.paths.bars?.({ size: [0.9, 60] }) }],
        hooks: { setCursor: [update], setData: [update], ready: [update] },
      },
      barColumns(),
    );
  }

  /**
   * An image is described once it has something to say, and anew only where that differs.
   * @param {string} id
   * @param {string} text
   */
  function describe(id, text) {
    const holder = byId(`chart-${id}`);
    holder.setAttribute("role", "img");
    if (holder.getAttribute("aria-label") !== text) holder.setAttribute("aria-label", text);
  }
  function describeAll() {
    const { calls, target, runs, width_s } = timeline;
    const peak = highest(calls);
    const asked = target.filter((value, at) => value !== null && value !== target[at - 1]);
    const askedFor = asked.length ? `; asked for were ${asked.slice(-5).map(plain).join(", then ")} a second` : "";
    const most = `at most ${plain(peak)} a second in a stretch of ${width_s} s`;
    const middle = `median ${ms(latency.p50)}, p95 ${ms(latency.p95)}, p99 ${ms(latency.p99)}`;
    describe("rate", `Calls per second over working time (runs: ${runs.length}); ${most}${askedFor}.`);
    describe("latency", `Latency over working time; ${middle} over all.`);
    describe("distribution", `Latency distribution; ${middle}.`);
  }

  /** @type {{rate: uPlot, latency: uPlot, distribution: uPlot} | null} */
  let plots = null;

  /** @param {PageData} data */
  function show(data) {
    ({ timeline, waits, latency } = data);
    if (plots) {
      plots.rate.setData(columnsOf(RATES));
      plots.latency.setData(columnsOf(LATENCIES));
      plots.distribution.setData(barColumns());
    } else {
      /** @returns {LegendEntry[]} */
      const waited = () => (waits.length ? [["wait", "the run waited", ""]] : []);
      /** @type {uPlot.Axis} */
      const inMs = { values: (_plot, values) => values.map((value) => (value ? ms(value) : "0")) };
      plots = {
        rate: overTime("rate", RATES, (value) => `${plain(value)}/s`, {}, asFarAsCalls, waited),
        latency: overTime("latency", LATENCIES, ms, inMs, fromZero, () => []),
        distribution: distribution(),
      };
    }
    describeAll();
  }

  return { show };
})();
