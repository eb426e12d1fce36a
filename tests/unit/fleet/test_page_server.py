"""The pages of a fleet's tenants are opened when somebody asks, and only the latest few stay open."""

import asyncio
import shutil
import threading
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bulkroute.fleet import feed as feeds
from bulkroute.fleet.feed import FleetFeed
from bulkroute.fleet.page_server import MOST_KEPT, FleetServer
from bulkroute.fleet.standing import Standing, TenantLedger
from bulkroute.web.access import Access
from bulkroute.web.connections import listen
from tests.ledgers import made, written

TENANTS = MOST_KEPT + 4


@pytest.fixture
def tenants(tmp_path: Path) -> list[TenantLedger]:
    first = made(tmp_path / "t0.db", rows=10, failed=2)
    return [
        TenantLedger(f"t{number}", Path(shutil.copy(first, tmp_path / f"t{number}.db")) if number else first)
        for number in range(TENANTS)
    ]


def threads() -> int:
    """Return how many threads look things up in ledgers."""
    return sum(thread.name.startswith("lookup") for thread in threading.enumerate())


@pytest.mark.slow
async def test_only_the_latest_few_stay_open(tenants: list[TenantLedger]) -> None:
    before = threads()
    async with (
        asyncio.timeout(60),
        FleetFeed(Standing(tenants).read, tenants, "fleet.yaml") as feed,
        ClientSession() as session,
    ):
        server = FleetServer(tenants, feed, Access("127.0.0.1", None), None)
        listeners = listen("127.0.0.1", 0)
        root = f"http://127.0.0.1:{listeners[0].getsockname()[1]}"
        async with server.serving(listeners):
            for _ in range(2):
                for each in tenants:
                    async with session.get(f"{root}/t/{each.tenant}/failed") as answer:
                        assert (await answer.json())["total"] == 2
            assert threads() - before == MOST_KEPT
            async with session.get(f"{root}/t/t0/more") as answer:
                assert answer.status == 404
    assert threads() == before


async def test_only_the_lines_that_changed_go_out(tenants: list[TenantLedger], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "FLEET_SHARE", 1.0)  # on a busy machine a reading may take long
    async with (
        asyncio.timeout(30),
        FleetFeed(Standing(tenants).read, tenants, "fleet.yaml", tick_s=0.02) as feed,
        aclosing(feed.events()) as events,
    ):
        first = await anext(events)
        assert first.startswith(b"event: snapshot")
        assert first.count(b'"href":"t/t') == TENANTS
        connection = written(tenants[3].ledger)
        connection.execute("UPDATE run SET stopped = 'for the test'")
        connection.close()
        while not (news := await anext(events)).startswith(b"event: change"):
            assert news.startswith(b"event: beat")
        assert news.count(b'"href":"t/t') == news.count(b"for the test") == 1
        assert b'"totals"' not in news
