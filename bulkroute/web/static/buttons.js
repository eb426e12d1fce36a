// @ts-check
"use strict";
// The buttons of the live pages, where they have any: what they ask for, and those that have to be pressed twice.
const Buttons = (() => {
  const ARMED_MS = 5000;
  const controls = document.getElementById("controls");
  /** When the buttons that were pressed once are what they were. @type {Record<string, number>} */
  const armed = {};

  /**
   * @param {string} verb
   * @param {string | null} value
   * @param {(answer: any) => string} [describe] what is said of the answer
   */
  async function command(verb, value, describe = () => "") {
    const said = byId("control-answer");
    said.textContent = `${verb} …`;
    try {
      const answer = await Link.ask("control", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ verb, value }),
      });
      said.textContent = `${verb}: done at ${Format.time(Date.now())}${describe(await answer.json())}`;
    } catch (error) {
      const isSilent = error instanceof TypeError; // what fetch throws where no answer comes
      said.textContent = `${verb}: ${isSilent ? "the server does not answer" : `refused: ${/** @type {Error} */ (error).message}`}`;
    }
  }
  /**
   * @param {string} verb
   * @param {string} text
   */
  function label(verb, text) {
    const button = controls?.querySelector(`[data-verb=${verb}]`);
    if (button) button.textContent = text;
  }
  /**
   * Whether a button that does much was pressed twice within a moment; else it says what follows.
   * @param {string} verb
   * @param {Careful} careful
   */
  function isMeant(verb, [name, short, follows]) {
    if (Date.now() <= (armed[verb] ?? 0)) {
      armed[verb] = 0;
      label(verb, name);
      return true;
    }
    armed[verb] = Date.now() + ARMED_MS;
    label(verb, `${short}: press once more`);
    setTimeout(() => Date.now() >= armed[verb] && label(verb, name), ARMED_MS);
    byId("control-answer").textContent = `${short}: ${follows()}. Within ${ARMED_MS / 1000} s.`;
    return false;
  }
  /** @param {boolean} can whether there is anything to be told */
  function enable(can) {
    if (!controls) return;
    controls.hidden = !can;
    for (const one of controls.querySelectorAll("button")) one.disabled = !can;
    for (const one of controls.querySelectorAll("input")) one.disabled = !can;
  }
  /** @param {(verb: string) => void} pressed */
  function start(pressed) {
    if (!controls) return;
    controls.hidden = true;
    controls.addEventListener("click", (event) => {
      const verb = event.target instanceof HTMLElement && event.target.dataset.verb;
      if (verb) pressed(verb);
    });
    byId("control-form").addEventListener("submit", (event) => event.preventDefault());
  }
  return { command, enable, isMeant, start };
})();
