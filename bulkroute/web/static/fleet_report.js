// @ts-check
"use strict";
// The report of a fleet: all it shows stands in the page itself, and each tenant's report beside it.
(() => {
  /** @type {FleetData & {made_at: number}} */
  const data = JSON.parse(byId("data").textContent ?? "");
  FleetTable.show(data);
  byId("foot").textContent =
    `State of ${Format.moment(data.made_at)}; times are local (${Format.zone}). bulkroute ${data.version}.`;
})();
