"""Two hosts, one PostgreSQL: whatever becomes of the one at work, the other goes on, and the first sends nothing any more.

The witness is what went along the one's way to the service and what is bound there; when a host took over, PostgreSQL's clock says.
"""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.harness import Service, ids, serving, targets, write_csv
from tests.hosts import Host
from tests.postgres import Cluster
from tests.relay import Relay, relay

pytestmark = pytest.mark.slow

ROWS, RATE, CONCURRENCY = 120, 25, 8
TAKES_OVER_S = 7.0
MAY_LEAVE_S = 1.0
"""So long what the first had noted as sent may still leave: the other waits for that."""


class Scene:
    """A service, a database and two hosts, the first of them at work."""

    def __init__(self, folder: Path, postgres: Cluster, exits: ExitStack) -> None:
        self.postgres = postgres
        self.database = postgres.new_database()
        self.wanted = targets(ids(ROWS))
        self.service: Service = exits.enter_context(serving(self.wanted))
        self.manifest = folder / "m.csv"
        write_csv(self.manifest, self.wanted)
        port = int(self.service.url.rpartition(":")[2])
        self.ways: list[Relay] = [exits.enter_context(relay(port)) for _ in range(2)]
        self.way_to_database: Relay = exits.enter_context(relay(postgres.port))
        first = postgres.url(self.database, self.way_to_database.port)
        self.first = self._host(folder / "a", first, self.ways[0], exits)
        self.until(lambda: bool(self.ways[0].calls_at))
        self.second = self._host(folder / "b", postgres.url(self.database), self.ways[1], exits)

    def _host(self, folder: Path, on: str, way: Relay, exits: ExitStack) -> Host:
        options = {"rate_per_s": RATE, "concurrency": CONCURRENCY, "timeout_s": 3.0}
        host = Host(folder, on, self.service.url, self.manifest, way.port, **options)
        exits.callback(host.remove)
        return host

    def until(self, holds: Callable[[], bool], patience_s: float = 60) -> None:
        give_up_at_s = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < give_up_at_s
            time.sleep(0.01)

    def taken_over_at(self) -> float:
        """Return when the second host took over, in seconds since the epoch."""
        asked = "SELECT extract(epoch FROM began_at)::float8 FROM bulkroute.tenant WHERE epoch > 1"
        self.until(lambda: bool(self.postgres.ask(self.database, asked)))
        return float(str(self.postgres.ask(self.database, asked)[0][0]))

    def require_right(self) -> None:
        """Every row is bound as wanted, and none was called again but for what was in flight."""
        assert dict(self.service.bindings) == self.wanted
        per_id = self.service.simulator.calls_per_id
        again = {row: calls for row, calls in per_id.items() if calls > 1}
        assert len(again) <= CONCURRENCY
        assert sum(per_id.values()) <= ROWS + CONCURRENCY


@contextmanager
def scene(folder: Path, postgres: Cluster) -> Iterator[Scene]:
    with ExitStack() as exits:
        yield Scene(folder, postgres, exits)


def test_one_that_is_killed_is_replaced(tmp_path: Path, postgres: Cluster) -> None:
    with scene(tmp_path, postgres) as it:
        it.until(lambda: len(it.ways[0].calls_at) >= 20)
        it.first.send(signal.SIGKILL)
        killed_at = time.time()
        assert it.taken_over_at() - killed_at < TAKES_OVER_S
        assert it.second.ended() == 0
        it.require_right()
        assert it.ways[0].calls_at[-1] <= killed_at + 0.1  # what the kernel had already


@pytest.mark.parametrize("seed", [1, 2])
def test_hosts_that_are_killed_one_after_the_other_come_to_the_end(
    tmp_path: Path, postgres: Cluster, seed: int
) -> None:
    """At any moment: while the copy is made or fetched, while rows are settled, in the middle of calls."""
    draw = random.Random(seed)
    kills = 0
    with scene(tmp_path, postgres) as it, ExitStack() as exits:
        hosts = [it.first, it.second]
        while True:
            time.sleep(draw.uniform(0.3, 2.5))
            at_work = next((host for host in hosts if host.has_ended()), hosts[0])
            if at_work.has_ended():
                assert at_work.ended() == 0
                break
            at_work.send(signal.SIGKILL)
            kills += 1
            hosts.remove(at_work)
            folder = tmp_path / f"host{kills % 3}"  # one that comes back finds its own older ledger
            hosts.append(it._host(folder, postgres.url(it.database), it.ways[1], exits))
        for host in hosts:
            assert host.ended() == 0
        assert dict(it.service.bindings) == it.wanted
        per_id = it.service.simulator.calls_per_id
        assert sum(per_id.values()) <= ROWS + kills * CONCURRENCY
        assert kills >= 2


def test_one_that_freezes_is_replaced_and_sends_nothing_once_it_thaws(tmp_path: Path, postgres: Cluster) -> None:
    with scene(tmp_path, postgres) as it:
        it.until(lambda: len(it.ways[0].calls_at) >= 20)
        it.first.send(signal.SIGSTOP)
        frozen_at = time.time()
        taken_at = it.taken_over_at()
        assert taken_at - frozen_at < TAKES_OVER_S
        it.until(lambda: time.time() > frozen_at + 9)
        it.first.send(signal.SIGCONT)
        thawed_at = time.time()
        assert it.first.ended() == 4
        assert it.second.ended() == 0
        it.require_right()
        assert [at for at in it.ways[0].calls_at if at >= taken_at + MAY_LEAVE_S or at >= thawed_at] == []


def test_one_that_is_cut_off_from_the_database_sends_nothing_and_is_replaced(tmp_path: Path, postgres: Cluster) -> None:
    with scene(tmp_path, postgres) as it:
        it.until(lambda: len(it.ways[0].calls_at) >= 20)
        it.way_to_database.cut()
        cut_at = time.time()
        taken_at = it.taken_over_at()
        assert taken_at - cut_at < TAKES_OVER_S
        assert it.first.ended() == 4
        it.way_to_database.mend()
        assert it.second.ended() == 0
        it.require_right()
        assert [at for at in it.ways[0].calls_at if at > cut_at + MAY_LEAVE_S] == []


def test_one_that_is_cut_off_from_the_service_hands_over(tmp_path: Path, postgres: Cluster) -> None:
    with scene(tmp_path, postgres) as it:
        it.until(lambda: len(it.ways[0].calls_at) >= 20)
        it.ways[0].cut()
        cut_at = time.time()
        taken_at = it.taken_over_at()
        assert taken_at - cut_at < TAKES_OVER_S
        assert it.second.ended() == 0
        it.require_right()
        assert [at for at in it.ways[0].calls_at if at >= taken_at + MAY_LEAVE_S] == []
        assert it.first.ended() == 0  # by what the other has done


def test_without_the_database_nobody_sends_and_the_same_command_resumes(tmp_path: Path, postgres: Cluster) -> None:
    with scene(tmp_path, postgres) as it:
        it.until(lambda: len(it.ways[0].calls_at) >= 20)
        postgres.kill()
        killed_at = time.time()
        try:
            assert it.first.ended() == 4
            assert it.second.ended() == 4
            assert [at for at in it.ways[0].calls_at if at > killed_at + 0.2] == []
            assert it.ways[1].calls_at == []
        finally:
            postgres.start()
        with ExitStack() as exits:
            again = it._host(it.first.ledger.parent, postgres.url(it.database), it.ways[0], exits)
            assert again.ended() == 0
        it.require_right()
