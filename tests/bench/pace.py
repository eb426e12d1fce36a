"""The pace of `bulkroute run` as the receiver sees it."""

from collections.abc import Sequence
from pathlib import Path

from tests.bench import manifests
from tests.bench.figures import Finding, at_least, at_most, spread
from tests.bench.processes import spend
from tests.bench.sending import fresh, run_command
from tests.bench.service import Nginx

RATES_PER_S = (20, 100, 500, 2_000)
RESOLUTION_MS = 1
"""nginx notes whole milliseconds, so a second of its notes may be one shorter: it is held to 1.001 s."""


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


def keep_pace(folder: Path, service: Nginx, *, seconds: int, rounds: int) -> list[Finding]:
    """Run at each rate and read when the calls came."""
    means: dict[int, list[float]] = {rate: [] for rate in RATES_PER_S}
    most: dict[int, list[float]] = {rate: [] for rate in RATES_PER_S}
    for _ in range(rounds):
        for rate in RATES_PER_S:
            seen = service.arrivals.stat().st_size
            manifest = fresh(manifests.write_csv(folder / "paced.csv", rate * seconds))
            spend(run_command(manifest, service.logged_root, "--quiet", rate=rate), cwd=folder)
            with service.arrivals.open() as log:
                log.seek(seen)
                arrivals_ms = sorted(round(float(line) * 1000) for line in log)
            means[rate].append(mean_per_s(arrivals_ms) / rate)
            most[rate].append(most_in_a_second(arrivals_ms))
    found = []
    for rate in RATES_PER_S:
        found.append(Finding(f"mean pace at {rate:,}/s", spread(means[rate]), at_least(0.99, "R")))
        # The worst round counts, not the middle one: the promise is never.
        worst = spread(most[rate])._replace(median=max(most[rate]))
        found.append(Finding(f"most calls in a second at {rate:,}/s", worst, at_most(rate, "calls")))
    return found
