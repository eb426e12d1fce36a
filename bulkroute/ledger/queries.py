"""What the ledger says: counts, failures, runs, and the rows for an export. Reads only, also while a run writes."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from bulkroute.ledger import lifecycle
from bulkroute.ledger.batches import number_of
from bulkroute.ledger.file import sql_list
from bulkroute.ledger.search import NAMES, add_functions, condition
from bulkroute.model import REFUSED, Status, iso

_KEPT = frozenset({*lifecycle.DONE, Status.SENT})
COUNTED = f"(listed OR status IN ({sql_list(sorted(_KEPT))}))"
"""Which rows belong to the batch: those in the manifest, and those gone from it that are done or in doubt."""

IN_BATCH = "+row.batch = :batch"
"""Of one batch; "+" keeps SQLite from going through the rows by their ids, from place to place, for a batch is most of them."""

TRIES = "attempts - given_back"
"""How many tries a row has used up; its attempts are calls that may have changed it."""

_RUN = (
    "iif(latency_ms IS NULL,"  # without a call it was decided before its run began
    " (SELECT min(run) FROM run WHERE run.batch = row.batch AND run.started_at >= row.finished_at),"
    " (SELECT max(run) FROM run WHERE run.batch = row.batch AND run.started_at <= row.finished_at))"
)

EXPORT_COLUMNS = {
    "id": "The called route's id, as text.",
    "devicetype": "Wanted: 1 skill queue, 3 IVR flow.",
    "deviceId": "Wanted: the number of the queue or flow.",
    "status": "Where the row stands.",
    "error": "Why it failed, or was skipped; else empty.",
    "attempts": "Tries used up, over all runs since the row was last retargeted; calls that were throttled, or made while"
    " the service was down, use up none.",
    "http_status": "Of the last answer; empty where none came or none was needed.",
    "return_code": "The service's code in the last answer.",
    "description": "The service's words in the last answer, or what went wrong, or why nothing was sent; 500 characters at most.",
    "before_devicetype": "The binding that this batch has replaced: that found before it changed the row, or another hand's since; empty if none was read.",
    "before_deviceId": "The same: the number of the queue or flow.",
    "latency_ms": "Milliseconds that the last call took, connecting included.",
    "finished_at": "When the row got its outcome: ISO 8601, UTC, with milliseconds.",
    "line": "The row's line in the manifest.",
    "accessCode": "What callers dial; empty where it is not known, as without live bindings.",
    "extCode": "What they dial after it; empty for no extension.",
    "mediaType": "What the route carries, in the vendor's number: 5 voice, 19 video, 53 multimedia.",
    "target": "What the wanted queue or flow is called; empty where it is not known.",
    "before_target": "The name of the earlier one.",
    "wave": "Which wave the row goes with; empty where all go in one, or where nothing is sent and the manifest names none.",
    "batch": "The batch's number.",
    "run": "The number of the run that brought the row to its outcome.",
}
"""The columns of an export in their order, each with what it holds."""


class Counts(NamedTuple):
    """How many rows of the batch stand where."""

    total: int
    succeeded: int
    unchanged: int
    skipped: int
    """Left alone, as asked for."""
    failed: int
    """By a call."""
    refused: int
    """Failed without a call."""
    pending: int
    in_doubt: int
    drifted: int
    """Of all these, rows that were done and that another hand changed since."""
    failures: dict[str, int]
    """Those that failed or were refused, by kind."""

    @property
    def done(self) -> int:
        """Rows that nothing is left to do with."""
        return self.succeeded + self.unchanged + self.skipped


class Reason(NamedTuple):
    """Rows that failed alike: of one kind, with one text from the service."""

    error: str
    """The failure kind."""
    description: str | None
    """The text they share."""
    rows: int
    """How many."""
    example_id: str
    """The id of one of them."""
    example_number: str = ""
    """What callers dial to reach it, `4008001234 ext 2`; empty if that is not known."""


def count(connection: sqlite3.Connection, batch: int) -> Counts:
    """Count the rows of a batch. A row of no known status, as bytes that went bad make it, is a sqlite3.DatabaseError."""
    # One walk with counters; GROUP BY would sort a million rows, which takes twice as long as the walk.
    conditions = [f"status = '{status}'" + ("" if status in _KEPT else " AND listed") for status in Status]
    columns = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions)
    drifted = f"count(*) FILTER (WHERE drifted AND {COUNTED})"
    gone = f"count(*) FILTER (WHERE NOT listed AND status IN ({sql_list(sorted(set(Status) - _KEPT))}))"
    *found, drifted_rows, gone_rows, all_rows = connection.execute(
        f"SELECT {columns}, {drifted}, {gone}, count(*) FROM row WHERE batch = ?", (batch,)
    ).fetchone()
    if lost := all_rows - sum(found) - gone_rows:
        raise sqlite3.DatabaseError(f"rows of no known status: {lost:,}")
    by_status: dict[Status, int] = dict(zip(Status, found, strict=True))
    failures: dict[str, int] = {}
    if by_status[Status.FAILED]:
        failures = dict(
            connection.execute(
                f"SELECT error, count(*) FROM row WHERE batch = ? AND listed AND status = '{Status.FAILED}' GROUP BY error",
                (batch,),
            )
        )
    refused = sum(rows for kind, rows in failures.items() if kind in REFUSED)
    return Counts(
        total=sum(by_status.values()),
        succeeded=by_status[Status.SUCCEEDED],
        unchanged=by_status[Status.UNCHANGED],
        skipped=by_status[Status.SKIPPED],
        failed=by_status[Status.FAILED] - refused,
        refused=refused,
        pending=by_status[Status.PENDING],
        in_doubt=by_status[Status.SENT],
        drifted=drifted_rows,
        failures=failures,
    )


def reasons(connection: sqlite3.Connection, batch: int) -> list[Reason]:
    """Return why rows failed, the commonest reason first."""
    found = connection.execute(
        # Of the columns beside min(), those of the row that holds the minimum are meant: SQLite promises that.
        f"SELECT error, description, count(*) AS rows, min(id), {number_of('row')} FROM row"
        f" WHERE batch = ? AND {COUNTED} AND status = '{Status.FAILED}' GROUP BY error, description ORDER BY rows DESC",
        (batch,),
    )
    return [Reason(*reason) for reason in found]


def last_failure(connection: sqlite3.Connection, batch: int) -> Reason | None:
    """Return why the last row failed, which is its example; None if none did."""
    found = connection.execute(
        f"SELECT error, description, 1, id, {number_of('row')} FROM row"
        f" WHERE batch = ? AND {COUNTED} AND status = '{Status.FAILED}' ORDER BY finished_at DESC, row DESC LIMIT 1",
        (batch,),
    ).fetchone()
    return Reason(*found) if found else None


def export(
    connection: sqlite3.Connection, batch: int, statuses: Iterable[Status] = (), find: str = ""
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch in the manifest's order, under the names of EXPORT_COLUMNS.

    Of all statuses where none is named; with `find` only those whose number, id or target's name holds that text.
    """
    where, parameters = f"{IN_BATCH} AND {COUNTED}", {"batch": batch}
    if statuses:
        where += f" AND status IN ({sql_list(statuses)})"
    if find:
        add_functions(connection)
        found, more = condition(find)
        where += f" AND {found}"
        parameters |= more
    rows = connection.execute(
        f"SELECT row.id, row.devicetype, row.device_id, status, error, {TRIES}, http_status, return_code, description,"
        " before_devicetype, before_device_id, latency_ms, finished_at, line, access_code, ext_code, media_type,"
        f" wanted.name, earlier.name, wave, row.batch, {_RUN} FROM row {NAMES} WHERE {where} ORDER BY row.line, row.row",
        parameters,
    )
    for row in rows:
        record = dict(zip(EXPORT_COLUMNS, row, strict=True))
        if record["finished_at"] is not None:
            record["finished_at"] = iso(record["finished_at"])
        if record["latency_ms"] is not None:
            record["latency_ms"] = round(record["latency_ms"], 1)
        yield record
