// @ts-check
"use strict";
// The page's way to its server. The token comes behind the `#` of the link, which no browser sends anywhere, and goes
// out as a header alone. It is kept for this tab: other ports of the host, other users' servers among them, never get it.
const Link = (() => {
  const KEY = "token";
  const SILENT_MS = 15_000;
  const AGAIN_MS = 2000;
  let token = kept();

  function kept() {
    try {
      return sessionStorage.getItem(KEY) ?? "";
    } catch {
      return ""; // a browser that keeps nothing: the link stays in the address bar
    }
  }
  /** Take the token of a link that was just opened; it does not stay in sight. */
  function take() {
    const linked = new URLSearchParams(location.hash.slice(1)).get(KEY);
    if (!linked) return false;
    token = linked;
    try {
      sessionStorage.setItem(KEY, token);
      history.replaceState(null, "", location.pathname);
    } catch {
      // It is asked for again after a reload.
    }
    return true;
  }
  /**
   * @param {string} path
   * @param {RequestInit} [request]
   */
  function send(path, request = {}) {
    const headers = new Headers(request.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    return fetch(path, { ...request, headers });
  }
  /**
   * What the server answers; an error holds what it says instead.
   * @param {string} path
   * @param {RequestInit} [request]
   */
  async function ask(path, request) {
    const answer = await send(path, request);
    if (!answer.ok) throw new Error((await answer.text()).trim() || `HTTP ${answer.status}`);
    return answer;
  }

  /**
   * Server-sent events: after an error or a silence they are asked for again, until the server does not know the token.
   * @param {(name: string, data: string) => void} heard
   * @param {(said: string, isShut: boolean) => void} refused with what the server says; "" if it does not answer
   */
  async function listen(heard, refused) {
    for (;;) {
      const quiet = new AbortController();
      let timer = 0;
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => quiet.abort(), SILENT_MS);
      };
      try {
        alive();
        const answer = await send("events", { signal: quiet.signal });
        const isShut = answer.status === 401;
        if (answer.ok && answer.body) await read(answer.body, alive, heard);
        else refused((await answer.text()).trim(), isShut);
        if (isShut) return;
      } catch {
        refused("", false);
      }
      clearTimeout(timer);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  /**
   * @param {ReadableStream<Uint8Array>} body
   * @param {() => void} alive
   * @param {(name: string, data: string) => void} heard
   */
  async function read(body, alive, heard) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let begun = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const events = (begun + decoder.decode(value, { stream: true })).split("\n\n");
      begun = events.pop() ?? "";
      for (const event of events) {
        const [name, data] = event.split("\n");
        // Apart, so that what goes wrong with it is not taken for a fault of the connection.
        queueMicrotask(() => heard(name.slice("event: ".length), data.slice("data: ".length)));
      }
    }
  }
  /**
   * Save what the server answers, as a file.
   * @param {string} path
   * @param {string} name
   */
  async function save(path, name) {
    saveAs(await (await ask(path)).blob(), name);
  }
  take();
  addEventListener("hashchange", () => take() && location.reload());
  return { ask, listen, save };
})();
