// @ts-check
"use strict";
// Tables, tiles, bars and notes of all pages, and what keeps them still: only what has changed is drawn anew.
const Tables = (() => {
  /** @type {Map<string, unknown[]>} */
  const shown = new Map();

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
   * Each cell has its column's title with it: on a phone there are no columns.
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
        const [title, kind] = columns[at];
        const cell = make("td", typeof value === "number" && kind === "number" ? Format.count(value) : value, kind);
        cell.dataset.title = title;
        line.append(cell);
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
   * @param {string} name
   * @param {string} text hidden if empty
   */
  function note(name, text) {
    const line = byId(`${name}-note`);
    line.hidden = !text;
    line.textContent = text;
  }

  /** @param {State} found */
  function badge(found) {
    const badge = byId("state");
    badge.dataset.state = found.state;
    /** @type {Record<string, string>} */
    const tones = { running: "good", killed: "bad" };
    badge.dataset.tone = found.tone || tones[found.state] || "";
    if (badge.textContent !== found.text) badge.textContent = found.text;
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

  /**
   * @param {[className: string, label: string, rows: number][]} parts
   * @param {number} total
   * @param {string} rest what is said of the others
   */
  function progress(parts, total, rest) {
    const bar = byId("progress");
    bar.replaceChildren(
      ...parts.map(([className, , rows]) => {
        const part = make("span", "", className);
        part.style.width = `${(100 * rows) / Math.max(1, total)}%`;
        return part;
      }),
    );
    const said = parts.map(([, label, rows]) => `${Format.count(rows)} ${label}`);
    bar.setAttribute("aria-label", [...said, rest].join(", "));
  }
  return { badge, changed, note, progress, table, tiles };
})();
