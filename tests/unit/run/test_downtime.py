"""What an outage is called, in events, in a status and in words."""

import time
from typing import Any

import pytest

from bulkroute.events import Event, WaitBegan, WaitEnded
from bulkroute.output.words import clock, describe
from bulkroute.rate.pacer import Pacer
from bulkroute.rate.signs import Sign
from bulkroute.rate.tries import Tries
from bulkroute.run.downtime import Downtime
from bulkroute.run.pauses import Pauses
from bulkroute.settings import Settings


class Night:
    def __init__(self, **settings: Any) -> None:
        self.told: list[Event] = []
        self.pacer = Pacer(None)
        self.pauses = Pauses(self.pacer, self.told.append)
        chosen = Settings(base_url="https://cc.example.com", **settings)
        self.rows = [Tries(number) for number in range(40)]
        self.outage = Downtime(chosen, self.pauses, self.pacer.clock, "rows", alive=True).outage
        self.outage.more_rows = True

    def fail(self, count: int, sign: Sign = Sign.AWAY) -> None:
        now_s = self.pacer.clock()
        for row in self.rows[:count]:
            self.outage.begin()
            self.outage.answered(row, sign, now_s, now_s, "HTTP 503")

    def probe(self, row: Tries, sign: Sign, later_s: float) -> None:
        self.outage.begin()
        self.outage.probe(row)
        self.outage.answered(row, sign, self.pacer.clock(), self.pacer.clock() + later_s, "HTTP 503")

    def ended(self) -> WaitEnded:
        return next(event for event in self.told if isinstance(event, WaitEnded))


async def test_an_outage_is_told_with_its_reason_its_beginning_and_its_end() -> None:
    night = Night(max_outage_wait_s=600.0)
    night.fail(8)
    (began,) = night.told
    assert isinstance(began, WaitBegan)
    assert (began.cause, began.reason, began.wait_s) == ("down", "service down (8 rows: HTTP 503)", None)
    assert began.since == pytest.approx(time.time(), abs=5)
    assert began.until is not None
    assert began.until == pytest.approx(began.since + 600, abs=0.1)
    assert describe(began) == f"{began.reason} since {clock(began.since)}; giving up at {clock(began.until)}"
    (pause,) = night.pauses.current()
    assert pause.next_probe_s == pytest.approx(1, abs=0.1)
    assert pause.since == pytest.approx(began.since)
    assert pause.until == pytest.approx(began.until, abs=0.1)
    assert not night.pacer.holds(), "probes must pass"


async def test_the_service_is_back() -> None:
    night = Night()
    night.fail(8)
    night.probe(night.rows[20], Sign.AWAY, 1)
    night.probe(night.rows[21], Sign.SUCCESS, 3)
    assert night.ended().outcome == "service back; 8 rows get their tries back"
    assert "service back after " in describe(night.ended())
    assert describe(night.ended()).endswith("; 8 rows get their tries back")
    assert not night.pauses.current()


async def test_it_was_the_rows() -> None:
    night = Night(max_attempts=1)
    night.fail(8)
    night.probe(night.rows[20], Sign.SUCCESS, 1)
    assert night.ended().outcome == "not an outage: the service answers; 8 rows failed"


async def test_it_was_given_up() -> None:
    night = Night(max_outage_wait_s=2.0)
    night.fail(8)
    night.probe(night.rows[20], Sign.AWAY, 3)
    assert night.ended().outcome == "given up"
    assert night.outage.has_given_up


async def test_one_row_is_one_row() -> None:
    night = Night(max_attempts=1)
    night.outage.more_rows = False
    night.fail(1)
    (began,) = night.told
    assert isinstance(began, WaitBegan)
    assert began.reason == "service down (1 row: HTTP 503)"
