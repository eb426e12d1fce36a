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
from bulkroute.errors import CredentialsRefused, LedgerError, ManifestError, ReadingRefused, UsageError
from bulkroute.events import Event, Notice
from bulkroute.ledger.batches import Changes
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.settle import Finding
from bulkroute.run.prepare import Prepared
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Route, Simulator
from tests.virtual_time import run_virtual

A, B, C, D = "1125397061153369091", "1125397061153369092", "1125397061153369093", "1125397061153369094"
WANTED = {A: (1, 101), B: (1, 102), C: (3, 201)}
BEFORE = (1, 900)
OTHERS = (1, 999)


@dataclass
class Found:
    """What came of a preparation."""

    findings: list[Finding] = field(default_factory=list)
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

    def watch(self, event: Event) -> None:
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
        return self._prepare(lambda engine, held, exits: engine._preparation.take_back(held, exits), **options)

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
                    async with Engine(settings, watch=found.watch) as engine:
                        with Ledger(self.ledger).hold() as held, ExitStack() as exits:
                            prepared = await work(engine, held, exits)
                            found._prepared, found.findings = prepared, list(prepared.findings())
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
    assert [(each.id, each.error) for each in found.findings] == [(C, "locked"), ("no-such-id", "unknown_id")]
    decided = found.prepared.decided
    assert (decided.unchanged, decided.refused, decided.longest_streak) == (1, 2, 2)
    assert not found.prepared.changes
    assert (found.prepared.failed_before, found.prepared.in_doubt, found.prepared.halted) == (0, 0, None)
    assert night.execute("SELECT before_device_id FROM row WHERE id = ?", B) == [(900,)]


def test_without_a_snapshot_nothing_is_read_and_nothing_decided(night: Night) -> None:
    found = night.take_in(snapshot=False)
    assert found.readings == 0
    assert set(night.statuses().values()) == {"pending"}
    assert found.prepared.decided.at == 0
    assert found.findings == []


@pytest.mark.parametrize("content", ["id,devicetype,deviceId\n1,9,1\n", ""])
def test_a_manifest_with_faults_makes_no_ledger(night: Night, content: str) -> None:
    night.manifest.write_text(content)
    with pytest.raises(ManifestError):
        night.take_in()
    assert [path.name for path in night.manifest.parent.iterdir()] == ["night.csv"]


def test_a_finished_batch_with_its_own_manifest_asks_and_changes_nothing(night: Night) -> None:
    night.take_in(snapshot=False)
    night.execute("UPDATE row SET status = 'succeeded'")
    before = night.execute("SELECT * FROM row")
    found = night.take_in()
    assert found.readings == 0
    assert found.prepared.counts.is_finished
    assert found.prepared.counts.succeeded == 3
    assert night.execute("SELECT * FROM row") == before


def test_what_failed_is_tried_again_and_a_manifest_that_is_known_is_not_read_again(night: Night) -> None:
    night.take_in(snapshot=False)
    night.execute("UPDATE row SET status = 'failed', error = 'server' WHERE id = ?", A)
    night.execute("UPDATE row SET status = 'succeeded' WHERE id = ?", B)
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
    assert night.statuses() == {A: "sent", B: "pending", C: "pending", D: "pending"}, "it is kept for the next run"
    assert found.prepared.changes == Changes(new=1)
    assert found.prepared.counts.in_doubt == 1


def test_a_manifest_that_brings_nothing_new_needs_no_reading(night: Night) -> None:
    night.take_in()
    night.execute("UPDATE row SET status = 'succeeded'")
    night.write(dict(reversed(WANTED.items())))
    assert night.take_in().readings == 0
    night.write({**WANTED, D: (1, 104)})
    assert night.take_in().readings == 1


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
    assert night.take_in().notices == ["warning: skill_queue 4711 does not exist"]
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
        "1 rows cannot be put back: they were sent without a snapshot, so their earlier bindings are not recorded"
    ]
    assert (found.prepared.batch.number, found.prepared.batch.parent) == (2, 1)
    assert night.statuses(2) == {A: "pending", B: "failed"}
    (conflict,) = found.findings
    assert (conflict.id, conflict.error) == (B, "conflict")
    assert conflict.description == "was skill_queue 900, wrote skill_queue 102, is skill_queue 999"
    assert night.take_back().prepared.batch.number == 2, "the same rollback is gone on with"
    night.take_in()
    night.take_back()
    assert night.statuses(3), "the batch was run again since, so that a rollback starts anew"


def test_there_is_nothing_to_roll_back_before_the_first_batch(night: Night) -> None:
    with pytest.raises(LedgerError, match="holds no batch yet"):
        night.take_back()
    assert not night.ledger.exists()
