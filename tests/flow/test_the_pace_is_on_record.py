"""The ledger tells at which pace a run went: what was asked for, what was allowed, when and why, and not too often."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from bulkroute.engine import Engine
from bulkroute.run.back_out import BackOut
from bulkroute.run.run import Run
from bulkroute.simulator import Faults, Simulator
from tests.flow.engine import spend_night
from tests.harness import ids, targets


class Line(NamedTuple):
    asked: float | None
    rate: float | None
    concurrency: int
    reason: str


def lines(folder: Path) -> list[Line]:
    with closing(sqlite3.connect(folder / "night.ledger.db")) as connection:
        found = connection.execute("SELECT asked, rate, concurrency, reason FROM pace ORDER BY pace").fetchall()
    return [Line(*line) for line in found]


def beside(deeds: list[tuple[float, Callable[[Run | BackOut], None]]]) -> Callable[[Engine, Simulator], object]:
    """Return what does each deed so many seconds after the one before."""

    async def act(engine: Engine, _service: Simulator) -> None:
        for wait_s, deed in deeds:
            await asyncio.sleep(wait_s)
            assert engine.current
            deed(engine.current)

    return act


def asking(rate_per_s: float | None) -> Callable[[Run | BackOut], None]:
    return lambda run: run.set_rate(rate_per_s)


def test_what_the_operator_changes_is_on_record_with_its_reason(tmp_path: Path) -> None:
    deeds: list[tuple[float, Callable[[Run | BackOut], None]]] = [
        (2, asking(20)),
        (2, asking(20)),
        (2, lambda run: run.set_concurrency(4)),
        (3, asking(None)),
    ]
    spend_night(tmp_path, targets(ids(250)), rate_per_s=50.0, meanwhile=beside(deeds))
    by_operator = "asked for by the operator"
    assert lines(tmp_path) == [
        Line(50, 50, 16, "start of the run"),
        Line(20, 20, 16, by_operator),
        Line(20, 20, 4, by_operator),
        Line(None, None, 4, by_operator),
    ]


def test_changes_without_end_leave_a_line_a_second_and_the_last_one_counts(tmp_path: Path) -> None:
    deeds = [(0.01, asking(5 + n / 1000)) for n in range(1000)]
    night = spend_night(tmp_path, targets(ids(80)), rate_per_s=5.0, meanwhile=beside(deeds))
    found = lines(tmp_path)
    assert 8 <= len(found) <= 13
    assert night.virtual_s > 12
    assert found[-1].asked == 5.999


def test_a_limit_of_the_service_is_on_record_as_it_is_found_and_lifted(tmp_path: Path) -> None:
    night = spend_night(tmp_path, targets(ids(1500)), Faults(throttle=40), rate_per_s=400.0)
    found = lines(tmp_path)
    assert night.virtual_s > 30
    assert 3 < len(found) < night.virtual_s / 2
    assert {line.asked for line in found} == {400}
    assert "throttled" in {line.reason for line in found}
    assert all(line.rate is not None and line.rate < 50 for line in found[2:])
    assert all(before[:3] != after[:3] for before, after in pairwise(found))


def test_a_run_that_is_allowed_again_what_it_asks_for_says_so(tmp_path: Path) -> None:
    deeds = [(8.0, asking(30))]
    spend_night(tmp_path, targets(ids(500)), Faults(throttle=40), rate_per_s=400.0, meanwhile=beside(deeds))
    assert lines(tmp_path)[-1] == Line(30, 30, 16, "asked for by the operator")
