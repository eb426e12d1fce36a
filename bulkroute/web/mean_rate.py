"""A rate over the time of a run: which mean it had in a stretch of time, however often it changed."""

import math


class Course:
    """Holds sums for each bucket of time, so that it does not grow with the number of changes.

    Times are seconds since the run's start, rates calls per second; None (unlimited, or no such rate) is left out.
    """

    def __init__(self, rate_per_s: float | None) -> None:
        self._rate_per_s = rate_per_s
        self._since_s = 0.0
        self._sums: dict[int, tuple[float, float]] = {}
        """By bucket: seconds with a rate, and calls that would have been. Up to `_since_s`."""

    def change(self, at_s: float, rate_per_s: float | None, width_s: float) -> None:
        """Take in that the rate is another one from then on."""
        until_s = max(at_s, self._since_s)
        if self._rate_per_s is not None:
            for place in range(math.floor(self._since_s / width_s), math.ceil(until_s / width_s)):
                seconds = min(until_s, (place + 1) * width_s) - max(self._since_s, place * width_s)
                self._add(place, seconds, seconds * self._rate_per_s)
        self._since_s, self._rate_per_s = until_s, rate_per_s

    def fold(self) -> None:
        """Join the buckets in pairs."""
        sums, self._sums = self._sums, {}
        for place, (seconds, calls) in sums.items():
            self._add(place // 2, seconds, calls)

    def mean(self, start_s: float, end_s: float, width_s: float) -> float | None:
        """Return the mean from one edge of a bucket to another, or to the end; None where most of it has no rate."""
        seconds = calls = 0.0
        for place in range(round(start_s / width_s), math.ceil(round(end_s / width_s, 6))):
            more_s, more = self._sums.get(place, (0.0, 0.0))
            seconds, calls = seconds + more_s, calls + more
        rest_s = end_s - max(start_s, self._since_s)
        if self._rate_per_s is not None and rest_s > 0:
            seconds, calls = seconds + rest_s, calls + rest_s * self._rate_per_s
        return round(calls / seconds, 2) if seconds > (end_s - start_s) / 2 else None

    def _add(self, place: int, seconds: float, calls: float) -> None:
        before_s, before = self._sums.get(place, (0.0, 0.0))
        self._sums[place] = before_s + seconds, before + calls
