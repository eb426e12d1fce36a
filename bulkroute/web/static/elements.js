// @ts-check
"use strict";
// Elements of the page, found and made. Text is put in as text, never as markup.

/**
 * The element with that id. An error names the one that is missing or of another kind.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`);
  return found;
}

/** @param {string} id */
const byId = (id) => element(id, HTMLElement);

/**
 * A new element with a text in it.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string | number | null} [text]
 * @param {string} [className]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, text = "", className = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text === null ? "" : String(text);
  return made;
}

/**
 * Save it as a file.
 * @param {Blob} blob
 * @param {string} name
 */
function saveAs(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
