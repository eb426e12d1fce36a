"""No wave begins whose gates did not say go: proven by what was called, whatever the gates do."""

import asyncio
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulkroute.engine import Engine
from bulkroute.errors import StopKind, UsageError
from bulkroute.events import Event, Notice, WaitBegan, WaitEnded, WaveStarted
from bulkroute.ledger.gates import GateAnswer, GateKind
from bulkroute.ledger.ledger import Ledger
from bulkroute.settings import parse_waves
from bulkroute.simulator import Faults, Flow, Simulator
from tests.flow.engine import KEY_PAIR, Told, spend_nights
from tests.harness import Result, Target, bulkroute, ids, serving, started, targets, write_csv

WANTED = targets(ids(12))
SIZES = [2, 3, 7]


def gated(**settings: Any) -> dict[str, Any]:
    return {"waves": parse_waves("2,3,rest"), **settings}


def states(night: Told) -> list[str]:
    return [wave.state for wave in night.summary.waves]


def answers(folder: Path) -> dict[tuple[int, str], str]:
    with Ledger(folder / "night.ledger.db").read() as ledger:
        return {(gate.wave, gate.gate): gate.answer for gate in ledger.require_batch().gates()}


def script(folder: Path, body: str) -> str:
    """Return a command that runs Python; `again(n)` in it is true for its first n calls."""
    file = folder / "gate.py"
    file.write_text(
        "import csv, json, os, pathlib, sys\n"
        f"FOLDER = pathlib.Path({str(folder)!r})\n"
        "def again(most):\n"
        "    count = FOLDER / 'asked'\n"
        "    asked = int(count.read_text()) if count.exists() else 0\n"
        "    count.write_text(str(asked + 1))\n"
        "    return asked < most\n" + body
    )
    return shlex.join([sys.executable, str(file)])


def person(*words: Callable[[Engine], None]) -> Any:
    """Return who says these things, each a minute after a gate has begun to wait."""

    async def at_the_desk(engine: Engine, _simulator: Simulator, events: list[Event]) -> None:
        for number, say in enumerate(words, 1):
            while sum(isinstance(event, WaitBegan) and event.cause == "gate" for event in events) < number:
                await asyncio.sleep(1)
            await asyncio.sleep(60)
            say(engine)

    return at_the_desk


def go(engine: Engine) -> None:
    assert engine.current
    engine.current.go()


def no_go(engine: Engine) -> None:
    assert engine.current
    engine.current.no_go("the line was dead")


def test_a_person_lets_each_wave_begin(tmp_path: Path) -> None:
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_hold=True), meanwhile=person(go, go))
    assert night.summary.exit_code == 0
    assert night.steps == SIZES
    assert 120 < night.virtual_s < 135
    waits = [event for event in night.events if isinstance(event, WaitBegan | WaitEnded) and event.cause == "gate"]
    assert [type(event) for event in waits] == [WaitBegan, WaitEnded] * 2, "no gate after the last wave"
    assert f"after wave 1 of 3: waiting for `bulkroute ctl {tmp_path}/night.ledger.db go` or no-go" in waits[0].reason
    assert isinstance(waits[1], WaitEnded)
    assert waits[1].outcome == "wave 1 of 3: go"


def test_a_persons_no_ends_it_and_the_same_command_asks_again(tmp_path: Path) -> None:
    night, again = spend_nights(tmp_path, WANTED, *[gated(gate_hold=True)] * 2, meanwhile=person(no_go))
    assert (night.summary.exit_code, night.summary.stop) == (3, StopKind.GATE)
    assert "no go after wave 1 of 3: the line was dead" in str(night.summary.stopped)
    assert (len(night.called), states(night)) == (2, ["no_go", "waiting", "waiting"])
    assert (again.called, states(again)) == ([], ["no_go", "waiting", "waiting"])
    (then,) = spend_nights_on(tmp_path, gated(gate_hold=True), person(go, go))
    assert then == ["done"] * 3


def spend_nights_on(folder: Path, options: dict[str, Any], meanwhile: Any) -> list[list[str]]:
    """Go on with a ledger at another service."""
    (night,) = spend_nights(folder, WANTED, {**options, "service_moved": True}, meanwhile=meanwhile)
    return [states(night)]


def test_a_no_counts_whatever_the_other_gates_say(tmp_path: Path) -> None:
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_wait_s=3600), meanwhile=person(no_go))
    assert night.summary.stop is StopKind.GATE
    assert len(night.called) == 2
    assert answers(tmp_path) == {(1, GateKind.WAIT): GateAnswer.WAITING, (1, GateKind.HOLD): GateAnswer.NO_GO}


def test_a_time_has_to_pass_and_no_token_is_fetched_for_it(tmp_path: Path) -> None:
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_wait_s=7200), faults=Faults(token_life_s=600))
    assert night.summary.exit_code == 0
    assert night.steps == SIZES
    assert 14_400 < night.virtual_s < 14_500
    assert night.tokens <= 3, "one for each wave, none while nothing is sent"


def test_silence_until_the_time_out_is_a_no(tmp_path: Path) -> None:
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_hold=True, gate_wait_s=60, gate_timeout_s=900))
    assert night.summary.stop is StopKind.GATE
    assert "no go within --gate-timeout (900 s), still waiting for `bulkroute ctl " in str(night.summary.stopped)
    assert 900 < night.virtual_s < 910
    assert answers(tmp_path)[1, GateKind.WAIT] == GateAnswer.GO, "the time was over long before"
    assert len(night.called) == 2


def test_all_gates_must_say_go_and_each_is_asked_until_it_has(tmp_path: Path) -> None:
    command = script(tmp_path, "print('agents are not logged in'); sys.exit(75 if again(2) else 0)")
    options = gated(gate_command=command, gate_hold=True, gate_interval_s=300)
    (night,) = spend_nights(tmp_path, WANTED, options, meanwhile=person(go, go))
    assert night.summary.exit_code == 0
    assert (tmp_path / "asked").read_text() == "4", "75, 75, 0 after the first wave; 0 after the second"
    assert 660 < night.virtual_s < 670
    assert night.steps == SIZES


def test_a_command_says_no_and_its_last_lines_are_kept(tmp_path: Path) -> None:
    command = script(
        tmp_path, "print('dialled 4008001234'); print('rang'); print('reached Day, not Night'); sys.exit(1)"
    )
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_command=command, gate_hold=True))
    assert night.summary.stop is StopKind.GATE
    assert "--gate-command: exit code 1: dialled 4008001234 ... reached Day, not Night" in str(night.summary.stopped)
    assert len(night.called) == 2
    with Ledger(tmp_path / "night.ledger.db").read() as ledger:
        (gate, _hold) = ledger.require_batch().gates()
    assert gate.words == "--gate-command: exit code 1: dialled 4008001234\nrang\nreached Day, not Night"


SEEN = """
seen = {name: value for name, value in os.environ.items() if name.startswith("BULKROUTE_")}
sheet = pathlib.Path(seen["BULKROUTE_TEST_CALLS"])
found = {
    "seen": seen,
    "everything": [*os.environ.values(), *sys.argv],
    "status": json.load(sys.stdin),
    "mode": sheet.stat().st_mode & 0o777,
    "lines": list(csv.DictReader(sheet.open(encoding="utf-8"))),
}
(FOLDER / f"told-{seen['BULKROUTE_WAVE']}.json").write_text(json.dumps(found))
"""


def test_the_command_is_told_how_it_stands_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KEY_PAIR.app_secret
    secret = KEY_PAIR.app_secret.reveal()
    monkeypatch.setenv("BULKROUTE_APP_SECRET", secret)
    monkeypatch.setenv("ALSO", f"Bearer {secret}")
    command = script(tmp_path, SEEN)
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_command=command))
    assert night.summary.exit_code == 0
    first, second = (json.loads((tmp_path / f"told-{wave}.json").read_text()) for wave in (1, 2))
    told = {name.removeprefix("BULKROUTE_"): value for name, value in first["seen"].items()}
    sheet = Path(told.pop("TEST_CALLS"))
    assert len(told.pop("HOOK")) == 16
    assert told == {
        "WAVE": "1",
        "WAVES": "3",
        "LEDGER": str(tmp_path / "night.ledger.db"),
        "DONE": "2",
        "FAILED": "0",
    }
    assert second["seen"]["BULKROUTE_DONE"] == "5"
    assert first["status"]["waves"][0] == {"wave": 1, "rows": 2, "done": 2, "failed": 0, "state": "gate"}
    assert not any(secret in text for text in first["everything"])
    assert first["mode"] == 0o600
    assert not sheet.exists()
    assert not sheet.parent.exists()
    sent = night.called[:2]
    assert [line["id"] for line in first["lines"]] == sent, "two pairs, a line each"
    assert list(first["lines"][0]) == ["number", "should_reach", "reached_before", "id"]
    reached = {line["id"]: line["should_reach"] for line in first["lines"]}
    for row_id in sent:
        kind, number = WANTED[row_id]
        assert f"{ {1: 'skill_queue', 3: 'ivr'}[kind] } {number}" in reached[row_id]
    assert all(line["number"].strip("+").isdigit() and line["reached_before"] for line in first["lines"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "import time; time.sleep(60)",
        "os.kill(os.getpid(), 11)",
        "import subprocess; subprocess.Popen(['sleep', '60']); sys.exit(1)",
        "while True: print('x' * 10000)",
        "os.close(0); sys.exit(3)",
    ],
    ids=["hangs", "dies", "forks", "prints", "reads nothing"],
)
def test_whatever_the_command_does_costs_its_time_out_at_most_and_is_a_no(tmp_path: Path, body: str) -> None:
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_command=script(tmp_path, body), gate_timeout_s=2))
    assert night.summary.stop is StopKind.GATE
    assert len(night.called) == 2


@pytest.mark.parametrize("how", ["stop", "window", "abort"])
def test_whatever_ends_the_run_ends_the_waiting(tmp_path: Path, how: str) -> None:
    async def end_it(engine: Engine, _simulator: Simulator, events: list[Event]) -> None:
        while not any(isinstance(event, WaitBegan) for event in events):
            await asyncio.sleep(0.05)
        if engine.current and how != "window":
            engine.current.stop(StopKind.SIGNAL, "SIGTERM") if how == "stop" else engine.current.abort()

    window = {"max_duration_s": 100.0} if how == "window" else {}
    (night,) = spend_nights(tmp_path, WANTED, gated(gate_hold=True, **window), meanwhile=end_it)
    assert night.summary.exit_code == 4
    assert night.summary.stop is (StopKind.WINDOW if how == "window" else StopKind.SIGNAL)
    assert (len(night.called), states(night)) == (2, ["gate", "waiting", "waiting"])
    assert night.virtual_s < 110


def test_a_run_that_goes_on_does_not_ask_what_was_answered(tmp_path: Path) -> None:
    command = script(tmp_path, "sys.exit(75 if again(3) else 0)")
    options = gated(gate_command=command, gate_hold=True, gate_interval_s=100)

    async def go_and_stop(engine: Engine, _simulator: Simulator, events: list[Event]) -> None:
        while not any(isinstance(event, WaitBegan) for event in events):
            await asyncio.sleep(0.05)
        assert engine.current
        await asyncio.sleep(50)
        if "db go" in str(engine.current.progress().reason):
            engine.current.go()
            await asyncio.sleep(100)
            engine.current.stop(StopKind.CTL, "that is all for today")

    first, second = spend_nights(tmp_path, WANTED, options, {**options, "max_rows": 3}, meanwhile=go_and_stop)
    assert (states(first), len(first.called)) == (["gate", "waiting", "waiting"], 2)
    assert (tmp_path / "asked").read_text() == "4", "75 and 75; then 75 and 0"
    waits = [event.reason for event in second.events if isinstance(event, WaitBegan)]
    assert waits == ["after wave 1 of 3: waiting for --gate-command"], "the person's go counts still"
    assert states(second) == ["done", "reading", "waiting"]
    assert second.steps == [3]


def test_a_pause_while_gates_are_asked_outlasts_them(tmp_path: Path) -> None:
    async def pause(engine: Engine, simulator: Simulator, events: list[Event]) -> None:
        while not any(isinstance(event, WaitBegan) for event in events):
            await asyncio.sleep(0.05)
        assert engine.current
        assert engine.current.progress().state == "gate"
        engine.current.pause("a look")
        await asyncio.sleep(600)
        assert engine.current.progress().state == "paused"
        assert len(simulator.calls_per_id) == 2
        engine.current.set_rate(100)
        engine.current.resume()

    (night,) = spend_nights(tmp_path, WANTED, gated(gate_wait_s=60), meanwhile=pause)
    assert night.summary.exit_code == 0
    assert 600 < night.virtual_s < 700


def test_targets_are_looked_up_once_more_after_the_go(tmp_path: Path) -> None:
    wanted: dict[str, Target] = dict.fromkeys(WANTED, (3, 201))

    def offline(engine: Engine) -> None:
        assert isinstance(simulators[0].tenant.flows, dict)
        simulators[0].tenant.flows[201] = Flow(201, "Night", loaded=False)
        go(engine)

    simulators: list[Simulator] = []

    async def at_the_desk(engine: Engine, simulator: Simulator, events: list[Event]) -> None:
        simulators.append(simulator)
        await person(offline)(engine, simulator, events)

    (night,) = spend_nights(tmp_path, wanted, gated(gate_hold=True, strict_targets=True), meanwhile=at_the_desk)
    assert (night.summary.exit_code, night.summary.stop) == (3, StopKind.TARGETS)
    assert len(night.called) == 2
    assert str(night.summary.stopped) == "wave 2 of 3 was not begun: Night (ivr 201) is not loaded: 3 rows lead there"
    assert states(night) == ["done", "waiting", "waiting"], "the go is kept"


def test_what_nobody_waits_for_cannot_be_said(tmp_path: Path) -> None:
    async def try_it(engine: Engine, _simulator: Simulator, events: list[Event]) -> None:
        while not any(isinstance(event, WaveStarted) for event in events):
            await asyncio.sleep(0.01)
        with pytest.raises(ValueError, match="no wave is held"):
            go(engine)
        with pytest.raises(ValueError, match="no gate is asked"):
            no_go(engine)
        while not any(isinstance(event, WaitBegan) for event in events):
            await asyncio.sleep(0.05)
        with pytest.raises(ValueError, match="no wave is held"):
            go(engine)
        tried.append(True)

    tried: list[bool] = []
    spend_nights(tmp_path, WANTED, gated(gate_wait_s=60), meanwhile=try_it)
    assert tried


def test_gates_without_waves_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gates are asked between waves, and this batch has none"):
        spend_nights(tmp_path, WANTED, {"gate_hold": True})
    (night,) = spend_nights(tmp_path, WANTED, {"gate_hold": True, "waves": parse_waves("100%")})
    assert night.summary.exit_code == 0, "a single wave has no gate after it"
    assert not any(isinstance(event, Notice) and "gate" in event.text for event in night.events)


@pytest.mark.slow
def test_a_hold_is_answered_by_ctl_and_a_signal_ends_a_command_that_hangs(tmp_path: Path) -> None:
    write_csv(tmp_path / "m.csv", WANTED)
    with serving(WANTED) as service:
        words = ("run", "m.csv", "--base-url", service.url, "--rate", "unlimited", "--waves", "2,3,rest", "--gate-hold")
        alone = bulkroute(*words, cwd=tmp_path)
        assert (alone.code, service.modified) == (2, 0)
        assert "--gate-timeout" in alone.err
        assert not (tmp_path / "m.ledger.db").exists()
        command = "touch asked; exec sleep 600"
        with started(*words, "--gate-timeout", "1h", "--json", cwd=tmp_path) as process:
            assert ctl(tmp_path, process, "no-go").code == 2, "without a reason"
            while (held := json.loads(ctl(tmp_path, process, "status", "--json").out or "{}")).get("state") != "gate":
                assert process.poll() is None
            assert held["reason"].startswith("after wave 1 of 3: waiting for `bulkroute ctl m.ledger.db go`")
            assert held["since"]
            assert held["until"]
            assert service.modified == 2
            went = ctl(tmp_path, process, "go", "--json")
            assert (went.code, "go, says the operator" in json.loads(went.out)["reason"]) == (0, True), went.out
            while service.modified < 5:
                assert process.poll() is None
            while ctl(tmp_path, process, "no-go", "line 4008001234 is dead").code:
                assert process.poll() is None
            out, err = process.communicate(timeout=30)
        assert process.returncode == 3, err
        assert json.loads(out)["stop"] == "gate"
        assert "no go after wave 2 of 3: line 4008001234 is dead" in err.decode()
        with started(*words[:-1], "--gate-command", command, "--json", cwd=tmp_path) as process:
            while not (tmp_path / "asked").exists():
                assert process.poll() is None
                time.sleep(0.02)
            process.terminate()
            out, err = process.communicate(timeout=30)
        assert process.returncode == 4, err
        assert service.modified == 5
        assert [wave["state"] for wave in json.loads(out)["waves"]] == ["done", "gate", "waiting"]


def ctl(folder: Path, process: "subprocess.Popen[bytes]", *words: str) -> Result:
    """Say something to a run, as soon as it is there."""
    while (told := bulkroute("ctl", "m.ledger.db", *words, cwd=folder)).code == 69:
        assert process.poll() is None
    return told
