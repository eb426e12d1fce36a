"""What was said of a batch beside its rows: notices and warnings of its runs, how waves and checks came out."""

import sqlite3
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from bulkroute.events import WARNING
from bulkroute.ledger.batches import Batch
from bulkroute.ledger.file import transaction
from bulkroute.model import escaped


class RemarkKind(StrEnum):
    """What a remark is about."""

    NOTICE = "notice"
    """Something that deserves a look some time."""
    WARNING = "warning"
    """Something to look at before rows are sent, or at once."""
    WAVE = "wave"
    """What came of reading a wave back, and what its gates said."""
    CHECK = "check"
    """What `bulkroute verify` found; of no run."""
    HOOK = "hook"
    """What a command of the operator's said, or that it or a ping failed."""


class Remark(NamedTuple):
    """One of them; `at` in seconds since the epoch."""

    at: float
    kind: RemarkKind
    is_good: bool
    """False where somebody has to do something."""
    text: str

    @classmethod
    def now(cls, kind: RemarkKind, text: str, *, is_good: bool) -> "Remark":
        """Return a remark of this moment."""
        return cls(time.time(), kind, is_good, escaped(text))

    @classmethod
    def of_notice(cls, text: str) -> "Remark":
        """Return what is kept of a notice; a warning begins with `warning: `."""
        warns = text.startswith(WARNING)
        kind = RemarkKind.WARNING if warns else RemarkKind.NOTICE
        return cls.now(kind, text.removeprefix(WARNING), is_good=not warns)


class SaidOf(NamedTuple):
    """A remark as it is kept."""

    at: float
    kind: str
    is_good: bool
    text: str
    run: int | None
    """None for a check, which is of no run."""


def keep(connection: sqlite3.Connection, run: int, remarks: Iterable[Remark]) -> None:
    """Keep what was said of a run."""
    with transaction(connection):
        connection.executemany(
            "INSERT INTO remark (batch, run, at, kind, is_good, text) SELECT batch, run, ?, ?, ?, ? FROM run WHERE run = ?",
            [(*remark, run) for remark in remarks],
        )


def keep_check(connection: sqlite3.Connection, batch: Batch, remark: Remark) -> None:
    """Keep what a check of a batch found."""
    with transaction(connection):
        connection.execute(
            "INSERT INTO remark (batch, at, kind, is_good, text) VALUES (?, ?, ?, ?, ?)", (batch.number, *remark)
        )


def latest(connection: sqlite3.Connection, batch: Batch, limit: int) -> list[SaidOf]:
    """Return what was said of a batch, the last words first, each text once; of a rollback what checks of its batch said since.

    At most `limit` of them.
    """
    found = connection.execute(
        "SELECT max(at), kind, is_good, text, run FROM remark WHERE batch = ?1 OR (kind = ?2 AND batch = ?3 AND at >="
        " (SELECT created_at FROM batch WHERE batch.batch = ?1)) GROUP BY kind, text ORDER BY 1 DESC, remark DESC LIMIT ?4",
        (batch.number, RemarkKind.CHECK, batch.parent, limit),
    )
    return [SaidOf(at, kind, bool(is_good), text, run) for at, kind, is_good, text, run in found]
