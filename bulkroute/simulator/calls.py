"""What the service saw: every call with its verdict, counters, and ids in flight twice."""

from collections import Counter
from typing import NamedTuple


class Call(NamedTuple):
    """One request that was received. `at`: seconds of the event loop's clock."""

    at: float
    endpoint: str
    id: str
    status: int
    """The HTTP status decided on; 0 where no answer is sent at all."""
    fault: str
    """The knob that decided (`fail_500`, `throttle`, ...), or ''."""


class CallLog:
    """Written by the service only. `kept` switches the list off; the counters always run."""

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept
        self.calls: list[Call] = []
        self.per_endpoint: Counter[str] = Counter()
        self.per_id: dict[str, int] = {}
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.in_flight = 0
        self.max_in_flight = 0
        self.max_in_flight_per_id = 0
        self.violations: list[tuple[float, str]] = []
        self._ids_in_flight: dict[str, int] = {}

    def record(self, at: float, endpoint: str, route_id: str, status: int, fault: str) -> None:
        """Note one call."""
        self.per_endpoint[endpoint] += 1
        self.statuses[status] += 1
        if route_id:
            self.per_id[route_id] = self.per_id.get(route_id, 0) + 1
        if fault:
            self.faults[fault] += 1
        if self.kept:
            self.calls.append(Call(at, endpoint, route_id, status, fault))

    def is_in_flight(self, route_id: str) -> bool:
        """Tell whether a call of this id is under way."""
        return route_id in self._ids_in_flight

    def begin(self, at: float, route_id: str) -> None:
        """Note that a call is under way; `route_id` is '' where it has none."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        if not route_id:
            return
        now_in_flight = self._ids_in_flight.get(route_id, 0) + 1
        self._ids_in_flight[route_id] = now_in_flight
        if now_in_flight > 1:
            self.violations.append((at, route_id))
        self.max_in_flight_per_id = max(self.max_in_flight_per_id, now_in_flight)

    def end(self, route_id: str) -> None:
        """Note that it is over."""
        self.in_flight -= 1
        if not route_id:
            return
        if self._ids_in_flight[route_id] == 1:
            del self._ids_in_flight[route_id]
        else:
            self._ids_in_flight[route_id] -= 1
