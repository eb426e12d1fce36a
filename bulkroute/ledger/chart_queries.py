"""What the pages draw: calls over time, waits, and the failed rows. Reads only, also while a run writes.

Calls are counted in SQL; what comes back grows with the number of buckets asked for, never with that of calls.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from bulkroute.ledger.batches import number_of
from bulkroute.ledger.pair_queries import PAIR, PairKey
from bulkroute.ledger.queries import COUNTED, IN_BATCH, TRIES
from bulkroute.ledger.search import NAMES, add_functions, condition
from bulkroute.model import Ruling, Status

DONE, THROTTLED, FAILED = Ruling.DONE.value, Ruling.THROTTLED.value, Ruling.FAILED.value
"""What became of a call, as the pages tell it apart; FAILED is any other than the first two, tried again or not."""

_TWO_DIGITS = (
    "CASE WHEN latency_ms < 10 THEN round(latency_ms, 1) WHEN latency_ms < 100 THEN round(latency_ms)"
    " WHEN latency_ms < 1000 THEN 10 * round(latency_ms / 10) WHEN latency_ms < 10000 THEN 100 * round(latency_ms / 100)"
    " ELSE 1000 * round(latency_ms / 1000) END"
)
"""Latencies that look the same to a person are one: so percentiles need no sorting of a million values."""

_ENDED_AT = "(attempt.started_at + latency_ms / 1000)"


class LastCall(NamedTuple):
    """The latest call of a run: its key in the ledger, and when the run's last answer came."""

    run: int
    attempt: int
    ended_at: float


class Cell(NamedTuple):
    """Calls of one run that ended in one bucket of time with one outcome and one latency (to two digits)."""

    run: int
    bucket: int
    outcome: str
    latency_ms: float
    calls: int
    retries: int


class Wait(NamedTuple):
    """One time a run waited; `ended_at` is None while it lasts."""

    run: int
    started_at: float
    ended_at: float | None
    reason: str


class PaceChange(NamedTuple):
    """From when on a run went at which pace; rates in calls per second, None for unlimited."""

    pace: int
    run: int
    at: float
    asked: float | None
    rate: float | None
    concurrency: int
    reason: str
    cause: str


class FailedRow(NamedTuple):
    """A row that failed, with what the service said; number and target's name are empty where they are not known."""

    id: str
    access_code: str
    ext_code: str
    media_type: int | None
    line: int
    devicetype: int
    device_id: int
    target: str
    error: str
    http_status: int | None
    return_code: str | None
    description: str | None
    attempts: int
    finished_at: float | None


class Search(NamedTuple):
    """Which failed rows are wanted: of one kind, and with a text somewhere in them; '' is any."""

    kind: str = ""
    text: str = ""


def last_calls(connection: sqlite3.Connection, batch: int, after: int) -> list[LastCall]:
    """Return, for each run of the batch with calls later than the call `after`, the last of them."""
    found = connection.execute(
        f"SELECT run, max(attempt), max({_ENDED_AT}) FROM attempt JOIN run USING (run)"
        " WHERE attempt > ? AND batch = ? GROUP BY run ORDER BY run",
        (after, batch),
    )
    return [LastCall(*last) for last in found]


def cells(connection: sqlite3.Connection, batch: int, after: int, width_s: float) -> list[Cell]:
    """Count the calls of a batch later than the call `after`, in buckets of `width_s` from their run's start."""
    found = connection.execute(
        f"SELECT run, max(0, CAST(({_ENDED_AT} - run.started_at) / :width AS INTEGER)) AS bucket,"
        " CASE WHEN verdict IN (:done, :throttled) THEN verdict ELSE :failed END AS outcome,"
        f" {_TWO_DIGITS} AS latency, count(*), sum(number > 1) FROM attempt JOIN run USING (run)"
        " WHERE attempt > :after AND batch = :batch GROUP BY run, bucket, outcome, latency",
        {"width": width_s, "done": DONE, "throttled": THROTTLED, "failed": FAILED, "after": after, "batch": batch},
    )
    return [Cell(*cell) for cell in found]


def latest_call(connection: sqlite3.Connection) -> int:
    """Return the key of the latest call in the ledger, 0 before the first one."""
    (latest,) = connection.execute("SELECT coalesce(max(attempt), 0) FROM attempt").fetchone()
    return int(latest)


class Finished(NamedTuple):
    """Rows of one pair of targets that got their outcome alike; `example_id` is one of them."""

    status: Status
    error: str | None
    description: str | None
    rows: int
    example_id: str
    example_number: str
    before_devicetype: int | None
    before_device_id: int | None
    devicetype: int
    device_id: int

    @property
    def pair(self) -> PairKey:
        """Where they led and are to lead."""
        return self.before_devicetype, self.before_device_id, self.devicetype, self.device_id


def finished(connection: sqlite3.Connection, batch: int, after: int) -> list[Finished]:
    """Count the rows of a batch that calls later than the call `after` finished."""
    # "+batch" keeps SQLite from walking through the whole batch for a few rows. What a success says tells nothing.
    found = connection.execute(
        f"SELECT status, error, iif(status = '{Status.FAILED}', description, NULL), count(*), min(id),"
        f" {number_of('row')}, {PAIR} FROM row"
        " WHERE row IN (SELECT row FROM attempt WHERE attempt > ?)"
        f" AND +batch = ? AND status IN ('{Status.SUCCEEDED}', '{Status.FAILED}') GROUP BY 1, 2, 3, {PAIR}",
        (after, batch),
    )
    return [Finished(Status(status), *rest) for status, *rest in found]


def waits(connection: sqlite3.Connection, batch: int, limit: int) -> list[Wait]:
    """Return the latest waits of the batch's runs, the first one first."""
    found = connection.execute(
        "SELECT run, wait.started_at, wait.ended_at, reason FROM wait JOIN run USING (run)"
        " WHERE batch = ? ORDER BY wait DESC LIMIT ?",
        (batch, limit),
    )
    return [Wait(*wait) for wait in found][::-1]


def pace_changes(connection: sqlite3.Connection, batch: int, after: int) -> Iterator[PaceChange]:
    """Yield the changes of pace of the batch's runs later than the change `after`."""
    columns = ", ".join(f"pace.{name}" for name in PaceChange._fields)
    found = connection.execute(
        f"SELECT {columns} FROM pace JOIN run USING (run) WHERE pace > ? AND batch = ? ORDER BY pace", (after, batch)
    )
    return (PaceChange(*change) for change in found)


def _where(connection: sqlite3.Connection, search: Search) -> tuple[str, dict[str, Any]]:
    """Return the condition of a search and its parameters."""
    where = f"{IN_BATCH} AND {COUNTED} AND status = '{Status.FAILED}'"
    parameters: dict[str, Any] = {"kind": search.kind, "said": search.text}
    if search.kind:
        where += " AND error = :kind"
    if search.text:
        add_functions(connection)
        route, more = condition(search.text)
        said = " || ' ' || ".join(f"coalesce({column}, '')" for column in ("error", "return_code", "description"))
        where += f" AND (instr(lower({said}), lower(:said)) OR {route})"
        parameters |= more
    return where, parameters


def count_failed(connection: sqlite3.Connection, batch: int, search: Search) -> int:
    """Count the failed rows that a search finds."""
    where, parameters = _where(connection, search)
    (count,) = connection.execute(
        f"SELECT count(*) FROM row {NAMES} WHERE {where}", {**parameters, "batch": batch}
    ).fetchone()
    return int(count)


def failed_rows(
    connection: sqlite3.Connection, batch: int, search: Search, *, limit: int = -1, offset: int = 0
) -> Iterator[FailedRow]:
    """Yield the failed rows that a search finds, in the manifest's order; all of them where no limit is given."""
    where, parameters = _where(connection, search)
    otherwise = {"attempts": TRIES, "target": "coalesce(wanted.name, '')"}
    columns = ", ".join(otherwise.get(name, f"row.{name}") for name in FailedRow._fields)
    found = connection.execute(
        f"SELECT {columns} FROM row {NAMES} WHERE {where} ORDER BY row.line, row.row LIMIT :limit OFFSET :offset",
        {**parameters, "batch": batch, "limit": limit, "offset": offset},
    )
    return (FailedRow(*row) for row in found)
