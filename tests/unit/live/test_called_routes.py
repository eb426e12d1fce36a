"""Reading a list that will not stand still; in virtual time, against the simulator."""

import asyncio
from collections.abc import Callable

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import CredentialsRefused, LedgerError, ReadingRefused, StoppedEarly
from bulkroute.events import Event, Notice
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Route, Simulator, synthetic_routes
from tests.virtual_time import run_virtual

MANY = synthetic_routes(250)


class Read:
    """What came of one reading."""

    def __init__(self) -> None:
        self.settled = False
        self.bindings: dict[str, tuple[int | None, int | None]] = {}
        self.told: list[str] = []
        self.calls = 0

    def on_event(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.told.append(event.text)


def read(
    routes: list[Route],
    faults: Faults,
    *,
    after_s: float = 0,
    then: Callable[[Simulator], None] | None = None,
    **options: float | str,
) -> Read:
    """Read all live bindings one call at a time; `then` happens to the service after some seconds."""
    found = Read()

    async def scenario() -> None:
        async with Simulator(routes, faults=faults, static_token="door") as simulator:
            settings = Settings(
                base_url=simulator.url,
                credentials=Credentials(token=Secret("door")),
                rate_per_s=None,
                concurrency=1,
                **options,  # type: ignore[arg-type]  # any of Settings
            )
            async with Engine(settings, on_event=found.on_event) as engine:
                if then is not None:
                    asyncio.get_running_loop().call_later(after_s, then, simulator)
                try:
                    async with engine.snapshot() as live:
                        found.settled = live.settled
                        found.bindings = {each.id: (each.devicetype, each.device_id) for each in live.routes()}
                finally:
                    found.calls = simulator.calls_per_endpoint["queryCalledRoute"]
            if then is None:
                assert not found.settled or found.bindings == dict(simulator.bindings)

    run_virtual(scenario())
    return found


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (100, 1), (101, 2), (250, 3), (300, 3)])
def test_a_list_that_stands_still_is_read_once(count: int, calls: int) -> None:
    found = read(synthetic_routes(count), Faults())
    assert found.settled
    assert len(found.bindings) == count
    assert found.calls == calls


@pytest.mark.parametrize("faults", [Faults(unstable_order=2), Faults(unstable_order=30), Faults(list_changes=5)])
def test_a_list_that_moves_is_read_until_all_of_it_was_seen(faults: Faults) -> None:
    found = read(MANY, faults)
    assert found.settled
    assert found.calls > 3
    assert {route.id for route in MANY} <= found.bindings.keys()


def test_a_number_that_changes_between_readings_starts_the_count_anew() -> None:
    found = read(
        MANY,
        Faults(wrong_total=9, latency_ms=10),
        after_s=0.035,
        then=lambda one: one.set_faults(Faults(latency_ms=10)),
    )
    assert found.settled
    assert len(found.bindings) == 250
    assert 6 <= found.calls <= 9


def test_a_route_deleted_meanwhile_is_forgotten() -> None:
    gone = MANY[7].id

    def delete(simulator: Simulator) -> None:
        simulator.tenant.remove(gone)
        simulator.set_faults(Faults(latency_ms=10))

    found = read(MANY, Faults(wrong_total=1, latency_ms=10), after_s=0.035, then=delete)
    assert found.settled
    assert gone not in found.bindings
    assert len(found.bindings) == 249


def test_a_number_that_is_wrong_for_ever_is_said() -> None:
    found = read(MANY, Faults(wrong_total=-3))
    assert not found.settled
    assert found.calls == 9
    assert len(found.bindings) == 250
    assert "never settled in 3 readings: 250 found of 247" in found.told[-1]


@pytest.mark.parametrize(
    "faults",
    [
        Faults(fail_500=0.3, reset_after=0.2, garbage=0.2, faulty=frozenset({"queryCalledRoute"})),
        Faults(throttle=2, retry_after="seconds"),
    ],
)
def test_reading_is_tried_again_as_any_call_is(faults: Faults) -> None:
    found = read(MANY, faults, max_attempts=30)
    assert found.settled
    assert len(found.bindings) == 250


def test_refusals_are_named() -> None:
    with pytest.raises(ReadingRefused, match="queryCalledRoute is refused: HTTP 404"):
        read(MANY, Faults(query_status=404))
    with pytest.raises(CredentialsRefused, match="for queryCalledRoute: HTTP 403"):
        read(MANY, Faults(query_status=403))
    with pytest.raises(StoppedEarly, match="throttled for"):
        read(MANY, Faults(throttle_forever=True), max_throttle_wait_s=30)


def test_what_a_later_reading_says_of_an_id_stands() -> None:
    with LiveBindings() as live:
        for reading, device_id in ((1, 5), (2, 6)):
            live.take([LiveRoute("77", 1, device_id, "", "", None, "", "0")], reading)
        assert live.count() == 1
        assert next(live.routes()).device_id == 6


def test_a_number_far_too_large_does_not_keep_it_reading() -> None:
    found = read(MANY, Faults(wrong_total=10**12))
    assert not found.settled
    assert len(found.bindings) == 250
    assert found.calls < 100


def test_a_full_temporary_disk_is_told_in_words() -> None:
    with LiveBindings() as live:
        live._connection.execute("PRAGMA max_page_count = 4")
        many = [LiveRoute(str(number), 1, 5, "", "", None, "x" * 200, "0") for number in range(100)]
        with pytest.raises(LedgerError, match=r"cannot keep the live bindings: .* full; .*TMPDIR"):
            live.take(many, 1)
