"""Processes that share a limit by way of PostgreSQL never call more often together, whoever of them freezes."""

import itertools
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flow.test_never_above_the_rate import ALMOST_A_SECOND_S
from tests.harness import ids, serving, targets, write_csv
from tests.hosts import Sharer
from tests.pace_real_time import most_within
from tests.postgres import Cluster

pytestmark = pytest.mark.slow

PROCESSES, TENANTS, ROWS, RATE = 4, 2, 40, 60


@pytest.mark.parametrize("freezes", [False, True])
def test_the_rate_holds_over_all_processes_and_tenants(tmp_path: Path, postgres: Cluster, freezes: bool) -> None:
    wanted = targets(ids(PROCESSES * TENANTS * ROWS))
    on = postgres.url(postgres.new_database())
    rows = iter(wanted.items())
    manifests = [tmp_path / f"{number}.csv" for number in range(PROCESSES * TENANTS)]
    for manifest in manifests:
        write_csv(manifest, dict(itertools.islice(rows, ROWS)))
    with serving(wanted) as service, ExitStack() as exits:
        hosts = []
        for number in range(PROCESSES):
            own = manifests[number * TENANTS : (number + 1) * TENANTS]
            hosts.append(Sharer(on, service.url, own, ("partner-a", RATE)))
            exits.callback(hosts[-1].remove)
        if freezes:
            while service.modified < 2 * RATE:
                time.sleep(0.01)
            hosts[0].send(signal.SIGSTOP)
            time.sleep(2)
            hosts[0].send(signal.SIGCONT)
        assert [host.ended() for host in hosts] == [0] * PROCESSES
        at_s = sorted(call.at for call in service.simulator.calls if call.endpoint == "modifyCalledRoute")
    assert len(at_s) == len(wanted)
    assert most_within(at_s, ALMOST_A_SECOND_S) <= RATE
    assert (len(at_s) - 1) / (at_s[-1] - at_s[0]) >= 0.7 * RATE  # 0.95 where nothing else is at the machine
