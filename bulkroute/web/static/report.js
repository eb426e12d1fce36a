// @ts-check
"use strict";
// The report: all it shows, the failed rows too, stands in the page itself.
(() => {
  /** @type {PageData} */
  const data = JSON.parse(byId("data").textContent ?? "");
  const rows = Failures.unpacked(data.failed);
  const said = rows.map((row) =>
    [row.id, Failures.number(row), row.target, row.error, row.return_code, row.description].join(" ").toLowerCase(),
  );
  const dialled = rows.map((row) => digits(row.access_code + row.ext_code));
  const { count } = Format;

  /**
   * A number without what people put between its digits.
   * @param {string} text
   */
  function digits(text) {
    return text.replace(/[\s().\/–-]/g, "");
  }

  /** @param {FailedSearch} search */
  function matching({ text, kind }) {
    const wanted = text.toLowerCase();
    const number = /^[0-9*#+]+$/.test(digits(text)) ? digits(text) : null;
    return rows.filter(
      (row, at) =>
        (!kind || row.error === kind) &&
        (!wanted || said[at].includes(wanted) || (number !== null && dialled[at].includes(number))),
    );
  }
  /**
   * An id may be any text without blanks: quoted, it comes back as it was.
   * @param {string} text
   */
  const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  /**
   * A spreadsheet must not run it as a formula; whoever reads manifests takes the apostrophe off a number.
   * @param {string} text
   */
  const defused = (text) => quoted(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

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
    async save(search) {
      const lines = matching(search).map((row) =>
        [
          quoted(row.id),
          row.devicetype,
          row.device_id,
          defused(row.access_code),
          defused(row.ext_code),
          row.media_type ?? "",
          defused(row.target),
        ].join(","),
      );
      const text = ["id,devicetype,deviceId,accessCode,extCode,mediaType,target", ...lines, ""].join("\n");
      saveAs(new Blob([text], { type: "text/csv" }), "failed.csv");
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
