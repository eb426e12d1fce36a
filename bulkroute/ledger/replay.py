"""Commits of a run as bytes, and back: how a copy of a ledger elsewhere follows it.

A record holds what was noted, no SQL: it is written into the copy by the same code, so the two cannot differ. It is a
zlib stream of a JSON array that begins with the ledger's format; nothing that is read can do more than fill a table.
Promises that a ledger as it was when its run began, with all records of that run replayed, is the run's to the byte.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bulkroute.errors import LedgerError
from bulkroute.ledger import batches, copied, notes, rollback
from bulkroute.ledger.batches import QueuedRow
from bulkroute.ledger.file import FORMAT, transaction
from bulkroute.ledger.gates import GateAnswer, GateKind, GateNote
from bulkroute.ledger.notes import Attempt, Notes, Pace, Wait
from bulkroute.ledger.remarks import Remark, RemarkKind
from bulkroute.ledger.waves import WaveNote, WaveState
from bulkroute.model import FailureKind, PaceCause, Row, Ruling, Status, Verdict

_ANY_ROW = Row(0, "", 0, 0)
"""Stands for a row's manifest line, which nothing that is written of its calls needs."""


def encode(run: int, noted: Notes) -> bytes:
    """Return what was noted of a run, before it is written, as a record."""
    waits = {id(wait): place for place, wait in reversed(list(enumerate(noted.waits)))}
    values = [
        FORMAT,
        run,
        noted.at,
        [_plain_attempt(attempt) for attempt in noted.attempts],
        [_plain_attempt(attempt) for attempt in noted.failed],
        noted.given_back,
        [row for (row,) in noted.withdrawn],
        [row for (row,) in noted.sent],
        [(waits[id(wait)], wait.reason, wait.started_at, wait.ended_at, wait.number) for wait in noted.waits],
        noted.paces,
        noted.remarks,
        noted.waves,
        noted.gates,
    ]
    return zlib.compress(json.dumps(values, separators=(",", ":")).encode(), 1)


def _plain_attempt(attempt: Attempt) -> tuple[object, ...]:
    queued, number, started_at, latency_ms, verdict, *rest = attempt
    told = (verdict.ruling.value, verdict.kind, verdict.http_status, verdict.return_code, verdict.description)
    return (queued.number, number, started_at, latency_ms, told, *rest)


def decode(record: bytes) -> tuple[int, Notes]:
    """Return the run of a record, and what was noted of it. Raises ValueError for one that this version cannot read."""
    try:
        found, *values = json.loads(zlib.decompress(record))
        if found != FORMAT:
            raise ValueError(f"it is of format {found}, not {FORMAT}")
        run, at, attempts, failed, given_back, withdrawn, sent, waits, paces, remarks, waves, gates = values
    except zlib.error as error:
        raise ValueError(str(error)) from error
    made: dict[int, Wait] = {}
    return run, Notes(
        at=at,
        attempts=[_attempt(*each) for each in attempts],
        failed=[_attempt(*each) for each in failed],
        given_back=[(count, row) for count, row in given_back],
        withdrawn=[(row,) for row in withdrawn],
        sent=[(row,) for row in sent],
        waits=[_wait(made, *each) for each in waits],
        paces=[(when, Pace(*pace), PaceCause(cause), reason) for when, pace, cause, reason in paces],
        remarks=[Remark(when, RemarkKind(kind), is_good, text) for when, kind, is_good, text in remarks],
        waves=[WaveNote(wave, WaveState(state), *rest) for wave, state, *rest in waves],
        gates=[GateNote(wave, GateKind(gate), GateAnswer(answer), words) for wave, gate, answer, words in gates],
    )


def _attempt(
    row: int,
    number: int,
    started_at: float,
    latency_ms: float,
    told: list[Any],
    status: str,
    error: str | None,
    uses_try: bool,
) -> Attempt:
    ruling, kind, *answer = told
    verdict = Verdict(Ruling(ruling), kind and FailureKind(kind), *answer)
    queued = QueuedRow(row, _ANY_ROW, tried=False)
    failure = FailureKind(error) if error else None
    return Attempt(queued, number, started_at, latency_ms, verdict, Status(status), failure, uses_try)


def _wait(
    made: dict[int, Wait], place: int, reason: str, started_at: float, ended_at: float | None, number: int | None
) -> Wait:
    """Return a wait; the same one where it was noted twice at once, as begun and as ended."""
    if place not in made:
        made[place] = wait = Wait(reason)
        wait.started_at, wait.ended_at, wait.number = started_at, ended_at, number
    return made[place]


def replay(connection: sqlite3.Connection, path: Path, records: Iterable[bytes]) -> None:
    """Write records, in their order, into an open copy of the ledger as it was when their run began; all or none.

    Raises LedgerError for one that does not fit.
    """
    following = False
    with transaction(connection):
        for record in records:
            try:
                run, noted = decode(record)
            except ValueError as error:
                raise LedgerError(
                    f"a record of the ledger's copy cannot be read: {error}",
                    where=str(path),
                    hint="use the version of bulkroute that wrote it",
                ) from error
            if not following:
                _keep_true(connection, run)
                following = True
            notes.write(connection, path, run, noted)
            copied.count_up(connection)


def _keep_true(connection: sqlite3.Connection, run: int) -> None:
    """Let what a rollback does show in its batches, as it did where it ran."""
    found = connection.execute("SELECT batch FROM run WHERE run = ?", (run,)).fetchone()
    batch = batches.find(connection, int(found[0])) if found else None
    if batch is not None and batch.parent is not None:
        rollback.keep_true(connection, batch)
