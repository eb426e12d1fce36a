// @ts-check
"use strict";
// Tables and notes of both pages, and what keeps them still: only what has changed is drawn anew.
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
  return { changed, table, note };
})();
