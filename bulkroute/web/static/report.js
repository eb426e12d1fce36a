"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { rows, texts, total } = data.failed;
  const said = rows.map((row) => [row[0], row[4], row[6], texts[row[7]]].join(" ").toLowerCase());

  function matching({ text, kind }) {
    const wanted = text.toLowerCase();
    return rows.filter((row, at) => (!kind || row[4] === kind) && (!wanted || said[at].includes(wanted)));
  }
  // An id may be any text without blanks: quoted, it comes back as it was.
  const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  const source = {
    async find(search, offset, limit) {
      const found = matching(search);
      return { total: found.length, texts, rows: found.slice(offset, offset + limit) };
    },
    async ids(search) {
      return matching(search).map((row) => row[0]).join("\n");
    },
    save(search) {
      const lines = matching(search).map(([id, , type, device]) => `${quoted(id)},${type},${device}`);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([["id,devicetype,deviceId", ...lines, ""].join("\n")], { type: "text/csv" }));
      link.download = "failed.csv";
      link.click();
      URL.revokeObjectURL(link.href);
    },
  };
  if (rows.length < total) {
    Page.note("failed", `This page holds the first ${rows.length.toLocaleString("en")} of ${total.toLocaleString("en")} failed rows. ` +
      `All of them: bulkroute export ${data.ledger} --status failed -o failed.csv`);
  }
  document.getElementById("failed-section").hidden = total === 0;
  Page.show(data);
  Failures.start(source);
})();
