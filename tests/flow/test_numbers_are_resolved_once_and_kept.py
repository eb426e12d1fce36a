"""A manifest by number: resolved whole before the first call, kept in the ledger, and held against live on a resume.

In virtual time, the simulator's tenant being changed by another hand between two commands.
"""

import csv
import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError, ManifestError, StopKind, StoppedEarly, UsageError
from bulkroute.events import Event, Notice, RowsRefused
from bulkroute.ledger.export import write_csv
from bulkroute.ledger.ledger import Ledger
from bulkroute.manifest.saved_plan import PlanCounts, PlanRow
from bulkroute.model import FailureKind
from bulkroute.progress import Summary
from bulkroute.settings import Settings, parse_rewrite_rule
from bulkroute.simulator import Faults, Flow, Route, Simulator, Skill
from tests.virtual_time import run_virtual

A, B, C, D = (f"112539706115336909{digit}" for digit in "1234")
ROUTES = [
    Route(A, 1, 900, access_code="4008001234", ext_code="2"),
    Route(B, 1, 900, access_code="+55 11 4002-8922"),
    Route(C, 3, 3001, access_code="6688", ext_code="1"),
    Route(D, 3, 3001, access_code="66881", mediatype_id=19),
]
SKILLS = [Skill(900, "Front"), Skill(101, "账单"), Skill(102, "Video", mediatype_id=19)]
FLOWS = [Flow(3001, "Day"), Flow(3015, "Night"), Flow(3016, "Closed", loaded=False)]
TABLE = "Access Code,Ext,Target\n4008001234,2,Night\n+551140028922,,queue:账单\n6688,1,ivr:Night#3015\n"


@dataclass
class Told:
    """What a command said and did."""

    calls: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What was called, in this command."""
    notices: list[str] = field(default_factory=list)
    refused: list[RowsRefused] = field(default_factory=list)
    summary: Summary | None = None
    error: BulkrouteError | None = None
    counts: PlanCounts | None = None
    rows: list[PlanRow] = field(default_factory=list)

    def on_event(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, RowsRefused):
            self.refused.append(event)

    @property
    def faults(self) -> list[str]:
        assert isinstance(self.error, ManifestError)
        return [text.partition(":")[2] for text in self.error.faults]


class Tenant:
    """A service whose routes and targets live on from command to command, and a folder with one manifest."""

    def __init__(self, folder: Path) -> None:
        self.routes = {route.id: route for route in ROUTES}
        self.skills = {skill.id: skill for skill in SKILLS}
        self.flows = {flow.id: flow for flow in FLOWS}
        self.faults = Faults()
        self.manifest = folder / "night.csv"
        self.ledger = folder / "night.ledger.db"
        self.manifest.write_text(TABLE)

    def run(self, **settings: Any) -> Told:
        async def work(engine: Engine, told: Told) -> None:
            told.summary = await engine.run(self.manifest, ledger=self.ledger)

        return self._do(work, settings)

    def plan(self, **settings: Any) -> Told:
        async def work(engine: Engine, told: Told) -> None:
            async with engine.plan(self.manifest, ledger=self.ledger) as plan:
                told.counts, told.rows = plan.counts, list(plan.rows())

        return self._do(work, settings)

    def _do(self, work: Callable[[Engine, Told], Any], settings: dict[str, Any]) -> Told:
        told = Told()

        async def scenario() -> None:
            async with Simulator(
                self.routes.values(),
                faults=self.faults,
                static_token="hush-hush",
                skills=self.skills.values(),
                flows=self.flows.values(),
            ) as simulator:
                chosen = Settings(
                    base_url=simulator.url,
                    service="https://cc.example.com",
                    credentials=Credentials(token=Secret("hush-hush")),
                    **settings,
                )
                try:
                    async with Engine(chosen, on_event=told.on_event) as engine:
                        await work(engine, told)
                except BulkrouteError as error:
                    told.error = error
                told.calls = {row_id: simulator.bindings[row_id] for row_id in simulator.calls_per_id}
                for row_id, (devicetype, device_id) in simulator.bindings.items():
                    self.routes[row_id] = replace(self.routes[row_id], devicetype=devicetype, device_id=device_id)

        run_virtual(scenario())
        return told

    def renumber(self, row_id: str, access_code: str, ext_code: str = "") -> None:
        self.routes[row_id] = replace(self.routes[row_id], access_code=access_code, ext_code=ext_code)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.ledger)) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path)


def test_numbers_and_names_become_ids_and_are_kept(tenant: Tenant) -> None:
    told = tenant.run()
    assert told.error is None
    assert told.calls == {A: (3, 3015), B: (1, 101), C: (3, 3015)}
    assert told.summary is not None
    assert told.summary.exit_code == 0
    assert tenant.query("SELECT line, id, access_code, ext_code, media_type FROM row ORDER BY row") == [
        (2, A, "4008001234", "2", 5),
        (3, B, "+55 11 4002-8922", "", 5),
        (4, C, "6688", "1", 5),
    ]
    assert tenant.query("SELECT name, devicetype, device_id FROM wanted_name ORDER BY name") == [
        ("Night", 3, 3015),
        ("ivr:Night#3015", 3, 3015),
        ("queue:账单", 1, 101),
    ]
    assert tenant.query("SELECT device_id, name FROM target ORDER BY 1") == [
        (101, "账单"),
        (900, "Front"),
        (3001, "Day"),
        (3015, "Night"),
    ]
    again = tenant.run()
    assert not again.calls
    assert again.summary is not None
    assert again.summary.unchanged + again.summary.succeeded == 3


def test_every_fault_has_its_line_and_nothing_is_sent_or_made(tenant: Tenant) -> None:
    tenant.manifest.write_text(
        f"number,target\n{'6688' * 2},Night\n66881,Night\n40080012342,night\n+551140028922,Closed\n551140028922,Night\n"
    )
    for told in (tenant.run(), tenant.plan()):
        assert told.faults == [
            "2: no route 66886688",
            "3: 66881 means 2 routes: 6688 ext 1 (id 1125397061153369093, voice, ivr 3001 Day) and 66881"
            " (id 1125397061153369094, video, ivr 3001 Day); split it into accessCode and extCode or add mediaType",
            "4: no skill queue or IVR flow is called 'night'; did you mean 'Night'?",
            "5: Closed (ivr 3016) is not loaded: no call can enter it; load it, or give --allow-unloaded",
            "6: no route 551140028922; +55 11 4002-8922 exists: has a leading 0 or + been lost?",
        ]
        assert told.error is not None
        assert told.error.exit_code == 65
        assert not told.calls
        assert not tenant.ledger.exists()


def test_flags_take_what_is_a_fault_without_them(tenant: Tenant) -> None:
    tenant.manifest.write_text("accessCode,target\n00551140028922,Closed\n12345,Night\n")
    told = tenant.run(
        allow_unloaded=True,
        skip=frozenset({FailureKind.UNKNOWN_ID}),
        rewrite_number=(parse_rewrite_rule("^00=+"),),
    )
    assert told.calls == {B: (3, 3016)}
    assert any("1 row has a number that no route has" in text for text in told.notices)
    assert "--rewrite-number '^00=+' changed 1 numbers" in told.notices
    assert "warning: Closed (ivr 3016) is not loaded: 1 row leads there" in told.notices
    planned = tenant.plan(skip=frozenset({FailureKind.UNKNOWN_ID}), rewrite_number=(parse_rewrite_rule("^00=+"),))
    assert isinstance(planned.error, ManifestError)  # a plan asks for the flag again, as a run does
    (tenant.ledger).unlink()
    counts = tenant.plan(
        allow_unloaded=True, skip=frozenset({FailureKind.UNKNOWN_ID}), rewrite_number=(parse_rewrite_rule("^00=+"),)
    ).counts
    assert counts is not None
    assert (counts.total, counts.already_right, counts.skipped) == (2, 1, 1)


def test_a_media_type_that_does_not_fit_is_a_fault_with_its_line_if_targets_must_be_sound(tenant: Tenant) -> None:
    tenant.manifest.write_text("accessCode,extCode,target\n4008001234,2,Video\n")
    told = tenant.run(strict_targets=True)
    assert told.faults == ["2: 4008001234 ext 2: voice routes do not fit Video (skill_queue 102), a queue for video"]
    assert tenant.run().calls == {A: (1, 102)}


def test_a_list_that_never_settles_proves_no_absence(tenant: Tenant) -> None:
    tenant.faults = Faults(wrong_total=1)
    for told in (tenant.run(), tenant.plan()):
        assert isinstance(told.error, StoppedEarly)
        assert (told.error.stop, told.error.exit_code) == (StopKind.UNSETTLED, 4)
        assert not told.calls
        assert not tenant.ledger.exists()


def test_numbers_cannot_be_found_without_reading(tenant: Tenant) -> None:
    told = tenant.run(snapshot=False)
    assert isinstance(told.error, UsageError)
    assert "night.csv: a manifest by number" in str(told.error)
    tenant.run(max_rows=1)
    assert len(tenant.run(snapshot=False).calls) == 2  # the ids are known by then


def test_a_number_that_is_another_route_s_in_the_middle_of_a_batch_is_not_sent(tenant: Tenant) -> None:
    assert list(tenant.run(max_rows=1).calls) == [A]
    tenant.renumber(B, "7777")
    tenant.renumber(D, "+55 11 4002-8922")
    planned = tenant.plan()
    assert planned.counts is not None
    assert planned.counts.refused == {"moved": 1}
    assert [row.standing for row in planned.rows] == ["right", "moved", "change"]
    told = tenant.run()
    assert told.calls == {C: (3, 3015)}
    (refused,) = told.refused
    assert (refused.error, refused.rows, refused.example_id) == ("moved", 1, B)
    assert refused.example_number == "+55 11 4002-8922"
    assert refused.description == "the id carries 7777 now, no longer +55 11 4002-8922"
    assert told.summary is not None
    assert (told.summary.refused, told.summary.exit_code) == (1, 1)
    tenant.renumber(B, "+551140028922")  # the same number, written in another way
    tenant.renumber(D, "66881")
    assert tenant.run().calls == {B: (1, 101)}


def test_a_done_row_that_moved_in_the_middle_of_a_batch_is_told(tenant: Tenant) -> None:
    assert list(tenant.run(max_rows=1).calls) == [A]
    tenant.renumber(A, "7777")
    told = tenant.run()
    assert set(told.calls) == {B, C}
    assert [text for text in told.notices if "moved since" in text] == [
        "warning: 1 done row has moved since the numbers were looked up,"
        f" e.g. {A}: the id carries 7777 now, no longer 4008001234 ext 2; --fresh looks all numbers up anew"
    ]


def test_a_number_that_is_only_written_in_another_way_has_not_moved(tenant: Tenant) -> None:
    tenant.run(max_rows=1)
    tenant.renumber(B, "+551140028922")
    assert tenant.run().calls == {B: (1, 101), C: (3, 3015)}


@pytest.mark.parametrize("media_type", [5, 53])
def test_a_number_whose_id_is_gone_is_not_sent_to_the_other_one(tenant: Tenant, media_type: int) -> None:
    tenant.run(max_rows=1)
    tenant.routes["777"] = replace(tenant.routes.pop(C), id="777", mediatype_id=media_type)
    told = tenant.run()
    assert told.calls == {B: (1, 101)}
    (refused,) = told.refused
    if media_type == 53:  # another kind of route, for all that is known
        assert refused.error == "unknown_id"
    else:
        assert refused.description == "the id is gone, and 6688 ext 1 is id 777 now"


def test_a_batch_that_has_ended_does_not_vouch_for_numbers_and_names(tenant: Tenant) -> None:
    tenant.run()
    tenant.renumber(A, "7777")
    tenant.flows[3015] = Flow(3015, "Night 2")
    for told in (tenant.plan(), tenant.run()):
        assert told.faults == [
            "2: no route 4008001234 ext 2",
            "2: no skill queue or IVR flow is called 'Night'",
            "4: no IVR flow is called 'Night'",
        ]
    assert tenant.query("SELECT count(*) FROM run") == [(1,)]
    told = tenant.run(snapshot=False)
    assert told.summary is not None
    assert (told.summary.exit_code, told.summary.live_read) == (0, False)


def test_a_changed_manifest_goes_by_what_it_says_now(tenant: Tenant) -> None:
    assert list(tenant.run(max_rows=1).calls) == [A]
    tenant.renumber(B, "7777")
    tenant.renumber(C, "8888", "1")
    tenant.manifest.write_text("Access Code,Ext,Target\n4008001234,2,Night\n7777,,queue:账单\n8888,1,queue:账单\n")
    told = tenant.run()
    assert told.calls == {B: (1, 101), C: (1, 101)}
    assert tenant.query("SELECT id, access_code FROM row ORDER BY row") == [(A, "4008001234"), (B, "7777"), (C, "8888")]
    assert tenant.query("SELECT name FROM wanted_name ORDER BY 1") == [("Night",), ("queue:账单",)]


def test_a_number_that_went_in_the_middle_of_a_batch_is_skipped_in_that_batch(tenant: Tenant) -> None:
    tenant.run(max_rows=1)
    del tenant.routes[B]
    assert tenant.run().refused[0].error == "unknown_id"
    told = tenant.run(skip=frozenset({FailureKind.UNKNOWN_ID}))
    assert told.summary is not None
    assert (told.summary.batch, told.summary.total, told.summary.skipped, told.summary.exit_code) == (1, 3, 1, 0)


def test_the_next_batch_looks_for_its_numbers_anew(tenant: Tenant) -> None:
    assert len(tenant.run().calls) == 3
    tenant.renumber(B, "7777")
    tenant.renumber(D, "+55 11 4002-8922")
    tenant.routes[D] = replace(tenant.routes[D], mediatype_id=5)
    tenant.routes[A] = replace(tenant.routes[A], devicetype=3, device_id=3001)  # so that there is anything to do
    assert tenant.run().calls == {A: (3, 3015), D: (1, 101)}


@pytest.mark.parametrize("how", ["renamed", "taken", "unloaded"])
def test_a_name_that_means_something_else_stops_the_batch(tenant: Tenant, how: str) -> None:
    if how == "taken":
        tenant.manifest.write_text(TABLE.replace("Night#3015", "Night"))
    tenant.run(max_rows=1)
    if how == "renamed":
        tenant.flows[3015] = Flow(3015, "Night 2")
    elif how == "taken":
        tenant.flows[3015] = Flow(3015, "Old night")
        tenant.flows[3022] = Flow(3022, "Night")
    else:
        tenant.flows[3015] = Flow(3015, "Night", loaded=False)
    reason = {
        "renamed": "now no skill queue or IVR flow is called 'Night'",
        "taken": "and is ivr 3022 now",
        "unloaded": "now Night (ivr 3015) is not loaded",
    }[how]
    for told in (tenant.run(), tenant.plan()):
        assert not told.calls
        assert any("ivr 3015 when this batch was begun" in text and reason in text for text in told.faults)
        assert isinstance(told.error, ManifestError)
        assert ("--fresh" in told.error.hint) is (how == "taken")  # advised only where it helps
    assert tenant.query("SELECT count(*) FROM run") == [(1,)]
    if how == "taken":
        assert tenant.run(fresh=True).calls == {A: (3, 3022), B: (1, 101), C: (3, 3022)}


def test_the_export_is_a_manifest_by_id_that_carries_number_and_target(tenant: Tenant) -> None:
    tenant.run()
    text = io.StringIO()
    with Ledger(tenant.ledger).read() as reader:
        write_csv(reader.require_batch().export(), text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [row["accessCode"] for row in rows] == ["4008001234", "'+55 11 4002-8922", "6688"]
    assert [(row["extCode"], row["mediaType"], row["target"], row["before_target"]) for row in rows] == [
        ("2", "5", "Night", "Front"),
        ("", "5", "账单", "Front"),
        ("1", "5", "Night", "Day"),
    ]
    assert {(row["batch"], row["run"], row["wave"]) for row in rows} == {("1", "1", "")}
    tenant.manifest.write_text(text.getvalue())
    tenant.ledger.unlink()
    told = tenant.run(strict_numbers=True)
    assert told.error is None
    assert not [text for text in told.notices if text.startswith("warning")]
    tenant.renumber(A, "4008009999")
    assert "1 row names a number that is not that of their id" in "".join(tenant.run(fresh=True).notices)
    told = tenant.run(strict_numbers=True)
    assert told.faults == [
        f"2: 4008001234 ext 2 is not the number of id {A}: 4008009999 (id {A}, voice, ivr 3015 Night); correct the row"
    ]


def test_rows_of_a_program_may_be_by_number(tenant: Tenant) -> None:
    async def work(engine: Engine, told: Told) -> None:
        rows = [{"accessCode": "4008001234", "extCode": "2", "target": "Night"}]
        told.summary = await engine.run(rows, ledger=tenant.ledger)

    assert tenant._do(work, {}).calls == {A: (3, 3015)}
