// @ts-check
"use strict";
// The report: all it shows, the failed rows too, stands in the page itself.
(() => {
  /** @type {PageData} */
  const data = JSON.parse(byId("data").textContent ?? "");
  const rows = Failures.unpacked(data.failed);
  const said = rows.map((row) => [row.id, row.error, row.return_code, row.description].join(" ").toLowerCase());
  const { count } = Format;

  /** @param {FailedSearch} search */
  function matching({ text, kind }) {
    const wanted = text.toLowerCase();
    return rows.filter((row, at) => (!kind || row.error === kind) && (!wanted || said[at].includes(wanted)));
  }
  /**
   * An id may be any text without blanks: quoted, it comes back as it was.
   * @param {string} text
   */
  const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  /** @type {FailedSource} */
  const source = {
    async find(search, offset, limit) {
      const found = matching(search);
      return { total: found.length, rows: found.slice(offset, offset + limit) };
    },
    async ids(search) {
      return matching(search)
        .map((row) => row.id)
        .join("\n");
    },
    save(search) {
      const lines = matching(search).map((row) => `${quoted(row.id)},${row.devicetype},${row.device_id}`);
      const link = make("a");
      link.href = URL.createObjectURL(
        new Blob([["id,devicetype,deviceId", ...lines, ""].join("\n")], { type: "text/csv" }),
      );
      link.download = "failed.csv";
      link.click();
      URL.revokeObjectURL(link.href);
    },
  };
  const { total } = data.failed;
  if (rows.length < total) {
    Tables.note(
      "failed",
      `This page holds the first ${count(rows.length)} of ${count(total)} failed rows. ` +
        `All of them: bulkroute export ${data.ledger} --status failed -o failed.csv`,
    );
  }
  byId("failed-section").hidden = total === 0;
  Page.show(data);
  Failures.start(source);
})();
