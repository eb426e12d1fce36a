"""Saved plans made up by dice, most of them with a last line that vouches for what was spoilt: see `tests/fuzz.py`.

A plan that is taken must be, byte for byte, what writing its rows gives; for any other there is one fault to show.
"""

import hashlib
import io
import json
import random
from typing import Any

from bulkroute.manifest.faults import Faults
from bulkroute.manifest.plan_reader import PlanReader
from bulkroute.manifest.saved_plan import (
    STANDINGS,
    PlanCounts,
    PlanHead,
    PlanOrigin,
    PlanRow,
    WaveRows,
    last_line,
    line_of,
    write_plan,
)
from bulkroute.model import NamedTarget, Pair
from tests.fuzz_bytes import TEXTS, encoded, json_text, spoil_bytes, spoil_value

ORIGIN = PlanOrigin(
    "0.2.0", "2026-03-28T12:00:00.000Z", "ann@ops1", "https://cc.example.com", "0123456789ab", "eu", "cutover.csv", None
)
LONGEST_FAULT = 400
SOUND_TEXTS = tuple(text for text in TEXTS if text.isprintable())


def make(dice: random.Random) -> bytes:
    """Return the bytes of a plan, sound or not."""
    head, rows = _sound(dice)
    records: list[Any] = [head.to_json(), *(row.to_json() for row in rows)]
    if dice.random() < 0.7:
        at = dice.choice((0, dice.randrange(len(records))))
        records[at] = spoil_value(dice, records[at])
    texts = [line_of(record) if isinstance(record, dict) else f"{json.dumps(record)}\n" for record in records]
    if dice.random() < 0.1:
        at = dice.randrange(len(texts))
        texts[at] = f"{json_text(dice, records[at])}\n"
    lines = [encoded(text) for text in texts]
    if dice.random() < 0.1:
        at = dice.randrange(len(lines))
        lines = dice.choice(
            (lines[:at] + lines[at + 1 :], [*lines[:at], lines[at], *lines[at:]], lines[at:] + lines[:at])
        )
    if dice.random() < 0.1 and lines:
        at = dice.randrange(len(lines))
        lines[at] = spoil_bytes(dice, lines[at])
    body = b"".join(lines)
    data = body + last_line(hashlib.sha256(body).hexdigest()).encode()
    return spoil_bytes(dice, data) if dice.random() < 0.1 else data


def _sound(dice: random.Random) -> tuple[PlanHead, list[PlanRow]]:
    rows, line = [], 1
    for number in range(dice.randrange(5)):
        line += dice.randrange(1, 4)
        rows.append(_row(dice, line, str(1125397061153369092 + number)))
    standings = [row.standing for row in rows]
    change, right = standings.count("change"), standings.count("right")
    refused = {kind: standings.count(kind) for kind in sorted(set(standings) - {"change", "right"})}
    counts = PlanCounts(len(rows), change, right, 0, 0, refused, 0)
    pairs = [Pair(row.before, row.after, 1) for row in rows if row.standing == "change"]
    waves = [WaveRows(row.wave, 1) for row in rows]
    return PlanHead(ORIGIN, dice.random() < 0.9, len(rows), counts, waves, pairs, 0, [dice.choice(SOUND_TEXTS)]), rows


def _row(dice: random.Random, line: int, route_id: str) -> PlanRow:
    def target() -> NamedTarget:
        return NamedTarget(dice.choice((1, 3)), dice.choice((0, 101, 3015, 2**63 - 1)), dice.choice(SOUND_TEXTS))

    return PlanRow(
        line,
        route_id,
        dice.choice(("change", "change", "right", *sorted(STANDINGS))),
        dice.random() < 0.1,
        dice.choice((None, target())),
        target(),
        dice.choice(SOUND_TEXTS),
        dice.choice(("", "2")),
        dice.choice((None, 5)),
        dice.choice((None, "0", "1")),
        dice.choice((None, 0, 3)),
    )


def hold(data: bytes) -> bool:
    """Read a plan; return whether it was taken. Raises AssertionError where that, or what is told, is not right."""
    faults = Faults("x.plan")
    reader = PlanReader(io.BytesIO(data).readline, faults)
    rows = list(reader.rows())
    if faults.total:
        (fault,) = faults.kept
        assert reader.fingerprint == ""
        assert fault.isprintable(), fault
        assert len(fault) <= LONGEST_FAULT, fault
        return False
    assert reader.head is not None
    file = io.StringIO(newline="")
    assert write_plan(file, reader.head, rows) == reader.fingerprint
    assert encoded(file.getvalue()) == data, "it may be written in one way only"
    assert len({row.line for row in rows}) == len(rows) == reader.head.rows
    return True
