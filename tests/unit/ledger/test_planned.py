"""Rows held to a saved plan: each way in which live bindings can differ from it, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.ledger.writer import BatchWriter
from bulkroute.manifest import Faults
from bulkroute.manifest.saved_plan import PlanRow
from bulkroute.model import FailureKind, NamedTarget

BILLING, NIGHT = NamedTarget(1, 101, "Billing"), NamedTarget(3, 3015, "Night")
OLD, NEW = (1, 101), (3, 3015)


class Held(NamedTuple):
    """A batch of a plan, and the plan."""

    batch: BatchWriter
    plan: Staged

    def to(self, *routes: LiveRoute, skip: frozenset[FailureKind] = frozenset()) -> int:
        """Hold it to these live routes; return how many rows have drifted."""
        with LiveBindings() as live:
            live.take(routes, 1)
            live.finish(1)
            return self.batch.hold_to_plan(self.plan, live, earlier=None, skip=skip)

    def off(self, *routes: LiveRoute) -> tuple[int, int]:
        """Return how many rows of wave 1 have drifted since, and of how many."""
        with LiveBindings() as live:
            live.take(routes, 1)
            live.finish(1)
            found = self.batch.off_plan(1, live, 5)
            assert len(found.told) == found.rows
            return found.rows, found.of

    def rows(self) -> dict[str, tuple[str, str | None]]:
        return {row["id"]: (row["status"], row["error"]) for row in self.batch.export()}

    def told(self) -> dict[str, str]:
        return {row["id"]: row["description"] for row in self.batch.export() if row["description"]}


def planned(line: int, row_id: str, before: NamedTarget | None = BILLING, standing: str = "change") -> PlanRow:
    return PlanRow(line, row_id, standing, False, before, NIGHT, "4008001234", str(line), 5, "0", 1)


def route(
    row_id: str, target: tuple[int | None, int | None], ext_code: str, editable: str = "0", name: str = ""
) -> LiveRoute:
    return LiveRoute(row_id, *target, "4008001234", ext_code, 5, name, editable)


ROWS = [
    planned(2, "a"),
    planned(3, "b", before=None),
    planned(4, "c", before=NIGHT, standing="right"),
    planned(5, "d", standing="locked"),
]
AS_FOUND = [route("a", OLD, "2"), route("b", (None, None), "3"), route("c", NEW, "4"), route("d", OLD, "5", "1")]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    with Staging() as rows, Ledger(tmp_path / "l.db").hold() as ledger, ledger.write() as writer:
        rows.load_planned(ROWS, Faults("x.plan"))
        plan = Staged(rows, "x.plan", f"plan:{'3f9c' * 16}", by_number=True)
        yield Held(writer.take_over(plan, Tenant("s", ""))[0], plan)


def test_what_is_as_the_plan_found_it_may_be_sent(held: Held) -> None:
    assert held.batch.facts.plan == "3f9c" * 16
    assert held.to(*AS_FOUND) == 0
    assert held.rows() == {
        "a": ("pending", None),
        "b": ("pending", None),
        "c": ("pending", None),
        "d": ("failed", "locked"),
    }
    assert held.told() == {"d": "the plan refused it: locked; a new plan looks again"}


def test_what_the_plan_refused_is_not_sent_though_it_could_be(held: Held) -> None:
    assert held.to(*AS_FOUND[:3], route("d", OLD, "5"), skip=frozenset({FailureKind.LOCKED})) == 0
    assert held.rows()["d"] == ("skipped", "locked")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (route("a", (1, 102), "2", name="Sales"), "is Sales (skill_queue 102)"),
        (route("a", (None, None), "2"), "is without a target"),
        (route("a", OLD, "2", "3"), "is skill_queue 101, and locked"),
        (route("a", OLD, "22"), "is skill_queue 101, and its number is 4008001234 ext 22"),
        (route("a", NEW, "22"), "is ivr 3015, and its number is 4008001234 ext 22"),
        (None, "is not listed"),
    ],
)
def test_every_other_row_has_drifted_and_goes_on_once_it_is_as_planned(
    held: Held, change: LiveRoute | None, says: str
) -> None:
    assert held.to(*([change] if change else []), *AS_FOUND[1:]) == 1
    assert held.rows()["a"] == ("failed", "drifted")
    assert held.told()["a"].endswith(says)
    assert held.told()["a"].startswith("was Billing (skill_queue 101), planned Night (ivr 3015), is ")
    assert held.batch.drifted_rows(5) == [f"4008001234 ext 2 (id a): {held.told()['a']}"]
    assert held.to(*AS_FOUND) == 0
    assert held.rows()["a"] == ("pending", None)


def test_a_row_without_a_target_that_has_got_one_has_drifted(held: Held) -> None:
    assert held.to(AS_FOUND[0], route("b", OLD, "3"), *AS_FOUND[2:]) == 1
    assert held.told()["b"].startswith("was without a target, planned Night (ivr 3015), is ")


def test_a_done_row_that_leads_back_is_sent_again_and_counts_as_drifted(held: Held) -> None:
    held.batch._connection.execute("UPDATE row SET status = 'succeeded' WHERE id = 'a'")
    assert held.to(*AS_FOUND) == 0
    assert held.rows()["a"] == ("pending", None)
    assert held.batch.drifted_to_send() == 1


def test_rows_are_held_to_the_plan_again_before_their_wave(held: Held) -> None:
    with LiveBindings() as live:
        live.take(AS_FOUND, 1)
        live.finish(1)
        assert held.batch.hold_to_plan(held.plan, live, earlier=None, skip=()) == 0
        held.batch.decide(live)
    assert held.off(*AS_FOUND) == (0, 2)
    assert held.off(route("a", NEW, "2"), *AS_FOUND[1:]) == (0, 2)
    assert held.off(route("a", (1, 102), "2"), *AS_FOUND[1:]) == (1, 2)
    assert held.off(route("a", OLD, "2", "1"), route("b", OLD, "3"), *AS_FOUND[2:]) == (2, 2)
    held.batch._connection.execute("UPDATE row SET attempts = 1 WHERE id = 'a'")
    assert held.off(route("a", (1, 102), "2"), *AS_FOUND[1:]) == (0, 1)
