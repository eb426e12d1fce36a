"""What gates between two waves have answered so far, so that a run that goes on does not ask again what was answered."""

import sqlite3
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from bulkroute.ledger.batches import Batch


class GateKind(StrEnum):
    """What is asked after a wave."""

    COMMAND = "command"
    """A command of the operator's."""
    WAIT = "wait"
    """Nobody: a time has to pass."""
    HOLD = "hold"
    """A person, by `ctl` or the page."""


class GateAnswer(StrEnum):
    """What it has said."""

    WAITING = "waiting"
    """Nothing yet."""
    NOT_YET = "not_yet"
    """Ask again."""
    GO = "go"
    """The next wave may begin."""
    NO_GO = "no_go"
    """It must not."""


class Gate(NamedTuple):
    """A gate after a wave, and its latest answer."""

    wave: int
    """The wave that it follows."""
    gate: GateKind
    answer: GateAnswer
    at: float
    """When it was given, in seconds since the epoch."""
    words: str
    """What was said with it: the last lines of a command, a person's reason."""


class GateNote(NamedTuple):
    """An answer, to be kept with the next commit."""

    wave: int
    gate: GateKind
    answer: GateAnswer
    words: str = ""


def kept(connection: sqlite3.Connection, batch: Batch) -> list[Gate]:
    """Return the gates of a batch with their latest answers, in the order of their waves."""
    found = connection.execute(
        "SELECT wave, gate, answer, at, words FROM gate WHERE batch = ? ORDER BY wave, gate", batch[:1]
    )
    return [Gate(wave, GateKind(gate), GateAnswer(answer), at, words) for wave, gate, answer, at, words in found]


def note(connection: sqlite3.Connection, run: int, notes: Sequence[GateNote], at: float) -> None:
    """Keep answers of gates of a run's batch, given `at` a moment."""
    connection.executemany(
        "INSERT INTO gate (batch, wave, gate, answer, at, words) SELECT batch, ?, ?, ?, ?, ? FROM run WHERE run = ?"
        " ON CONFLICT (batch, wave, gate) DO UPDATE SET answer = excluded.answer, at = excluded.at, words = excluded.words",
        [(wave, str(gate), str(answer), at, words, run) for wave, gate, answer, words in notes],
    )
