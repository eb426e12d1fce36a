"""What a manifest and a ledger come to before the first call, step by step; against the simulator, in virtual time."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import (
    CredentialsRefused,
    LedgerError,
    ManifestError,
    ReadingRefused,
    StopKind,
    StoppedEarly,
    UsageError,
)
from bulkroute.events import Event, Notice
from bulkroute.ledger.batches import Changes
from bulkroute.ledger.ledger import Ledger
from bulkroute.model import FailureKind
from bulkroute.run.prepare_rollback import LATEST_BATCH
from bulkroute.run.prepared import Prepared
from bulkroute.settings import FailureLimit, Settings
from bulkroute.simulator import Faults, Route, Simulator
from tests.virtual_time import run_virtual

A, B, C, D = "1125397061153369091", "1125397061153369092", "1125397061153369093", "1125397061153369094"
WANTED = {A: (1, 101), B: (1, 102), C: (3, 201)}
BEFORE = (1, 900)
OTHERS = (1, 999)


@dataclass
class Found:
    """What came of a preparation."""

    notices: list[str] = field(default_factory=list)
    readings: int = 0
    """Calls that read live bindings."""
    made_while_reading: list[bool] = field(default_factory=list)
    """Whether there was a ledger while the first of them was under way; empty if it was all over by then."""
    _prepared: Prepared | None = None

    @property
    def prepared(self) -> Prepared:
        """Its values are good for longer than its batch, which is closed."""
        assert self._prepared is not None
        return self._prepared

    def on_event(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.text)


class Night:
    """A folder with a manifest and its ledger, and a service."""

    def __init__(self, folder: Path) -> None:
        self.manifest = folder / "night.csv"
        self.ledger = folder / "night.ledger.db"
        self.live: dict[str, tuple[int, int]] = dict.fromkeys((A, B, C, D), BEFORE)
        self.faults = Faults(latency_ms=20)
        self.locked: set[str] = set()

    def write(self, wanted: dict[str, tuple[int, int]]) -> None:
        lines = [f"{row_id},{kind},{device}\n" for row_id, (kind, device) in wanted.items()]
        self.manifest.write_text("id,devicetype,deviceId\n" + "".join(lines))

    def execute(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.ledger, isolation_level=None)) as connection:
            return connection.execute(sql, values).fetchall()

    def statuses(self, batch: int = 1) -> dict[str, str]:
        return dict(self.execute("SELECT id, status FROM row WHERE batch = ?", batch))

    def take_in(self, **options: Any) -> Found:
        return self._prepare(
            lambda engine, held, exits: engine._preparation.take_in(str(self.manifest), None, held, exits), **options
        )

    def take_back(self, **options: Any) -> Found:
        return self._prepare(
            lambda engine, held, exits: engine._rollbacks.take_back(held, exits, LATEST_BATCH), **options
        )

    def _prepare(self, work: Callable[[Engine, Any, ExitStack], Any], **options: Any) -> Found:
        found = Found()

        async def scenario() -> None:
            routes = [
                Route(row_id, *target, editable="1" if row_id in self.locked else "0")
                for row_id, target in self.live.items()
            ]
            async with Simulator(routes, faults=self.faults, static_token="door") as simulator:
                settings = Settings(
                    base_url=simulator.url,
                    credentials=Credentials(token=Secret("door")),
                    **{"service": "the service", "rate_per_s": None, **options},
                )
                look = asyncio.get_running_loop().call_later(
                    0.01, lambda: found.made_while_reading.append(self.ledger.exists())
                )
                try:
                    async with Engine(settings, on_event=found.on_event) as engine:
                        with Ledger(self.ledger).hold() as held, ExitStack() as exits:
                            async with work(engine, held, exits) as prepared:
                                found._prepared = prepared
                            assert prepared.batch.counts() == prepared.counts
                finally:
                    look.cancel()
                    found.readings = simulator.calls_per_endpoint["queryCalledRoute"]

        run_virtual(scenario())
        return found


@pytest.fixture
def night(tmp_path: Path) -> Night:
    night = Night(tmp_path)
    night.write(WANTED)
    return night


def test_a_new_batch_is_made_once_live_bindings_are_read_and_they_decide(night: Night) -> None:
    night.write({**WANTED, "no-such-id": (1, 101)})
    night.live[A] = WANTED[A]
    night.locked = {C}
    found = night.take_in()
    assert found.made_while_reading == [False]
    assert night.statuses() == {A: "unchanged", B: "pending", C: "failed", "no-such-id": "failed"}
    assert {(each.error, each.rows, each.example_id) for each in found.prepared.decided.refusals} == {
        ("locked", 1, C),
        ("unknown_id", 1, "no-such-id"),
    }
    assert not found.prepared.changes
    assert (found.prepared.failed_before, found.prepared.in_doubt, found.prepared.halted) == (0, 0, None)
    assert night.execute("SELECT before_device_id FROM row WHERE id = ?", B) == [(900,)]


def test_without_a_snapshot_nothing_is_read_and_nothing_decided(night: Night) -> None:
    found = night.take_in(snapshot=False)
    assert found.readings == 0
    assert set(night.statuses().values()) == {"pending"}
    assert found.prepared.decided.refusals == ()
    assert not found.prepared.live_read


@pytest.mark.parametrize("content", ["id,devicetype,deviceId\n1,9,1\n", ""])
def test_a_manifest_with_faults_makes_no_ledger(night: Night, content: str) -> None:
    night.manifest.write_text(content)
    with pytest.raises(ManifestError):
        night.take_in()
    assert [path.name for path in night.manifest.parent.iterdir()] == ["night.csv"]


def done(night: Night, **options: Any) -> None:
    """Have the first batch done, and bound as it wants."""
    night.take_in(**options)
    night.execute("UPDATE row SET status = 'succeeded', attempts = 1")
    night.live |= WANTED


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_finished_batch_that_still_holds_is_left_as_it_is(night: Night, snapshot: bool) -> None:
    done(night)
    before = night.execute("SELECT * FROM row")
    found = night.take_in(snapshot=snapshot)
    assert found.readings == snapshot
    assert found.prepared.live_read == snapshot
    assert (found.prepared.batch.number, found.prepared.counts.succeeded) == (1, 3)
    assert night.execute("SELECT * FROM row") == before


def test_what_another_hand_changed_begins_the_next_batch_with_a_way_back_of_its_own(night: Night) -> None:
    done(night)
    night.live[B] = OTHERS
    found = night.take_in()
    assert (found.prepared.batch.number, found.prepared.drifted) == (2, 1)
    assert night.statuses(2) == {A: "unchanged", B: "pending", C: "unchanged"}
    assert night.execute("SELECT before_device_id, drifted FROM row WHERE batch = 2 AND id = ?", B) == [(999, 1)]
    assert night.statuses(1) == dict.fromkeys(WANTED, "succeeded")


def test_what_another_hand_changed_in_a_batch_that_goes_on_is_sent_again_in_it(night: Night) -> None:
    done(night)
    night.execute("UPDATE row SET status = 'pending', attempts = 0 WHERE id = ?", C)
    night.live |= {B: OTHERS, C: BEFORE}
    found = night.take_in()
    assert (found.prepared.batch.number, found.prepared.drifted, found.prepared.counts.pending) == (1, 1, 2)
    assert night.statuses() == {A: "succeeded", B: "pending", C: "pending"}
    assert night.execute("SELECT before_device_id FROM row ORDER BY row") == [(900,), (999,), (900,)]


def test_what_another_hand_changed_before_our_first_call_is_what_a_rollback_puts_back(night: Night) -> None:
    night.take_in()
    night.execute("UPDATE row SET status = 'failed', error = 'timeout', attempts = 1 WHERE id = ?", B)
    night.live |= {A: OTHERS, B: OTHERS}
    night.take_in()
    before = "SELECT before_device_id FROM row WHERE id = ?"
    assert [night.execute(before, row_id) for row_id in (A, B, C)] == [[(999,)], [(900,)], [(900,)]]
    # So may a row have been that was sent to another target.
    night.execute("UPDATE row SET written_devicetype = 1, written_device_id = 555 WHERE id = ?", A)
    night.live[A] = (1, 556)
    night.take_in()
    assert night.execute(before, A) == [(999,)]


def test_what_another_hand_changed_is_kept_if_asked_for_and_looked_at_again(night: Night) -> None:
    done(night)
    night.live[B] = OTHERS
    kept = night.take_in(on_drift="keep").prepared
    assert (kept.batch.number, kept.counts.pending, kept.counts.refused, kept.counts.drifted) == (2, 0, 1, 1)
    assert kept.counts.failures == {"drifted": 1}
    assert night.take_in(on_drift="keep").prepared.batch.number == 2, "nothing is left to do"
    night.live[B] = WANTED[B]
    put_right = night.take_in(on_drift="keep").prepared
    assert (put_right.batch.number, put_right.counts.done) == (3, 3)
    night.live[B] = OTHERS
    assert night.take_in(on_drift="keep").prepared.counts.refused == 1
    assert night.take_in().prepared.counts.pending == 1, "sent again now"


def test_what_another_hand_changed_can_stop_all_and_leaves_the_ledger_as_it_was(night: Night) -> None:
    done(night)
    night.live[B] = OTHERS
    before = night.ledger.read_bytes()
    with pytest.raises(StoppedEarly, match="1 row that was done has been changed by another hand") as stopped:
        night.take_in(on_drift="stop")
    assert (stopped.value.stop, stopped.value.exit_code) == (StopKind.DRIFT, 6)
    assert night.ledger.read_bytes() == before


@pytest.mark.parametrize(
    ("on_drift", "now", "status", "drifted"),
    [
        ("send", OTHERS, "pending", 1),
        ("keep", OTHERS, "failed", 1),
        ("send", BEFORE, "pending", 0),
        ("keep", BEFORE, "pending", 0),
    ],
)
def test_a_row_in_conflict_has_drifted_for_the_next_batch_while_another_hand_holds_it(
    night: Night, on_drift: str, now: tuple[int, int], status: str, drifted: int
) -> None:
    night.take_in()
    night.execute("UPDATE row SET status = 'succeeded', attempts = 1")
    night.execute("UPDATE row SET status = 'failed', error = 'conflict' WHERE id = ?", A)
    night.live |= {**WANTED, A: OTHERS}
    assert night.take_in(on_drift=on_drift).prepared.counts.failures == {"conflict": 1}, "alone it is no work"
    night.live[A] = now
    night.write({**WANTED, D: (1, 104)})
    if drifted:
        with pytest.raises(StoppedEarly, match="1 row that was done has been changed"):
            night.take_in(on_drift="stop")
    found = night.take_in(on_drift=on_drift)
    assert (night.statuses(2)[A], found.prepared.counts.drifted) == (status, drifted)
    assert found.prepared.drifted == (drifted if status == "pending" else 0)  # of the rows to be sent


@pytest.mark.parametrize(("on_drift", "kind"), [("send", "unknown_id"), ("keep", "drifted")])
def test_a_row_that_is_done_and_whose_route_is_gone_is_not_called_done(night: Night, on_drift: str, kind: str) -> None:
    done(night)
    del night.live[B]
    with pytest.raises(StoppedEarly, match="1 row that was done has been changed"):
        night.take_in(on_drift="stop")
    prepared = night.take_in(on_drift=on_drift).prepared
    assert (prepared.counts.failures, prepared.drifted) == ({kind: 1}, 0)
    numbers = night.execute("SELECT access_code, media_type FROM row WHERE id = ? ORDER BY batch", B)
    assert numbers[0] == numbers[1] != ("", None), "people know it by its number still"


def test_a_rollback_ends_its_batch(night: Night) -> None:
    done(night)
    night.take_back()
    night.execute("UPDATE row SET status = 'succeeded' WHERE batch = 2")
    night.execute("UPDATE row SET status = 'pending', attempts = 0 WHERE batch = 1")
    night.live |= dict.fromkeys(WANTED, BEFORE)
    found = night.take_in()
    assert (found.prepared.batch.number, found.prepared.drifted, found.prepared.counts.pending) == (3, 0, 3)


def test_rows_no_longer_refused_begin_the_next_batch_and_others_do_not(night: Night) -> None:
    night.locked = {C}
    night.take_in()
    night.execute("UPDATE row SET status = 'succeeded' WHERE status = 'pending'")
    night.live |= {A: WANTED[A], B: WANTED[B]}
    still = night.take_in().prepared
    assert (still.batch.number, still.counts.refused, still.counts.pending) == (1, 1, 0)
    night.locked = set()
    free = night.take_in().prepared
    assert (free.batch.number, free.counts.refused, free.counts.pending) == (2, 0, 1)


def test_known_refusals_are_skipped_and_are_no_failures(night: Night) -> None:
    night.locked = {C}
    skip = frozenset({FailureKind.LOCKED})
    found = night.take_in(skip=skip).prepared
    assert (found.counts.skipped, found.counts.refused, found.counts.pending) == (1, 0, 2)
    night.execute("UPDATE row SET status = 'succeeded' WHERE status = 'pending'")
    night.live |= {A: WANTED[A], B: WANTED[B]}
    assert night.take_in(skip=skip).prepared.batch.number == 1, "nothing is left to do"
    night.locked = set()
    assert night.take_in(skip=skip).prepared.counts.pending == 1


def test_too_many_refused_rows_or_a_wrong_number_of_rows_send_nothing_and_write_nothing(night: Night) -> None:
    night.locked = {B, C}
    with pytest.raises(
        StoppedEarly, match=r"2 of 3 rows are refused \(2 locked\), more than --max-refused 1"
    ) as stopped:
        night.take_in(max_refused=FailureLimit(rows=1))
    assert stopped.value.exit_code == 3
    with pytest.raises(ManifestError, match="3 rows, and --expect says 4") as refused:
        night.take_in(expect=4)
    assert (refused.value.stop, refused.value.exit_code) == (StopKind.EXPECT, 65)
    assert [path.name for path in night.manifest.parent.iterdir()] == ["night.csv"]
    assert night.take_in(max_refused=FailureLimit(share=0.7), expect=3).prepared.counts.refused == 2


def test_a_ledger_older_than_its_calls_counts_them_and_can_put_them_back(night: Night) -> None:
    """A copy was taken before the calls for A and B, and is gone on with."""
    night.take_in()
    night.live |= {A: WANTED[A], B: WANTED[B]}
    found = night.take_in()
    assert night.statuses() == {A: "succeeded", B: "succeeded", C: "pending"}
    assert found.prepared.decided.changed_earlier == 2
    assert any("2 rows were changed by calls that this ledger does not know of" in text for text in found.notices)

    assert night.take_back().prepared.counts.pending == 2


def test_what_failed_is_tried_again_and_a_manifest_that_is_known_is_not_read_again(night: Night) -> None:
    night.take_in(snapshot=False)
    night.execute("UPDATE row SET status = 'failed', error = 'server' WHERE id = ?", A)
    night.execute("UPDATE row SET status = 'succeeded' WHERE id = ?", B)
    night.live[B] = WANTED[B]
    night.execute("UPDATE row SET line = 77 WHERE id = ?", C)  # a manifest that is read again puts this right
    found = night.take_in()
    assert (found.prepared.failed_before, found.prepared.counts.pending) == (1, 2)
    assert night.execute("SELECT line FROM row WHERE id = ?", C) == [(77,)]
    assert night.statuses() == {A: "pending", B: "succeeded", C: "pending"}


def test_rows_in_doubt_are_settled_by_the_old_targets_before_the_manifest_is_taken_over(night: Night) -> None:
    """B had landed, C had not, and somebody else changed A; then the manifest was edited, for B and C too."""
    night.take_in()
    night.execute("UPDATE row SET status = 'sent'")
    night.live = {A: OTHERS, B: WANTED[B], C: BEFORE}
    night.write({A: WANTED[A], B: (3, 555), C: (3, 556)})
    found = night.take_in()
    assert found.notices[0] == (
        "rows in doubt after a crash, held against their live bindings:"
        " 1 landed, 1 to be sent again, 1 changed by somebody else"
    )
    assert night.statuses() == {A: "failed", B: "pending", C: "pending"}
    assert found.prepared.changes == Changes(retargeted=2)
    assert found.prepared.in_doubt == 1
    assert found.prepared.counts.failures == {"conflict": 1}
    written = "SELECT before_device_id, written_device_id FROM row WHERE id = ?"
    assert night.execute(written, B) == [(900, 102)], "a rollback has to know what it was sent to"
    assert night.execute(written, C) == [(900, 201)]


def test_rows_in_doubt_are_sent_again_where_nothing_is_read(night: Night) -> None:
    night.take_in(snapshot=False)
    night.execute("UPDATE row SET status = 'sent' WHERE id = ?", A)
    found = night.take_in(snapshot=False)
    assert (found.prepared.in_doubt, found.prepared.failed_before) == (1, 0)
    assert night.execute("SELECT status, attempts FROM row WHERE id = ?", A) == [("pending", 1)]


@pytest.mark.parametrize(
    ("faults", "kind", "hint"),
    [
        (Faults(query_status=404), ReadingRefused, "; --no-snapshot goes without reading it"),
        (Faults(query_status=403), CredentialsRefused, "; if only this list is refused, --no-sn"),
    ],
)
def test_live_bindings_that_cannot_be_read_halt_the_run_and_settle_nothing(
    night: Night, faults: Faults, kind: type, hint: str
) -> None:
    night.take_in()
    night.execute("UPDATE row SET status = 'sent' WHERE id = ?", A)
    night.write({**WANTED, D: (1, 104)})
    night.faults = faults
    found = night.take_in()
    assert isinstance(found.prepared.halted, kind)
    assert hint in str(found.prepared.halted)
    assert night.statuses() == {A: "sent", B: "pending", C: "pending"}, "the next run takes the manifest over"
    assert not found.prepared.changes
    assert found.prepared.counts.in_doubt == 1


def test_a_manifest_in_another_order_brings_nothing_and_a_new_row_begins_the_next_batch(night: Night) -> None:
    done(night)
    night.write(dict(reversed(WANTED.items())))
    assert night.take_in().prepared.batch.number == 1
    night.write({A: WANTED[A], B: WANTED[B]})
    assert night.take_in().prepared.batch.number == 1, "a row that is gone leaves nothing to do"
    night.write({**WANTED, D: (1, 104)})
    found = night.take_in()
    assert night.statuses(2) == {**dict.fromkeys(WANTED, "unchanged"), D: "pending"}
    assert found.prepared.drifted == 0
    night.execute("UPDATE row SET status = 'succeeded', attempts = 1 WHERE batch = 2")
    night.write({**WANTED, D: (1, 105)})
    unread = night.take_in(snapshot=False)
    assert night.statuses(3) == {**dict.fromkeys(WANTED, "unchanged"), D: "pending"}
    assert (unread.prepared.live_read, unread.readings) == (False, 0)


def test_fresh_begins_a_batch_and_leaves_the_one_before(night: Night) -> None:
    night.take_in(snapshot=False)
    night.execute("UPDATE row SET status = 'succeeded'")
    found = night.take_in(fresh=True)
    assert found.prepared.batch.number == 2
    assert set(night.statuses(1).values()) == {"succeeded"}
    assert set(night.statuses(2).values()) == {"pending"}


def test_a_batch_of_another_service_is_refused_unless_it_has_moved(night: Night) -> None:
    night.take_in(service="https://elsewhere.example.com")
    before = night.ledger.read_bytes()
    for work in (night.take_in, night.take_back):
        with pytest.raises(UsageError, match=r"of https://elsewhere\.example\.com, not of the service"):
            work()
    assert night.ledger.read_bytes() == before
    assert night.take_in(service_moved=True).prepared.batch.number == 1
    assert night.take_in(fresh=True).prepared.batch.number == 2


def test_targets_that_calls_cannot_reach_are_warned_of_or_refused(night: Night) -> None:
    night.write({**WANTED, A: (1, 4711)})
    assert night.take_in().notices == ["warning: skill_queue 4711 does not exist: 1 row leads there"]
    for snapshot in (True, False):
        with pytest.raises(UsageError, match="skill_queue 4711 does not exist"):
            night.take_in(strict_targets=True, snapshot=snapshot)
    assert night.take_in(snapshot=False).notices == []


def test_a_rollback_puts_back_what_was_overwritten_and_leaves_alone_what_others_changed(night: Night) -> None:
    night.take_in()
    night.execute("UPDATE row SET status = 'succeeded', attempts = 1")
    night.execute("UPDATE row SET before_devicetype = NULL, before_device_id = NULL WHERE id = ?", C)
    night.live |= {A: WANTED[A], B: OTHERS, C: WANTED[C]}
    found = night.take_back()
    assert found.prepared.left_behind == 1
    assert found.notices == [
        "1 rows cannot be put back: they were sent without a snapshot, so their earlier bindings are not recorded",
        "warning: skill_queue 900 does not exist: 1 row leads there",
    ]
    assert (found.prepared.batch.number, found.prepared.batch.parent) == (2, 1)
    assert night.statuses(2) == {A: "pending", B: "failed"}
    (conflict,) = found.prepared.decided.refusals
    assert (conflict.example_id, conflict.error, conflict.rows) == (B, "conflict", 1)
    assert conflict.description == "was skill_queue 900, wrote 客服-102 (skill_queue 102), is skill_queue 999"
    assert night.take_back().prepared.batch.number == 2, "the same rollback is gone on with"
    assert night.take_in().prepared.batch.number == 3, "a rollback ends its batch"
    night.execute("UPDATE row SET status = 'succeeded', attempts = 1 WHERE batch = 3")
    night.take_back()
    assert night.statuses(4), "the next batch has a rollback of its own"


def test_a_rollback_to_a_target_that_calls_cannot_reach_is_refused_where_strict(night: Night) -> None:
    night.take_in()
    night.execute("UPDATE row SET status = 'succeeded', attempts = 1")
    night.live |= WANTED
    with pytest.raises(UsageError, match="skill_queue 900 does not exist: 3 rows lead there") as refused:
        night.take_back(strict_targets=True)
    assert refused.value.stop is StopKind.TARGETS
    assert night.statuses(2) == {}


def test_there_is_nothing_to_roll_back_before_the_first_batch(night: Night) -> None:
    with pytest.raises(LedgerError, match="holds no batch yet"):
        night.take_back()
    assert not night.ledger.exists()
