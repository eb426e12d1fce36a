// @ts-check
"use strict";
// How a plot looks and fits its place, on screens and on paper. Colours come from the style sheet, so that light and dark
// need nothing here.
const Plots = (() => {
  /** @type {{plot: uPlot, fit: () => void}[]} */
  const charts = [];
  /** @param {string} name */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  // Charts grow with the text around them, on a meeting-room screen for instance.
  const scale = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;

  /**
   * @param {uPlot.Axis} extra
   * @returns {uPlot.Axis}
   */
  function axis(extra) {
    const grid = () => colour("grid");
    return {
      stroke: () => colour("soft"),
      font: `${Math.round(12 * scale())}px system-ui, sans-serif`,
      grid: { stroke: grid, width: 1 },
      ticks: { stroke: grid, width: 1, size: 5 },
      ...extra,
    };
  }
  /**
   * @param {SeriesName} key its column in the timeline, and its colour
   * @param {string} label
   * @param {Partial<uPlot.Series>} extra
   * @returns {Line}
   */
  function line(key, label, extra = {}) {
    const look = { width: 2, points: { show: true, filter: lonely, size: 5 }, spanGaps: false };
    return { label, key, stroke: () => colour(key), ...look, ...extra };
  }
  /**
   * A value with a gap on both sides makes no line: it is shown as a point.
   * @param {uPlot} plot
   * @param {number} series
   * @returns {number[]}
   */
  function lonely(plot, series) {
    const values = plot.data[series];
    /** @param {number} at */
    const missing = (at) => (values[at] ?? null) === null;
    return Array.from(values.keys()).filter((at) => !missing(at) && missing(at - 1) && missing(at + 1));
  }

  /**
   * @param {string} id
   * @param {LegendEntry[]} entries
   * @param {string} said what is under the pointer
   */
  function legend(id, entries, said) {
    const spans = entries.map(([key, label, value]) => {
      const entry = make("span", "", `of-${key}`);
      entry.append(make("i"), `${label} `, make("b", value));
      return entry;
    });
    byId(`legend-${id}`).replaceChildren(...spans, make("span", said));
  }

  /**
   * @param {string} id
   * @param {Omit<uPlot.Options, "width" | "height">} options
   * @param {uPlot.AlignedData} data
   */
  function drawn(id, options, data) {
    const holder = byId(`chart-${id}`);
    const size = () => ({
      width: Math.max(240, holder.clientWidth),
      height: innerWidth < 600 ? 200 : 240 * scale(),
    });
    /** @type {uPlot.Cursor} */
    const cursor = { drag: { x: false, y: false }, points: { size: 6 } };
    const plot = new uPlot({ ...size(), legend: { show: false }, cursor, ...options }, data, holder);
    const chart = { plot, fit: () => plot.setSize(size()) };
    charts.push(chart);
    new ResizeObserver(() => {
      if (holder.clientWidth !== plot.width) chart.fit();
    }).observe(holder);
    return plot;
  }

  /** @type {uPlot.Scale.Range} */
  const fromZero = (_plot, _from, to) => [0, Math.max(1, (to ?? 1) * 1.08)];

  function redraw() {
    for (const { plot, fit } of charts) {
      fit();
      plot.redraw(true, true);
    }
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    charts.forEach(({ plot }, at) => {
      plot.setSize({ width: at ? 330 : 680, height: 190 });
      plot.redraw(true, true);
    });
  });
  addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    redraw();
  });
  return { axis, colour, drawn, fromZero, legend, line, scale };
})();
