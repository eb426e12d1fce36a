"""What is noted of a pace that changes by itself: steps that can be seen, and that it is back where it was asked to be."""

import asyncio
from contextlib import closing
from pathlib import Path

from bulkroute.ledger.journal import Journal
from bulkroute.ledger.notes import Pace
from bulkroute.model import PaceCause
from bulkroute.run.rate_record import Paces
from tests.ledgers import made, written
from tests.virtual_time import run_virtual


def noted(path: Path, rates_per_s: list[float]) -> list[tuple[float, str]]:
    """Return rates in force and causes on record, of a run throttled to the first and then allowed the others, one a second."""
    ledger = made(path, rows=1)

    async def scenario() -> list[tuple[float, str]]:
        with closing(written(ledger)) as connection:
            journal = Journal(connection, ledger, 1, lambda *_: None)
            pace = Pace(1000.0, 1000.0, 16)
            paces = Paces(lambda: pace, journal)
            for second, rate in enumerate(rates_per_s):
                pace = pace._replace(rate_per_s=rate)
                if second == 0:
                    paces.changed(PaceCause.THROTTLED, "throttled")
                await asyncio.sleep(1)
            await asyncio.sleep(5)
            paces.close()
            await journal.flush()
            return connection.execute("SELECT rate, cause FROM pace ORDER BY pace").fetchall()

    return run_virtual(scenario())


def test_a_slow_climb_is_noted_in_steps_of_a_hundredth(tmp_path: Path) -> None:
    rates = [800 * 1.002**second for second in range(60)]
    found = noted(tmp_path / "l.db", rates)
    assert found[:2] == [(1000, PaceCause.STARTED), (800, PaceCause.THROTTLED)]
    climb = [rate for rate, cause in found if cause == PaceCause.SERVICE]
    assert len(found) == 2 + len(climb)
    assert 8 <= len(climb) <= 12
    assert abs(climb[-1] - rates[-1]) < 0.01 * rates[-1]


def test_that_it_is_back_is_noted_however_small_the_last_step(tmp_path: Path) -> None:
    found = noted(tmp_path / "l.db", [800, 999.9, 1000])
    assert found == [
        (1000, PaceCause.STARTED),
        (800, PaceCause.THROTTLED),
        (999.9, PaceCause.SERVICE),
        (1000, PaceCause.SERVICE),
    ]
