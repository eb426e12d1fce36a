"""The pace of `bulkroute run` as the receiver sees it, what a row costs at a pace, and many tenants at theirs."""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.bench import manifests
from tests.bench.figures import Finding, at_least, at_most, per_row, spread
from tests.bench.processes import python, spend
from tests.bench.sending import fresh, run_command
from tests.bench.service import Nginx

RATES_PER_S = (20, 100, 500, 2_000)
COSTED_RATES_PER_S = (20, 200)
RESOLUTION_MS = 1
"""nginx notes whole milliseconds, so a second of its notes may be one shorter: it is held to 1.001 s."""

TENANTS = 40
TENANT_RATE_PER_S = 20


def most_in_a_second(arrivals_ms: Sequence[int]) -> int:
    """Return the most arrivals in any half-open second."""
    most = first = 0
    for last, arrival_ms in enumerate(arrivals_ms):
        while arrival_ms - arrivals_ms[first] >= 1000 + RESOLUTION_MS:
            first += 1
        most = max(most, last - first + 1)
    return most


def mean_per_s(arrivals_ms: Sequence[int]) -> float:
    """Return the mean rate from the first arrival to the last."""
    return (len(arrivals_ms) - 1) * 1000 / (arrivals_ms[-1] - arrivals_ms[0])


def _arrivals_ms(service: Nginx, seen: int) -> dict[str, list[int]]:
    """Return when calls came since the log had so many bytes, in order, by tenant: `-` for calls that name none."""
    arrivals_ms: dict[str, list[int]] = defaultdict(list)
    with service.arrivals.open() as log:
        log.seek(seen)
        for line in log:
            came_s, tenant = line.split()
            arrivals_ms[tenant].append(round(float(came_s) * 1000))
    return {tenant: sorted(came) for tenant, came in arrivals_ms.items()}


def keep_pace(folder: Path, service: Nginx, *, seconds: int, rounds: int) -> list[Finding]:
    """Run at each rate and read when the calls came."""
    means: dict[int, list[float]] = {rate: [] for rate in RATES_PER_S}
    most: dict[int, list[float]] = {rate: [] for rate in RATES_PER_S}
    for _ in range(rounds):
        for rate in RATES_PER_S:
            seen = service.arrivals.stat().st_size
            manifest = fresh(manifests.write_csv(folder / "paced.csv", rate * seconds))
            spend(run_command(manifest, service.logged_root, "--quiet", rate=rate), cwd=folder)
            (arrivals_ms,) = _arrivals_ms(service, seen).values()
            means[rate].append(mean_per_s(arrivals_ms) / rate)
            most[rate].append(most_in_a_second(arrivals_ms))
    found = []
    for rate in RATES_PER_S:
        found.append(Finding(f"mean pace at {rate:,}/s", spread(means[rate]), at_least(0.99, "R")))
        # The worst round counts, not the middle one: the promise is never.
        worst = spread(most[rate])._replace(median=max(most[rate]))
        found.append(Finding(f"most calls in a second at {rate:,}/s", worst, at_most(rate, "calls")))
    return found


def cost(folder: Path, service: Nginx, *, seconds: int, rounds: int) -> list[Finding]:
    """Say what a row costs at a pace, where a commit serves few of them: the start is taken off."""
    found = []
    for rate in COSTED_RATES_PER_S:
        many, few = rate * seconds, rate
        costs_ms = []
        for _ in range(rounds):
            spent = {
                rows: spend(
                    run_command(
                        fresh(manifests.write_csv(folder / "paced.csv", rows)), service.root, "--quiet", rate=rate
                    ),
                    cwd=folder,
                )
                for rows in (many, few)
            }
            costs_ms.append(1000 * per_row(spent[many].cpu_s, many, spent[few].cpu_s, few))
        found.append(Finding(f"CPU ms a row at {rate}/s", spread(costs_ms)))
    return found


def keep_many(folder: Path, service: Nginx, *, seconds: int, rounds: int) -> list[Finding]:
    """Let many tenants send at once from one process, each at its own rate."""
    rows = TENANT_RATE_PER_S * seconds
    late, most, peaks_mb = [], [], []
    for _ in range(rounds):
        own = folder / "tenants"
        own.mkdir()
        seen = service.arrivals.stat().st_size
        spent = spend(python("tenants", service.logged_root, TENANTS, rows, TENANT_RATE_PER_S), cwd=own)
        shutil.rmtree(own)
        late.append(float(spent.out) / ((rows - 1) / TENANT_RATE_PER_S))
        most.append(max(map(most_in_a_second, _arrivals_ms(service, seen).values())))
        peaks_mb.append(spent.peak_mib * 1.048576)
    worst = spread(most)._replace(median=max(most))
    what = f"{TENANTS} tenants in one process at {TENANT_RATE_PER_S}/s each"
    return [
        Finding(f"{what}: time, starts included, against the rate alone", spread(late), at_most(1.1)),
        Finding(f"{what}: most calls in a second of any", worst, at_most(TENANT_RATE_PER_S, "calls")),
        Finding(f"{what}: peak memory", spread(peaks_mb), at_most(200, "MB")),
    ]
