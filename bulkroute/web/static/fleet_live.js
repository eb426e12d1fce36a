// @ts-check
"use strict";
// The live page of a fleet: of each tenant a line comes when it has changed.
(() => {
  /** @type {Record<string, Careful>} */
  const CAREFUL = {
    stop: ["Stop the fleet", "Stop", () => "all runs end in good order, and no further tenant is begun"],
  };

  /** @param {Record<string, any>} found each line is a part of its own, so that only those that changed are sent */
  function show(found) {
    if ("error" in found) {
      Tables.badge({ state: "none", text: found.error });
      return;
    }
    /** @type {FleetLine[]} */
    const lines = Object.entries(found).flatMap(([name, part]) => (name.startsWith("t/") ? [part] : []));
    const { fleet, totals, version } = found;
    const title = `${totals.succeeded} of ${totals.tenants} done · ${fleet}`;
    if (document.title !== title) document.title = title;
    if (document.hidden) return;
    FleetTable.show({ fleet, totals, version, lines });
    byId("foot").textContent =
      `State of ${Format.moment(Fresh.at())}; times are local (${Format.zone}). bulkroute ${version}.`;
    Buttons.enable(lines.some((line) => line.goes_on));
  }

  /** @param {{told: number, refused: string[]}} answer */
  function told({ told, refused }) {
    const others = refused.length ? `, refused by ${refused.join(", ")}` : "";
    return `, ${Format.count(told)} ${told === 1 ? "run" : "runs"} told${others}`;
  }
  /** @param {string} verb */
  function pressed(verb) {
    if (verb in CAREFUL && !Buttons.isMeant(verb, CAREFUL[verb])) return;
    const reason = verb === "pause" ? element("control-reason", HTMLInputElement).value || null : null;
    Buttons.command(verb, reason, told);
  }

  Buttons.start(pressed);
  Fresh.follow(show);
})();
