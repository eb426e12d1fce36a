// @ts-check
"use strict";
// What the server of a live page sends, put together; if it sends nothing, the page says that it is stale.
const Fresh = (() => {
  const STALE_MS = 5000;
  const SHUT =
    "Open the whole link that `bulkroute watch` printed where it was started. " +
    "It is good until that command ends; started again, it prints another one.";
  const { time } = Format;
  let heardAt = 0;
  let madeAt = 0;
  let refused = "";
  let isShut = false;
  /** @type {any} */
  let data = null;

  /** @param {number} at in seconds since the epoch */
  function heard(at) {
    heardAt = Date.now();
    madeAt = at;
    refused = "";
    check();
  }
  function check() {
    const stale = byId("stale");
    const silent = heardAt ? Date.now() - heardAt > STALE_MS : performance.now() > STALE_MS;
    const fresh = !silent && !refused;
    if (stale.hidden !== fresh) {
      stale.hidden = fresh;
      document.body.classList.toggle("is-stale", !fresh);
    }
    if (stale.hidden) return;
    const since = heardAt ? `What you see is of ${time(heardAt)}.` : "Nothing was heard from it yet.";
    const why = refused ? `The server says: ${refused}.` : "The server does not answer; trying again.";
    const text = data || !isShut ? `Stale. ${why} ${since}` : SHUT;
    if (stale.textContent !== text) stale.textContent = text;
  }
  /**
   * @param {string} said
   * @param {boolean} knowsUsNot
   */
  function turnedAway(said, knowsUsNot) {
    refused = said;
    isShut = knowsUsNot;
    if (isShut && !data) {
      byId("manifest").textContent = "This page is private";
      Tables.badge({ state: "none", text: "not let in" });
    }
    check();
  }

  /**
   * Show what the server sends, from now on, and again when the page is looked at anew.
   * @param {(data: any) => void} show
   */
  function follow(show) {
    setInterval(check, 1000);
    document.addEventListener("visibilitychange", () => data && show(data));
    Link.listen((name, text) => {
      heard(name === "beat" ? Number(text) : Date.now() / 1000);
      if (name === "beat") return;
      // Of a change, the parts that are the same stay the same objects.
      data = name === "change" ? { ...data, ...JSON.parse(text) } : JSON.parse(text);
      show(data);
    }, turnedAway);
  }
  /** When what is shown was so, in seconds since the epoch. */
  const at = () => madeAt;
  return { at, follow };
})();
