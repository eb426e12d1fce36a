"""Hooks: who hears of what and in which order, and that nothing of it holds a run up or changes its end."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bulkroute.cec.clean_text import CleanText
from bulkroute.errors import CredentialsRefused, ExitCode, LedgerBusy, NotNow, StopKind, StoppedEarly
from bulkroute.events import RunEnded, RunStarted, Stopping, WaitBegan, WaitEnded
from bulkroute.ledger.remarks import Remark
from bulkroute.progress import Summary
from bulkroute.run import hooks as module
from bulkroute.run.hooks import Hooks
from bulkroute.settings import Settings
from tests.monitor import Monitor, monitoring

APPEND = "cat >> heard.jsonl"
SUMMARY = Summary("none.db", 1, 1, total=3, succeeded=3, unchanged=0, failed=0, pending=0, in_doubt=0, exit_code=0)


def started(run: int = 1) -> RunStarted:
    given: dict[str, Any] = dict.fromkeys(RunStarted._fields, 0)
    return RunStarted(**{**given, "run": run, "batch": 1})


class Told:
    """A run's hooks, and what they made known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notices: list[str] = []
        self.remarks: list[Remark] = []

    def hooks(self, **settings: Any) -> Hooks:
        chosen = Settings(base_url="http://127.0.0.1:1", **settings)
        return Hooks(
            chosen,
            CleanText(["hush-secret"]),
            self.folder / "none.db",
            on_notice=self.notices.append,
            keep=self.remarks.append,
        )

    @property
    def heard(self) -> list[dict[str, Any]]:
        file = self.folder / "heard.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def events(self) -> list[str]:
        return [each["event"] for each in self.heard]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.chdir(tmp_path)
    return Told(tmp_path)


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not happened():
            await asyncio.sleep(0.005)


async def test_what_is_heard_of_a_run(told: Told) -> None:
    async with told.hooks(on_event=APPEND, tenant="eu", note="CHG7") as hooks:
        await hooks.before_run()
        hooks.on_event(started())
        hooks.on_event(Stopping("--max-rows 3 is reached", 1))
        hooks.on_event(RunEnded(SUMMARY))
        hooks.on_event(Stopping("a signal, too late", 0))
    assert told.events == ["started", "stopped", "ended"]
    _first, second, last = told.heard
    assert second["reason"] == "--max-rows 3 is reached"
    assert (last["tenant"], last["note"], last["reason"]) == ("eu", "CHG7", None)
    assert last["ledger"] == str(told.folder / "none.db")
    assert (last["status"]["succeeded"], last["status"]["exit_code"]) == (3, 0)
    assert told.notices == []
    assert told.remarks == [], "a hook that has nothing to say leaves nothing"


async def test_a_gate_is_told_at_once_and_is_no_long_wait(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_AFTER_S", 0.0)
    async with told.hooks(on_event=APPEND) as hooks:
        hooks.on_event(WaitBegan("gate", "after wave 1 of 3", None, time.time()))
        await until(lambda: told.heard)
        hooks.on_event(RunEnded(SUMMARY))
    assert [(each["event"], each["reason"]) for each in told.heard] == [("gate", "after wave 1 of 3"), ("ended", None)]


async def test_only_a_long_wait_is_told(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_AFTER_S", 1.0)
    now = time.time()
    async with told.hooks(on_event=APPEND) as hooks:
        hooks.on_event(WaitBegan("throttled", "a short one", 5.0, now))
        hooks.on_event(WaitBegan("down", "a long one", None, now - 10))
        hooks.on_event(WaitEnded("throttled", "a short one", 0.1))
        await until(lambda: told.heard)
        hooks.on_event(WaitEnded("down", "a long one", 10))
        hooks.on_event(WaitBegan("paused", "until the end of the run", None, now))
        hooks.on_event(RunEnded(SUMMARY))
    assert [(each["event"], each["reason"]) for each in told.heard] == [("waiting", "a long one"), ("ended", None)]


async def test_they_are_heard_in_order(told: Told) -> None:
    async with told.hooks(on_event=f'test "$BULKROUTE_EVENT" = ended || sleep 0.1; {APPEND}') as hooks:
        hooks.on_event(started())
        hooks.on_event(RunEnded(SUMMARY))
    assert told.events == ["started", "ended"]


@pytest.mark.slow
async def test_one_that_hangs_holds_up_neither_the_next_nor_the_end(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_ORDER_S", 0.05)
    monkeypatch.setattr(module, "LAST_S", 0.6)
    monkeypatch.setattr(module, "SAID_AFTER_S", 0.01)
    async with told.hooks(on_event=f'test "$BULKROUTE_EVENT" = ended || sleep 600; {APPEND}') as hooks:
        hooks.on_event(started())
        hooks.on_event(RunEnded(SUMMARY))
    assert told.events == ["ended"]
    assert told.notices[:1] == ["waiting up to 1 s for hooks and pings to end"]


@pytest.mark.slow
async def test_one_that_hangs_at_the_end_is_killed_and_told(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_S", 1.0)
    async with told.hooks(on_event="echo here; sleep 600") as hooks:
        hooks.on_event(RunEnded(SUMMARY))
    assert told.notices == ["--on-event failed, which changes nothing of the run (not ended in time: here)"]


async def test_whoever_will_not_wait_cuts_them_off(told: Told) -> None:
    hooks = told.hooks(on_event="echo $$ > pid; sleep 600")
    assert not hooks.cut_short()

    async def run() -> str:
        async with hooks:
            hooks.on_event(RunEnded(SUMMARY))
        return "the end it had"

    running = asyncio.create_task(run())
    pid = told.folder / "pid"
    await until(lambda: pid.exists() and pid.read_text())
    assert hooks.cut_short()
    assert hooks.cut_short(), "and again, for whoever is still impatient"
    assert await running == "the end it had"
    assert told.notices == ["hooks and pings that were under way are cut off"]
    await until(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())


async def test_a_failing_one_is_told_once_and_kept_each_time(told: Told) -> None:
    async with told.hooks(on_event='echo "no $BULKROUTE_EVENT, hush-secret"; exit 7') as hooks:
        hooks.on_event(started())
        hooks.on_event(Stopping("enough", 0))
        await until(lambda: len(told.remarks) == 2)
        hooks.on_event(RunEnded(SUMMARY))
    assert told.notices == ["--on-event failed, which changes nothing of the run (exit code 7: no started, ***)"]
    assert [(each.kind, each.is_good, each.text) for each in told.remarks] == [
        ("hook", False, "--on-event (started): exit code 7: no started, ***"),
        ("hook", False, "--on-event (stopped): exit code 7: no stopped, ***"),
    ]


@pytest.mark.parametrize(
    ("error", "code", "stop"),
    [
        (CredentialsRefused("the service refuses the token"), 77, "credentials"),
        (asyncio.CancelledError(), 4, "signal"),
        (ZeroDivisionError(), 70, "bug"),
    ],
)
async def test_an_end_that_no_event_told_of_is_heard_too(
    told: Told, error: BaseException, code: int, stop: str
) -> None:
    async def run_into(error: BaseException, monitor: Monitor) -> None:
        async with told.hooks(on_event=APPEND, ping_url=monitor.url) as hooks:
            await hooks.before_run()
            await until(lambda: monitor.pings)
            raise error

    with monitoring() as monitor:
        with pytest.raises(type(error)):
            await run_into(error, monitor)
        assert monitor.paths[1:] == ["/5ae1-secret-uuid" + ("" if code == 4 else f"/{code}")]
        assert json.loads(monitor.pings[1].body)["stop"] == stop
    assert told.events == ["ended"]
    status = told.heard[0]["status"]
    assert (status["exit_code"], status["stop"], status["stopped"]) == (code, stop, told.heard[0]["reason"])


@pytest.mark.parametrize("error", [LedgerBusy("another run"), NotNow("not now")])
async def test_where_nothing_was_done_nobody_hears(told: Told, error: Exception) -> None:
    async def run_into(error: Exception, url: str) -> None:
        async with told.hooks(on_event=APPEND, ping_url=url):
            raise error

    with monitoring() as monitor:
        with pytest.raises(type(error)):
            await run_into(error, monitor.url)
        assert monitor.pings == []
    assert told.heard == []


async def test_a_start_that_nobody_heard_does_not_come_after_the_end(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monitoring() as monitor:
        monitor.let_go.clear()
        async with told.hooks(ping_url=monitor.url) as hooks:
            await hooks.before_run()
            await until(lambda: monitor.pings)
            hooks.on_event(RunEnded(SUMMARY))
            monitor.let_go.set()
        assert monitor.paths == ["/5ae1-secret-uuid/start", "/5ae1-secret-uuid"]
    assert told.notices == []


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        ("exit 75", NotNow, ExitCode.BUSY),
        ("exit 1", StoppedEarly, ExitCode.LIMIT),
        ("kill -9 $$", StoppedEarly, ExitCode.LIMIT),
        ("no-such-command", StoppedEarly, ExitCode.LIMIT),
    ],
)
async def test_before_run_says_no(told: Told, command: str, error: type[NotNow], code: ExitCode) -> None:
    with monitoring() as monitor:
        with pytest.raises(error) as raised:
            await told.hooks(before_run=command, ping_url=monitor.url).before_run()
        assert raised.value.exit_code is code
        assert raised.value.stop is (StopKind.BUSY if code is ExitCode.BUSY else StopKind.BEFORE_RUN)
        assert monitor.pings == []


async def test_before_run_says_go_and_hears_what_for(told: Told) -> None:
    hooks = told.hooks(before_run=f'echo "$BULKROUTE_EVENT $BULKROUTE_TENANT $BULKROUTE_NOTE"; {APPEND}', note="CHG7")
    await hooks.before_run()
    assert [(each["event"], each["note"], each["status"]) for each in told.heard] == [("before_run", "CHG7", None)]
    assert [(each.is_good, each.text) for each in told.remarks] == [
        (True, "--before-run: exit code 0: before_run CHG7")
    ]
