"""Rows of a ledger as CSV (which is a valid manifest) or JSON lines."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, TextIO

from bulkroute.ledger import queries
from bulkroute.ledger.call_sheet import SheetLine
from bulkroute.ledger.reader import LedgerReader
from bulkroute.model import Status

Record = dict[str, Any]

FREE_TEXT = ("error", "return_code", "description", "accessCode", "extCode", "target", "before_target")
"""Columns with words of others. An id or a deviceId is never touched: it must come back as it was.

A manifest's reader takes the apostrophe off a number again.
"""


def rows(
    ledger: LedgerReader, statuses: list[Status], number: int | None = None, *, rollback: bool = False, find: str = ""
) -> Iterator[Record]:
    """Return the rows of a batch (the latest if none is named), or of its last rollback, of all statuses if none is named.

    With `find` only those whose number, id or target's name holds that text. Raises LedgerError, and UsageError if there
    was no rollback.
    """
    return ledger.pick(number, rollback=rollback).export(statuses, find)


def write_csv(
    records: Iterable[Record],
    file: TextIO,
    columns: Collection[str] = queries.EXPORT_COLUMNS,
    free_text: Collection[str] = FREE_TEXT,
) -> None:
    """Write CSV with a header; text that a spreadsheet would run as a formula is defused by an apostrophe."""
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    for record in records:
        writer.writerow({**record, **{column: defused(record[column]) for column in free_text}})


def defused(text: str | None) -> str | None:
    """Return text that no spreadsheet runs as a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text


def write_sheet(lines: Iterable[SheetLine], file: TextIO) -> None:
    """Write numbers to dial as CSV, for people and for a shell's `read`: a number stands as it is dialled, + included."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(SheetLine._fields)
    for number, *targets, row_id in lines:
        writer.writerow((number, *map(defused, targets), row_id))


def write_jsonl(records: Iterable[Record], file: TextIO) -> None:
    """Write one JSON object a line."""
    for record in records:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write(records: Iterable[Record], format_: str, file: TextIO) -> None:
    """Write records as "csv" or "jsonl"."""
    if format_ == "csv":
        write_csv(records, file)
    else:
        write_jsonl(records, file)
