"""The waves of a batch for the page: how far each is and what its gates said, read each time; its rows, as time allows."""

import time
from typing import Any

from bulkroute.ledger.gates import Gate, GateAnswer, GateKind
from bulkroute.ledger.reader import BatchReader, LedgerReader
from bulkroute.ledger.waves import WaveState
from bulkroute.progress import WaveProgress

SHARE = 0.005
"""Of the time, at most, goes to counting their rows anew."""

MOST_WAVES = 100
"""Lines of the page's table."""


class WaveRows:
    """The waves of one batch."""

    def __init__(self, ledger: LedgerReader, batch: BatchReader) -> None:
        self._ledger = ledger
        self._batch = batch
        self._counted: dict[int, WaveProgress] = {}
        self._states: list[str] = []
        self._due_s = 0.0
        self._exact_at = -1
        self._shown: dict[str, Any] = {"total": 0, "is_held": False, "rows": []}

    def read(self) -> dict[str, Any]:
        """Return the first of them, how many there are, and whether one is held for a person's go.

        The same object while nothing has changed.
        """
        version = self._ledger.version()
        waves = self._batch.kept_waves()
        states = [str(wave.state) for wave in waves]
        started_s = time.monotonic()
        if waves and (states != self._states or (version != self._exact_at and started_s >= self._due_s)):
            self._exact_at = version
            self._counted = {each.wave: each for each in self._batch.waves()}
            ended_s = time.monotonic()
            self._states, self._due_s = states, ended_s + (ended_s - started_s) / SHARE
        gates = self._batch.gates() if waves else []
        asked = {wave.number for wave in waves if wave.state is WaveState.GATE}
        hold = GateKind.HOLD, GateAnswer.WAITING
        is_held = any((gate.gate, gate.answer) == hold and gate.wave in asked for gate in gates)
        lines = []
        for wave in waves[:MOST_WAVES]:
            counts = self._counted[wave.number]._asdict() | {"state": str(wave.state), "since": wave.since}
            said = [_said(gate) for gate in gates if gate.wave == wave.number]
            lines.append({**counts, "words": "; ".join(filter(None, (wave.words, *said)))})
        shown = {"total": len(waves), "is_held": is_held, "rows": lines}
        if shown != self._shown:
            self._shown = shown
        return self._shown


def _said(gate: Gate) -> str:
    """Return what a gate has said last; a no is in the words of its wave."""
    if gate.answer is GateAnswer.NO_GO:
        return ""
    said = f": {gate.words.rpartition(chr(10))[2]}" if gate.words else ""
    return f"{gate.gate} {gate.answer.replace('_', ' ')}{said}"
