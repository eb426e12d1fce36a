"""The pace, exactly, as the service sees it: in virtual time, through the whole engine; and where time is real."""

import asyncio
import random
import re
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator, routes_for
from tests.certificates import certificates
from tests.flow.engine import most_in_a_second, most_within, spend_night
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import TOKEN, Service, bulkroute, ids, serving, started, targets, write_csv
from tests.slow_handshake import tls_before
from tests.virtual_time import VirtualTimeLoop, run_virtual

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("rate", "rows", "latency_ms"),
    [(20, 200, 700), (100, 500, 150), (500, 1500, 90), (1, 15, 300), (0.5, 6, 50)],
)
def test_never_more_than_the_rate_in_any_second_and_hardly_less_on_average(
    tmp_path: Path, rate: float, rows: int, latency_ms: float
) -> None:
    night = spend_night(tmp_path, targets(ids(rows)), Faults(latency_ms=latency_ms), rate_per_s=rate, concurrency=64)
    assert night.summary.succeeded == rows
    starts = night.starts()
    assert len(starts) == rows
    assert most_in_a_second(starts) <= max(1, rate)
    assert (rows - 1) / (starts[-1] - starts[0]) >= 0.99 * rate


def test_retries_pass_the_same_limit(tmp_path: Path) -> None:
    faults = Faults(fail_500=0.4, reset_after=0.1, latency_ms=40, jitter_ms=60)
    night = spend_night(tmp_path, targets(ids(300)), faults, rate_per_s=50, concurrency=32, max_attempts=10)
    assert night.summary.succeeded == 300
    assert night.summary.retries > 100
    assert most_in_a_second(night.starts()) <= 50


def test_rows_in_backoff_hold_no_slot(tmp_path: Path) -> None:
    """A tenth of the rows answers 500 for ever, with a backoff of seconds; four slots keep the rate for the others."""
    rows = 500
    faults = Faults(fail_500_ids=0.1, latency_ms=50)
    night = spend_night(
        tmp_path,
        targets(ids(rows)),
        faults,
        rate_per_s=50,
        concurrency=4,
        backoff_s=4,
        backoff_cap_s=20,
        max_attempts=4,
        max_consecutive_failures=None,
    )
    assert 20 <= night.summary.failed < 100  # a run ends once twenty in a row have failed
    assert night.summary.failures == {"server": night.summary.failed}
    starts = night.starts()
    # Until the last row has had its first try there is work enough all the time.
    seen: set[str] = set()
    first_tries = []
    for call in night.simulator.calls:
        if call.endpoint == "modifyCalledRoute" and call.id not in seen:
            seen.add(call.id)
            first_tries.append(call.at)
    busy = [start for start in starts if start <= first_tries[-1]]
    assert (len(busy) - 1) / (busy[-1] - busy[0]) >= 0.99 * 50
    assert night.simulator.max_in_flight <= 4


def test_slots_bound_the_calls_in_flight(tmp_path: Path) -> None:
    night = spend_night(tmp_path, targets(ids(200)), Faults(latency_ms=500), rate_per_s=None, concurrency=7)
    assert night.summary.succeeded == 200
    assert night.simulator.max_in_flight == 7
    assert night.simulator.max_in_flight_per_id == 1


@pytest.mark.parametrize(("rate", "handshake_s"), [(20, 0.15), (50, 0.9)])
@pytest.mark.parametrize("is_proxied", [False, True])
def test_a_call_counts_from_its_first_byte_however_long_its_connection_took(
    tmp_path: Path, rate: float, handshake_s: float, is_proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first calls leave a handshake late, the later ones find connections: they must not leave together."""
    connect: Any = aiohttp.TCPConnector._create_connection

    async def connect_slowly(*args: Any) -> Any:
        await asyncio.sleep(handshake_s)
        return await connect(*args)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", connect_slowly)
    rows = int(4 * rate)
    night = spend_night(
        tmp_path,
        targets(ids(rows)),
        Faults(latency_ms=60, jitter_ms=80),
        is_proxied=is_proxied,
        rate_per_s=rate,
        concurrency=64,
    )
    assert night.summary.succeeded == rows
    starts = night.starts()
    assert most_in_a_second(starts) <= rate
    made = starts[rows // 2 :]  # by then there are connections
    assert (len(made) - 1) / (made[-1] - made[0]) >= 0.99 * rate


def test_many_runs_in_one_loop_that_stalls_keep_their_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty runs delay each other, and everything stands still now and then: no run's calls leave in a bunch."""
    runs, rows, rate = 40, 24, 10
    left: dict[str, list[float]] = {row_id: [] for row_id in ids(runs * rows)}
    transport: Any = asyncio.selector_events._SelectorSocketTransport  # type: ignore[attr-defined]
    write = transport.write

    def note(self: Any, data: bytes) -> None:
        if match := re.search(rb'modifyCalledRoute .*"id":"(\d+)"', data, re.DOTALL):
            left[match[1].decode()].append(self._loop.time())
        write(self, data)

    async def stall() -> None:
        chance = random.Random(1)
        while True:
            await asyncio.sleep(chance.uniform(0, 0.4))
            cast("VirtualTimeLoop", asyncio.get_running_loop()).stall(chance.uniform(0, 0.4))

    async def run(own: list[str], url: str) -> int:
        credentials = Credentials(token=Secret(TOKEN))
        async with Engine(Settings(base_url=url, rate_per_s=rate, snapshot=False, credentials=credentials)) as engine:
            wanted = [(row_id, *target) for row_id, target in targets(own).items()]
            return (await engine.run(wanted, ledger=tmp_path / f"{own[0]}.ledger.db")).succeeded

    async def run_all() -> None:
        async with Simulator(routes_for(left), static_token=TOKEN) as simulator:
            stalling = asyncio.create_task(stall())
            assert await asyncio.gather(*(run(own, simulator.url) for own in of_each)) == [rows] * runs
            stalling.cancel()

    monkeypatch.setattr(transport, "write", note)
    of_each = [list(left)[first : first + rows] for first in range(0, runs * rows, rows)]
    run_virtual(run_all())
    starts = [sorted(at_s for row_id in own for at_s in left[row_id]) for own in of_each]
    assert [len(of_one) for of_one in starts] == [rows] * runs
    assert max(map(most_in_a_second, starts)) <= rate


ALMOST_A_SECOND_S = 0.7
"""Where time is real: calls that left a second apart may come in closer to each other, on a machine that is busy."""


def arrivals(service: Service) -> list[float]:
    """Return when the calls came in that change routes."""
    return sorted(call.at for call in service.simulator.calls if call.endpoint == "modifyCalledRoute")


def has_received(service: Service, calls: int) -> bool:
    return service.modified >= calls


def test_a_slow_tls_handshake_bunches_no_calls_up(tmp_path: Path) -> None:
    rows, rate = 120, 40
    wanted = targets(ids(rows))
    write_csv(tmp_path / "night.csv", wanted)
    faults = Faults(latency_ms=50, jitter_ms=60)
    with (
        serving(wanted, faults) as service,
        tls_before(service.url.removeprefix("http://"), certificates() / "good.pem", handshake_s=0.9) as url,
    ):
        result = bulkroute(
            "run", "night.csv", "--base-url", url, "--rate", rate, "--concurrency", 64, "--no-snapshot",
            cwd=tmp_path, env={"SSL_CERT_FILE": str(certificates() / "authority.pem")},
        )  # fmt: skip
        assert result.code == 0, result.err
        starts = arrivals(service)
    assert len(starts) == rows
    assert most_within(starts, ALMOST_A_SECOND_S) <= rate


def test_a_process_that_was_stopped_makes_up_for_nothing(tmp_path: Path) -> None:
    rows, rate = 160, 50
    wanted = targets(ids(rows))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=30, jitter_ms=40)) as service:
        command = ("run", "night.csv", "--base-url", service.url, "--rate", rate, "--concurrency", 64, "--no-snapshot")
        with started(*command, cwd=tmp_path) as process:
            for frozen_s in (0.6, 2.5):
                done = service.modified + 30
                wait_for(partial(has_received, service, done))
                process.send_signal(signal.SIGSTOP)
                time.sleep(frozen_s)
                process.send_signal(signal.SIGCONT)
            assert process.wait(60) == 0, process.stderr and process.stderr.read()
        starts = arrivals(service)
    assert len(starts) == rows
    assert most_within(starts, ALMOST_A_SECOND_S) <= rate
