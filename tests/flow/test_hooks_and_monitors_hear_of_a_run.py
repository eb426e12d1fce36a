"""Hooks and pings through the real command line: who is asked, who is told, and that no secret goes with it."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bulkroute.simulator import Faults
from tests.flow.engine import spend_night
from tests.harness import bulkroute, ids, serving, started, targets, write_csv
from tests.monitor import monitoring

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("uncounted_commands")]

APPEND = "cat >> heard.jsonl"
UUID = "5ae1-secret-uuid"
SECRET = 'hush"secret\\of/the+night'
TOKEN = "eyJhbGciOi.hush-token-of-the-night_123"
DOOR = "hush-value-of-the-door"


def heard(folder: Path) -> list[dict[str, Any]]:
    file = folder / "heard.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for(happened: Callable[[], Any]) -> None:
    until_s = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until_s, "it did not happen within a minute"
        time.sleep(0.01)


def is_gone(pid: str) -> bool:
    return not Path(f"/proc/{pid.strip()}").exists()


def test_a_run_and_its_rollback_are_told_from_start_to_end(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(6)))
    with serving(ids(6)) as service, monitoring() as monitor:
        same = ("--base-url", service.url, "--json", "--on-event", APPEND, "--ping-url", monitor.url)
        run = bulkroute("run", "night.csv", *same, "--max-rows", 2, "--note", "CHG7", cwd=tmp_path)
        assert run.code == 4
        back = bulkroute("rollback", "night.ledger.db", *same, "--ping-ok", "4", cwd=tmp_path)
        assert back.code == 0
        assert monitor.paths == [f"/{UUID}{way}" for way in ("/start", "", "/start", "/0")]
        assert [json.loads(monitor.pings[place].body) for place in (1, 3)] == [run.summary, back.summary]
        missing = bulkroute("run", "none.csv", *same, cwd=tmp_path)
        assert missing.code == 65
        assert monitor.paths[4:] == [f"/{UUID}/65"], "it never began, and that is what a monitor has to hear"
    told = heard(tmp_path)
    assert [each["event"] for each in told] == ["started", "stopped", "ended", "started", "ended", "ended"]
    assert [each["note"] for each in told] == ["CHG7"] * 3 + [None] * 3
    assert [each["status"]["batch"] for each in told] == [1, 1, 1, 2, 2, None]
    assert told[0]["status"]["pending"] >= 4, "the run goes on while its ledger is looked at"
    assert (told[0]["status"]["exit_code"], told[0]["reason"]) == (None, None)
    assert told[1]["reason"] == told[2]["reason"] == "--max-rows 2 is reached"
    assert [told[2]["status"], told[4]["status"]] == [run.summary, back.summary]
    assert told[5]["status"]["stop"] == "manifest"
    shown = [*(each.err for each in (run, back, missing)), json.dumps(told)]
    assert not any(UUID in text for text in shown), "whoever knows the address can silence the alarm"
    assert not any(UUID.encode() in file.read_bytes() for file in tmp_path.iterdir() if file.name != "heard.jsonl")


def test_before_run_decides(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(3)) as service, monitoring() as monitor:
        same = ("run", "night.csv", "--base-url", service.url, "--on-event", APPEND, "--ping-url", monitor.url)
        not_now = bulkroute(
            *same, "--before-run", "echo in an hour; exit 75", "--quiet", "--log-file", "log", cwd=tmp_path
        )
        assert (not_now.code, not_now.out, not_now.err) == (75, "", "")
        assert "not now, says --before-run (exit code 75: in an hour)" in (tmp_path / "log").read_text()
        assert (heard(tmp_path), monitor.pings, service.simulator.calls) == ([], [], [])
        no = bulkroute(*same, "--before-run", "echo no ticket; exit 1", "--json", cwd=tmp_path)
        assert (no.code, no.summary["stop"], no.summary["batch"]) == (3, "before_run", None)
        assert "nothing was sent: --before-run did not say go (exit code 1: no ticket)" in no.err
        assert [(each["event"], each["status"]["exit_code"]) for each in heard(tmp_path)] == [("ended", 3)]
        assert monitor.paths == [f"/{UUID}/3"]
        assert service.simulator.calls == [], "not even a token was fetched"
        assert not list(tmp_path.glob("*.db"))
        # The ledger is held while it is asked: another run would have to wait.
        held = "BULKROUTE_TOKEN=x $PYTHON -m bulkroute run night.csv --base-url $URL --yes"
        other = {"PYTHON": sys.executable, "URL": service.url}
        go = bulkroute(
            *same, "--before-run", f"{held}; test $? = 75 && {APPEND}", "--note", "CHG7", cwd=tmp_path, env=other
        )
        assert go.code == 0, go.err
        assert [(each["event"], each["note"]) for each in heard(tmp_path)[1:2]] == [("before_run", "CHG7")]
        assert service.modified == 3
        assert bulkroute("report", "night.ledger.db", "-o", "page.html", cwd=tmp_path).code == 0
        assert "--before-run: exit code 0: " in (tmp_path / "page.html").read_text(), "what it said is kept"


@pytest.mark.parametrize(
    "credentials",
    [
        {"BULKROUTE_APP_KEY": "night-key", "BULKROUTE_APP_SECRET": SECRET},
        {"BULKROUTE_TOKEN": TOKEN, "BULKROUTE_APP_KEY": "", "BULKROUTE_APP_SECRET": ""},
    ],
    ids=["a pair of keys", "a token"],
)
def test_no_secret_goes_to_a_hook_nor_comes_back_from_it(tmp_path: Path, credentials: dict[str, str]) -> None:
    secrets = {credentials.get("BULKROUTE_APP_SECRET") or TOKEN, DOOR}
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "known").write_text("\n".join(secrets))
    hook = (
        "d=spy/$BULKROUTE_EVENT; mkdir $d; env > $d/env; cat > $d/stdin; tr '\\0' ' ' < /proc/$$/cmdline > $d/args;"
        " cat spy/known; sed 's/\"/\\\\\"/g' spy/known"
    )
    extra = {
        "BULKROUTE_HEADER": f"X-Door: {DOOR}",
        "CI_PASSWORD": f"a{SECRET}b {TOKEN}",
        "CI_URL": f"https://{quote(SECRET, safe='')}@{quote(TOKEN)}.example.com/{DOOR}",
        "INNOCENT": "kept",
    }
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(3), app_key="night-key", app_secret=SECRET, static_token=TOKEN) as service:
        run = bulkroute(
            *("run", "night.csv", "--base-url", service.url, "--json", "--log-file", "log"),
            *("--before-run", hook, "--on-event", f"{hook}; exit 9"),
            cwd=tmp_path,
            env={**credentials, **extra},
        )
    assert run.code == 0, run.err
    assert bulkroute("report", "night.ledger.db", "-o", "page.html", cwd=tmp_path).code == 0
    given = [path for path in (tmp_path / "spy").rglob("*") if path.is_file() and path.name != "known"]
    assert len(given) == 9, "three calls: before the run, at its start and at its end"
    environments = [path.read_text() for path in given if path.name == "env"]
    assert all("INNOCENT=kept" in text and "BULKROUTE_EVENT=" in text for text in environments)
    assert not any("BULKROUTE_APP" in text or "BULKROUTE_TOKEN" in text for text in environments)
    written = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {"log", "page.html", "night.ledger.db"} <= {path.name for path in written}
    assert "***" in (tmp_path / "page.html").read_text(), "what it printed never arrived: this test shows nothing"
    spellings = [way for one in secrets for way in (one, json.dumps(one)[1:-1], quote(one, safe=""))]
    found = [(path.name, way) for path in (*given, *written) for way in spellings if way.encode() in path.read_bytes()]
    assert not found
    assert not [way for way in spellings if way in run.out + run.err]


def test_a_signal_cuts_hooks_off_and_leaves_the_exit_code(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    hook = "echo $$ > $BULKROUTE_EVENT.new; mv $BULKROUTE_EVENT.new $BULKROUTE_EVENT.pid; sleep 600"
    with serving(ids(3)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--log-file", "log", "--before-run")
        with started(*run, hook, cwd=tmp_path) as process:
            wait_for(lambda: (tmp_path / "before_run.pid").exists())
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 4
            assert b"interrupted by SIGINT; nothing was sent" in process.communicate()[1]
        assert service.modified == 0
        with started(*run, "true", "--on-event", hook, cwd=tmp_path) as process:
            wait_for(lambda: "waiting up to" in (tmp_path / "log").read_text())
            assert bulkroute("status", "night.ledger.db", cwd=tmp_path).code == 0, "its end is known already"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, "the rows are done"
            assert b"hooks and pings that were under way are cut off" in process.communicate()[1]
    pids = [file.read_text() for file in tmp_path.glob("*.pid")]
    assert pids
    wait_for(lambda: all(map(is_gone, pids)))


def test_a_monitor_and_a_hook_that_fail_change_nothing(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(3)) as service, monitoring() as monitor:
        monitor.statuses = [500] * 10
        run = bulkroute(
            *(
                "run",
                "night.csv",
                "--base-url",
                service.url,
                "--ping-url",
                monitor.url,
                "--on-event",
                "echo no; exit 9",
            ),
            cwd=tmp_path,
        )
        assert run.code == 0
        assert monitor.paths.count(f"/{UUID}") == 3, "it was tried again"
        assert service.modified == 3
    assert (
        run.err.count("--ping-url failed, which changes nothing of the run (a ping failed: the answer was HTTP 500)")
        == 1
    )
    assert run.err.count("--on-event failed, which changes nothing of the run (exit code 9: no)") == 1
    assert bulkroute("report", "night.ledger.db", "-o", "page.html", cwd=tmp_path).code == 0
    for kept in (
        "--on-event (started): exit code 9: no",
        "--on-event (ended): exit code 9: no",
        "the answer was HTTP 500",
    ):
        assert kept in (tmp_path / "page.html").read_text()


def test_a_rehearsal_leaves_out_what_the_settings_file_says(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with monitoring() as monitor:
        lines = ('before-run = "touch of-the-file"', f'ping-url = "{monitor.url}"', "ping-ok = 0")
        (tmp_path / "bulkroute.toml").write_text("\n".join(lines))
        run = bulkroute("run", "night.csv", "--simulate", "--on-event", "touch by-hand", cwd=tmp_path)
        assert run.code == 0, run.err
        assert monitor.pings == []
    assert "a rehearsal leaves out what the settings file says of --before-run, --ping-url" in run.err
    assert (tmp_path / "by-hand").exists()
    assert not (tmp_path / "of-the-file").exists()


def test_a_long_wait_is_told_while_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    night = spend_night(tmp_path, targets(ids(60)), Faults(outages=("1s+150s:503",)), on_event=APPEND)
    assert night.summary.exit_code == 0
    told = heard(tmp_path)
    assert [each["event"] for each in told] == ["started", "waiting", "ended"]
    assert "503" in told[1]["reason"]
    assert told[1]["status"]["pending"] > 0
    short = spend_night(tmp_path, targets(ids(60)), Faults(outages=("1s+20s:503",)), on_event=APPEND, fresh=True)
    assert short.summary.exit_code == 0
    assert [each["event"] for each in heard(tmp_path)[3:]] == ["started", "ended"]
