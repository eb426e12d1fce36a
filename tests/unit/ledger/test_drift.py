"""What a new batch takes over from the one before it, wherever the rows of a manifest stand by then."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute.ledger import drift
from bulkroute.ledger.batches import Batch, Changes
from tests.ledgers import written

DONE = ("succeeded", "unchanged", "skipped")


class Given(NamedTuple):
    """A row of the batch before: its id, target and status, and whether the manifest still listed it."""

    id: str
    device_id: int
    status: str
    listed: bool


def earlier_rows(dice: random.Random) -> list[Given]:
    """Draw the rows of the batch before."""
    statuses = [*DONE, "failed"]
    return [Given(f"r{n}", dice.choice((1, 2)), dice.choice(statuses), dice.random() < 0.9) for n in range(12)]


def new_rows(dice: random.Random, earlier: list[Given]) -> list[tuple[str, int]]:
    """Draw the manifest after it: lines put in at the top or anywhere, taken out, changed places, led elsewhere."""
    rows = [(row.id, dice.choice((row.device_id, row.device_id, 3))) for row in earlier if dice.random() < 0.9]
    for n in range(dice.choice((0, 0, 2))):
        rows.insert(dice.choice((0, dice.randrange(len(rows)))), (f"new{n}", 1))
    if dice.random() < 0.5:
        place = dice.randrange(len(rows) - 1)
        rows[place], rows[place + 1] = rows[place + 1], rows[place]
    return rows


def fill(connection: sqlite3.Connection, earlier: list[Given], new: list[tuple[str, int]]) -> tuple[Batch, Batch]:
    """Write both batches."""
    batches = Batch(1, "m.csv", ""), Batch(2, "m.csv", "")
    connection.executemany(
        "INSERT INTO batch (batch, created_at, manifest, digest) VALUES (?, 0, 'm.csv', '')", [(1,), (2,)]
    )
    connection.executemany(
        "INSERT INTO row (batch, id, line, devicetype, device_id, status, listed, finished_at) VALUES (1, ?, 2, 1, ?, ?, ?, 9.5)",
        earlier,
    )
    connection.executemany("INSERT INTO row (batch, id, line, devicetype, device_id) VALUES (2, ?, 2, 1, ?)", new)
    return batches


@pytest.mark.parametrize("seed", range(10))
def test_rows_are_compared_by_id_wherever_they_stand(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    earlier = earlier_rows(dice)
    new = new_rows(dice, earlier)
    was = {row.id: row for row in earlier}
    with closing(written(tmp_path / "l.db")) as connection:
        before, batch = fill(connection, earlier, new)
        changes = drift.changes(connection, batch, before)
        drift.carry_over(connection, batch, before)
        found = dict(connection.execute("SELECT id, status FROM row WHERE batch = 2 AND finished_at IS 9.5"))
        left = {each for (each,) in connection.execute("SELECT id FROM row WHERE batch = 2 AND status = 'pending'")}
    listed = {row.id for row in earlier if row.listed}
    assert changes == Changes(
        new=sum(each not in listed for each, _ in new),
        retargeted=sum(each in listed and was[each].device_id != target for each, target in new),
        gone=len(listed - {each for each, _ in new}),
    )
    done = {each for each, target in new if each in was and was[each].status in DONE and was[each].device_id == target}
    assert found == dict.fromkeys(done, "unchanged")
    assert left == {each for each, _ in new} - done
