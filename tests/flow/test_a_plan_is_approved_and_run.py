"""What is approved is what is run, through the command line: the file, its fingerprint, its service, its age."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bulkroute.manifest.open_plan import SavedPlan
from bulkroute.simulator import Flow, Route, Skill
from tests.crash.launcher import KILLS, Launcher
from tests.harness import Result, Service, Target, bulkroute, ids, serving, write_csv

WANTED: dict[str, Target] = dict.fromkeys(ids(6), (3, 3015))
BEFORE = (1, 101)
ROUTES = [Route(row_id, *BEFORE, access_code="4008001234", ext_code=str(place)) for place, row_id in enumerate(WANTED)]
PLACES: dict[str, Any] = {"skills": [Skill(101, "Billing"), Skill(102, "Sales")], "flows": [Flow(3015, "Night")]}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving(ROUTES, **PLACES) as service:
        yield service


Do = Callable[..., Result]
"""Runs a command in the folder of the plan; `answer` is typed at its terminal."""


@pytest.fixture
def do(launcher: Launcher, tmp_path: Path) -> Do:
    return lambda *words, answer="": launcher.run(*words, cwd=tmp_path, answer=answer).result


@pytest.fixture
def plan(service: Service, do: Do, tmp_path: Path) -> Path:
    """Save a plan of all routes, which lead to Billing."""
    service.rebind(dict.fromkeys(WANTED, BEFORE))
    write_csv(tmp_path / "night.csv", WANTED)
    made = do("plan", "night.csv", "-o", "night.plan", "--base-url", service.url)
    assert made.code == 0, made.err
    assert made.err.startswith("night.plan: 6 rows saved, fingerprint ")
    return tmp_path / "night.plan"


@pytest.fixture
def run(do: Do, service: Service, plan: Path) -> Do:
    """Run the plan."""
    to = ("--base-url", service.url, "--rate", "unlimited")
    return lambda *options, **more: do("run", plan.name, *to, *options, **more)


def fingerprint(plan: Path) -> str:
    with SavedPlan.open(plan) as saved:
        return saved.fingerprint


def test_an_approved_plan_is_run_resumed_done_and_undone(service: Service, plan: Path, run: Do, do: Do) -> None:
    print_ = fingerprint(plan)
    quoted = f"{print_[:4]} {print_[4:8]} {print_[8:12]}"
    approved = ("--approved", quoted.upper(), "--require-approval")
    first = run(*approved, "--max-rows", 2)
    assert first.code == 4, first.err
    assert f"plan {quoted}, made by " in first.err
    again = run(*approved, "--json")
    assert again.code == 0, again.err
    assert service.bindings == WANTED
    assert (again.summary["succeeded"], again.summary["plan"], again.summary["batch"]) == (6, print_, 1)
    calls = service.modified
    twice = run(*approved)
    assert twice.code == 0
    assert "all done: 6 of 6 rows done" in twice.err
    assert service.modified == calls
    status = do("status", "night.ledger.db")
    assert status.out.startswith(f"batch 1 in night.ledger.db, plan {quoted}\n")
    to = ("--base-url", service.url, "--rate", "unlimited")
    assert do("verify", "night.ledger.db", *to[:2]).code == 0
    assert do("rollback", "night.ledger.db", *to).code == 0
    assert set(service.bindings.values()) == {BEFORE}
    assert run(*approved).code == 0
    assert service.bindings == WANTED


def test_what_drifted_is_told_as_was_planned_and_is(service: Service, plan: Path, run: Do, do: Do) -> None:
    first, second, *others = WANTED
    service.rebind({first: (1, 102), second: WANTED[second]})
    stopped = run()
    assert stopped.code == 6
    assert (
        f"drifted: 4008001234 (id {first}): was Billing (skill_queue 101), planned Night (ivr 3015), is Sales (skill_queue 102)"
        in stopped.err.replace(" ext 0", "")
    )
    assert "1 row is no longer as planned, nothing was sent" in stopped.err
    assert not (plan.parent / "night.ledger.db").exists()
    assert service.bindings[others[0]] == BEFORE
    kept = run("--on-drift", "keep", "--json")
    assert kept.code == 1
    assert (kept.summary["failures"], kept.summary["drifted"]) == ({"drifted": 1}, 1)
    assert (kept.summary["succeeded"], kept.summary["unchanged"]) == (4, 1)
    assert service.bindings == {**WANTED, first: (1, 102)}
    found = do("export", "night.ledger.db", "--status", "failed", "--format", "jsonl")
    row = json.loads(found.out)
    assert (row["id"], row["error"], row["attempts"]) == (first, "drifted", 0)


def test_a_plan_other_than_approved_sends_nothing(service: Service, plan: Path, run: Do, do: Do) -> None:
    calls, text = service.modified, plan.read_text()
    refusals = [
        run("--approved", "3f9c a1b2 77d0"),
        run("--on-drift", "send"),
        run("--no-snapshot"),
        run("--plan-max-age", "0.01s", "--approved", fingerprint(plan)),
        run("--tenant", "eu"),
        run("--base-url", service.url.replace("127.0.0.1", "localhost")),
        run("--approved", fingerprint(plan)[:11]),
        run("--approved", ""),
        run("--expect", "7"),
        do("run", "night.csv", "--base-url", service.url, "--approved", "3f9ca1b277d0"),
    ]
    assert [each.code for each in refusals] == [65, 2, 2, 2, 2, 2, 2, 2, 65, 2], [each.err for each in refusals]
    for damaged in (
        text[:-80],
        text.replace("3015", "3016", 1),
        text.replace("\n", "\r\n"),
        f"{text}\n",
        (plan.parent / "night.csv").read_text(),
    ):
        plan.write_text(damaged, newline="")
        result = run()
        assert result.code == 65, result.err
        assert "nothing was sent" in result.err
    assert service.modified == calls
    assert not (plan.parent / "night.ledger.db").exists()


def test_a_guard_in_the_settings_file_lets_only_approved_plans_through(
    service: Service, plan: Path, run: Do, do: Do
) -> None:
    calls = service.modified
    (plan.parent / "bulkroute.toml").write_text("require-approval = true\n")
    to = ("--base-url", service.url, "--rate", "unlimited")
    by_hand = do("run", "night.csv", *to, "--yes")
    assert (by_hand.code, run("--yes").code) == (2, 2)
    assert "require-approval is set" in by_hand.err
    no_variable = bulkroute("run", "night.csv", *to, cwd=plan.parent, env={"BULKROUTE_REQUIRE_APPROVAL": "0"})
    assert no_variable.code == 2
    assert do("run", "night.csv", *to, answer="n\n").code == 4  # a person sits there, and is asked
    assert service.modified == calls
    assert do("run", "night.csv", "--simulate").code == 0
    assert run("--approved", fingerprint(plan)).code == 0
    assert service.modified == calls + 6


def test_a_plan_can_be_rehearsed_shown_and_checked_without_the_service(service: Service, plan: Path, do: Do) -> None:
    calls = service.modified
    rehearsed = do("run", "night.plan", "--simulate", "--json")
    assert rehearsed.code == 0, rehearsed.err
    assert (rehearsed.summary["succeeded"], rehearsed.summary["plan"]) == (6, fingerprint(plan))
    assert (plan.parent / "night.rehearsal.db").exists()
    shown = do("show", "night.plan", "--rows", "--json")
    found = json.loads(shown.out)
    assert found["fingerprint"] == fingerprint(plan)
    assert [row["before"]["name"] for row in found["rows"]] == ["Billing"] * 6
    assert [(pair["from"]["name"], pair["to"]["name"], pair["rows"]) for pair in found["pairs"]] == [
        ("Billing", "Night", 6)
    ]
    piped = bulkroute("show", "-", "--rows", cwd=plan.parent, stdin=plan.read_bytes())
    assert "        6 from Billing (skill_queue 101) to Night (ivr 3015)\n" in piped.out
    assert piped.out.count(": change: Billing (skill_queue 101) -> Night (ivr 3015)\n") == 6
    checked = do("check", "night.plan")
    assert checked.out.startswith("night.plan: 6 rows, no faults; plan ")
    assert service.modified == calls


def test_saving_replaces_nothing_that_must_stay(service: Service, plan: Path, do: Do) -> None:
    kept = plan.read_bytes()
    to = ("--base-url", service.url)
    for output, *options in (("night.plan",), ("night.csv", "--force"), ("other.csv",)):
        refused = do("plan", "night.csv", *to, "-o", output, *options)
        assert refused.code == 2, refused.err
    assert do("plan", "night.plan", *to).code == 2
    assert plan.read_bytes() == kept
    streamed = bulkroute("plan", "night.csv", *to, "-o", "/dev/stdout", cwd=plan.parent)
    assert "        6 to change\n" in streamed.err
    plan.write_text(streamed.out)
    assert len(fingerprint(plan)) == 64, "nothing else came that way"


@pytest.mark.parametrize("at", KILLS)
def test_a_killed_run_of_a_plan_is_gone_on_with(
    service: Service, plan: Path, launcher: Launcher, run: Do, at: str
) -> None:
    command = ("run", "night.plan", "--base-url", service.url, "--rate", "unlimited", "--concurrency", "2")
    calls = dict(service.simulator.calls_per_id)
    assert launcher.run(*command, cwd=plan.parent, at=at, nth=3).struck
    service.all_received()
    resumed = run("--json")
    assert resumed.code == 0, resumed.err
    assert (resumed.summary["succeeded"], resumed.summary["batch"]) == (6, 1)
    assert service.bindings == WANTED
    made = {row_id: count - calls.get(row_id, 0) for row_id, count in service.simulator.calls_per_id.items()}
    assert all(1 <= count <= 2 for count in made.values())


def test_the_waves_of_a_plan_are_those_that_are_sent(service: Service, plan: Path, run: Do, do: Do) -> None:
    to = ("--base-url", service.url)
    made = do("plan", "night.csv", *to, "--waves", "2,rest", "-o", "night.plan", "--force")
    assert "        2 in wave 1\n        4 in wave 2\n" in made.out
    first = run("--max-rows", "3", "--waves", "5,rest")
    assert first.code == 4, first.err
    assert "the plan says which row goes in which wave: 5,rest is left aside" in first.err
    second = run("--json")
    assert second.code == 0, second.err
    assert [(each["wave"], each["rows"], each["state"]) for each in second.summary["waves"]] == [
        (1, 2, "done"),
        (2, 4, "done"),
    ]
    (plan.parent / "waved.csv").write_text(f"id,devicetype,deviceId,wave\n{next(iter(WANTED))},1,102,1\n")
    twice = do("plan", "waved.csv", *to, "--waves", "1,rest")
    assert twice.code == 2
    assert "column `wave`" in twice.err
