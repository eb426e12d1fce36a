"""What processes hold while they work: memory, descriptors and threads, and whether the memory grows."""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import count, pairwise
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

EACH_S = 5
WARM_S = 300
"""So long a process reads, lays out and fills what it keeps: no part of the slope."""
SPAN_S = 60
"""Readings are averaged over so long before a line is laid through them."""


class Reading(NamedTuple):
    """What a process held at a moment."""

    life: int
    """A number of its own for each process, and for each thing it is set to do: a line is laid through each life on its own
    level."""
    lived_s: float
    rss_kb: int
    descriptors: int
    threads: int


class Slope(NamedTuple):
    """How fast memory grows, and how sure that is."""

    kb_per_h: float
    error: float
    """The standard error, widened where neighbouring readings resemble each other."""
    minutes: float
    lives: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.kb_per_h:+.0f} ± {self.error:.0f} kB an hour (over {self.minutes:.0f} min, {self.lives} lives)"


class Readings:
    """Readings of what goes by one name, `run` say, whatever process that is at the time."""

    def __init__(self) -> None:
        self._lives = count()
        self._followed: dict[str, tuple[int, int, float]] = {}
        self.of: defaultdict[str, list[Reading]] = defaultdict(list)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def follow(self, name: str, pid: int) -> None:
        """Read this process from now on; one that is followed already begins another life."""
        self._followed[name] = (pid, next(self._lives), time.monotonic())

    def stop(self) -> None:
        """Read no more."""
        self._ended.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._ended.wait(EACH_S):
            for name, (pid, life, since_s) in list(self._followed.items()):
                try:
                    said = Path(f"/proc/{pid}/status").read_text()
                    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                except OSError:
                    continue  # it has ended
                figures = dict(line.split(":", 1) for line in said.splitlines())
                if "VmRSS" in figures:  # not of one that has ended and is waited for
                    rss, threads = (int(figures[each].split()[0]) for each in ("VmRSS", "Threads"))
                    self.of[name].append(Reading(life, time.monotonic() - since_s, rss, descriptors, threads))

    def told(self, name: str) -> str:
        """Return the means of the first and the last third, the most, and the slope, in words."""
        seen = self.of[name]
        third = max(len(seen) // 3, 1)
        told = "; ".join(
            f"{label} {fmean(each.rss_kb for each in part):,.0f} kB, {fmean(each.descriptors for each in part):.1f} "
            f"descriptors, {fmean(each.threads for each in part):.1f} threads"
            for label, part in (("first third", seen[:third]), ("last third", seen[-third:]))
        )
        told += f"; most {max(each.rss_kb for each in seen):,} kB, {max(each.descriptors for each in seen)} descriptors"
        return f"{name}: {told}; memory {slope(seen)}"


def slope(readings: Sequence[Reading], warm_s: float = WARM_S, span_s: float = SPAN_S) -> Slope:
    """Return the slope that all lives have in common, each on a level of its own; not a number for too few readings."""
    spans: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for each in readings:
        if each.lived_s >= warm_s:
            spans[each.life, int((each.lived_s - warm_s) / span_s)].append(each.rss_kb)
    lives: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for (life, span), values in sorted(spans.items()):
        lives[life].append((span * span_s / 3600, fmean(values)))
    long_enough = [points for points in lives.values() if len(points) >= 3]
    centred = [
        [(x - fmean(x for x, _ in points), y - fmean(y for _, y in points)) for x, y in points]
        for points in long_enough
    ]
    flat = [point for points in centred for point in points]
    left = len(flat) - len(centred) - 1
    minutes = len(flat) * span_s / 60
    if left < 1:
        return Slope(math.nan, math.nan, minutes, len(centred))
    width = sum(x * x for x, _ in flat)
    rise = sum(x * y for x, y in flat) / width
    residuals = [[y - rise * x for x, y in points] for points in centred]
    squares = sum(e * e for series in residuals for e in series)
    alike = sum(a * b for series in residuals for a, b in pairwise(series)) / squares if squares else 0
    alike = min(max(alike, 0), 0.9)
    error = math.sqrt(squares / left / width * (1 + alike) / (1 - alike))
    return Slope(rise, error, minutes, len(centred))
