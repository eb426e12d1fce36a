"""Pings: where they go, what is tried again, and that a failing one is a text which does not name the URL."""

import socket
from collections.abc import Iterator

import pytest

from bulkroute.run import pings
from bulkroute.run.pings import Pings
from tests.monitor import Monitor, Ping, monitoring

OK = frozenset({0, 4})
BODY = b'{"exit_code": 0}'


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitor]:
    monkeypatch.setattr(pings, "RETRY_AFTER_S", (0.001, 0.001))
    with monitoring() as monitor:
        yield monitor


async def test_where_each_goes(monitor: Monitor) -> None:
    told = Pings(monitor.url + "/", OK)
    assert [await told.start(), await told.end(0, BODY), await told.end(4, BODY), await told.end(77, BODY)] == [""] * 4
    root = "/5ae1-secret-uuid"
    assert monitor.pings == [Ping(root + "/start", b""), Ping(root, BODY), Ping(root, BODY), Ping(root + "/77", BODY)]


@pytest.mark.parametrize(
    ("statuses", "heard", "trouble"),
    [
        ([500, 429], 3, ""),
        ([500, 502, 503], 3, "the answer was HTTP 503"),
        ([404], 1, "the answer was HTTP 404"),
        ([302], 1, "the answer was HTTP 302"),
    ],
)
async def test_what_may_pass_is_tried_again(monitor: Monitor, statuses: list[int], heard: int, trouble: str) -> None:
    monitor.statuses = list(statuses)
    assert await Pings(monitor.url, OK).end(0, BODY) == trouble
    assert len(monitor.pings) == heard


@pytest.mark.slow
async def test_one_that_hangs_costs_its_time_out(monitor: Monitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pings, "TIMEOUT_S", 0.3)
    monitor.let_go.clear()
    assert await Pings(monitor.url, OK).start() == "no answer within 0.3 s"
    assert len(monitor.pings) == 3


async def test_nobody_there(monitor: Monitor) -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        found = await Pings(f"http://127.0.0.1:{bound.getsockname()[1]}/5ae1-secret", OK).start()
    assert found.startswith("cannot connect to 127.0.0.1:")
    assert "secret" not in found


async def test_an_address_that_only_looks_like_one_is_not_repeated(monitor: Monitor) -> None:
    found = await Pings("http://[::1/5ae1-secret", OK).start()
    assert found == "the URL is not valid"
