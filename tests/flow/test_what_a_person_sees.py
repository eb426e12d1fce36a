"""What a person sees: on a terminal, in a mail from cron, in a log that a machine reads."""

import json
import os
import pty
import re
import shlex
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bulkroute.ledger import lock
from bulkroute.simulator import Faults
from tests.harness import bulkroute, command, environment, ids, serving, targets, write_csv

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
"""How every output for machines writes a moment."""
ESCAPE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
COLOURFUL = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor", "CLICOLOR_FORCE": "1"}
FAST = ("--yes", "--no-snapshot", "--rate", "unlimited", "--max-consecutive-failures", "1000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "a night.csv", targets(ids(300)))
    return tmp_path


@pytest.mark.slow
def test_no_escape_code_or_carriage_return_without_a_terminal(folder: Path) -> None:
    with serving(ids(300), Faults(business_ids=0.1, throttle=200, retry_after="seconds")) as service:
        for quiet in ((), ("--quiet",)):
            words = ("run", "a night.csv", "--base-url", service.url, *FAST, *quiet)
            result = bulkroute(*words, cwd=folder, env=COLOURFUL)
            assert result.code == 1
            assert not ESCAPE.search(result.err + result.out)
    for words in (("status", "a night.ledger.db"), ("export", "a night.ledger.db"), ("run", "none.csv"), ("--help",)):
        result = bulkroute(*words, cwd=folder, env=COLOURFUL)
        assert not ESCAPE.search(result.err + result.out.replace("\r\n", "\n"))


def test_the_closing_message_names_commands_that_work(folder: Path) -> None:
    with serving(ids(300), Faults(business_ids=0.1)) as service:
        words = ("run", "a night.csv", "--base-url", service.url, *FAST, "--fresh")
        result = bulkroute(*words, cwd=folder)
        failed = service.simulator.faults_met["business_ids"]
        assert result.code == 1
        assert "failed: business" in result.err
        assert "the called route is in use" in result.err
        closing = re.search(r"^ended: (\d+) of 300 rows done, (\d+) failed, 0 left", result.err, re.MULTILINE)
        assert closing
        assert int(closing[2]) == 300 - int(closing[1]) == failed
        advice = dict(re.findall(r"^to ([^:]+): +bulkroute (.+)$", result.err, re.MULTILINE))
        assert bulkroute(*shlex.split(advice["see the failed rows"]), cwd=folder).code == 0
        assert len((folder / "failed.csv").read_text().splitlines()) == failed + 1
        again = bulkroute(*shlex.split(advice["try them again"]), cwd=folder)
        # Only the failed ones are sent again, though --fresh was given before.
        assert again.code == 1
        assert service.modified == 300 + failed


@pytest.mark.slow
def test_quiet_is_silent_unless_a_person_must_act(folder: Path) -> None:
    with serving(ids(300)) as service:
        words = ("run", "a night.csv", "--base-url", service.url, *FAST, "--quiet")
        done = bulkroute(*words, cwd=folder)
        assert (done.code, done.out, done.err) == (0, "", "")
    with serving(ids(300), Faults(business_ids=0.1)) as service:
        failed = bulkroute(*words[:2], "--base-url", service.url, *FAST, "--quiet", "--fresh", cwd=folder)
        assert failed.code == 1
        assert "to try them again:" in failed.err


@pytest.mark.parametrize("given", ["flag", "environment", "file"])
@pytest.mark.slow
def test_json_lines_only(folder: Path, given: str) -> None:
    flag = ("--log-format", "json") if given == "flag" else ()
    env = {"BULKROUTE_LOG_FORMAT": "json"} if given == "environment" else {}
    if given == "file":
        (folder / "bulkroute.toml").write_text('log-format = "json"\n')
    write_csv(folder / "faulty.csv", {"12 34": (1, 1), "ok": (7, 1)})
    with serving(ids(300), Faults(business_ids=0.1, throttle=200)) as service:
        address = ("--base-url", service.url)
        seen = set()
        for words, code in (
            (("run", "a night.csv", *address, *FAST, "--max-duration", "1h"), 1),
            (("run", "faulty.csv", *address), 65),
            (("run", "none.csv", *address), 65),
            (("run", "a night.csv"), 2),
            (("run", "a night.csv", "--base-url", "http://example.com"), 2),
        ):
            result = bulkroute(*words, *flag, cwd=folder, env=env)
            assert result.code == code, result.err
            records = [json.loads(line) for line in result.err.splitlines()]
            assert records
            assert all(re.fullmatch(MOMENT, record["ts"]) for record in records)
            seen |= {record["event"] for record in records}
            ends = [record["ends_at"] for record in records if record["event"] == "run_started"]
            assert all(re.fullmatch(MOMENT, at) and datetime.fromisoformat(at) > datetime.now(UTC) for at in ends)
    assert seen == {
        *("run_started", "row_failed", "wait_began", "wait_ended", "rate_changed", "run_ended", "failure_group"),
        *("closing", "manifest_fault", "error"),
    }


@pytest.mark.slow
def test_exports_and_the_lock_write_moments_as_the_log_does(folder: Path) -> None:
    with serving(ids(300), Faults(business_ids=0.1)) as service:
        bulkroute("run", "a night.csv", "--base-url", service.url, *FAST, cwd=folder)
    rows = bulkroute("export", "a night.ledger.db", "--format", "jsonl", cwd=folder).out.splitlines()
    assert len(rows) == 300
    assert all(MOMENT.fullmatch(json.loads(row)["finished_at"]) for row in rows)
    with lock.hold(folder / "a night.ledger.db"):
        busy = bulkroute("run", "a night.csv", "--base-url", service.url, *FAST, cwd=folder)
    assert busy.code == 75
    assert re.search(rf"since {MOMENT.pattern}\)", busy.err)


def at_terminal(words: tuple[str, ...], folder: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Run a command whose stderr is a terminal; return its exit code and what the terminal got."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*words), cwd=folder, env=environment(env), stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:
            pass  # the other side has closed
        finally:
            os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.slow
def test_progress_is_drawn_on_a_terminal(folder: Path) -> None:
    with serving(ids(300), Faults(latency_ms=20)) as service:
        words = ("run", "a night.csv", "--base-url", service.url, "--yes", "--no-snapshot", "--rate", "100")
        code, shown = at_terminal(words, folder, {"TERM": "xterm", "COLUMNS": "80"})
        assert code == 0
        assert "\x1b[" in shown
        assert re.search(r"\d+ / 300", shown)
        assert "in flight" in shown
        assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1, "the cursor is not given back"
        assert "all done: 300 of 300 rows done" in shown


def test_a_dumb_terminal_gets_plain_lines(folder: Path) -> None:
    with serving(ids(300)) as service:
        words = ("run", "a night.csv", "--base-url", service.url, *FAST)
        code, shown = at_terminal(words, folder, {"TERM": "dumb"})
        assert code == 0
        assert not ESCAPE.search(shown.replace("\r\n", "\n"))


@pytest.mark.slow
def test_metrics_are_kept(folder: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    with serving(ids(300), Faults(business_ids=0.1)) as service:
        words = ("run", "a night.csv", "--base-url", service.url, *FAST, "--metrics-file", "night.prom")
        assert bulkroute(*words, cwd=folder).code == 1
        calls = service.modified
    file = folder / "night.prom"
    assert file.stat().st_mode & 0o777 == 0o644
    samples = [each for family in text_string_to_metric_families(file.read_text()) for each in family.samples]
    assert {each.labels.pop("ledger") for each in samples} == {str(folder / "a night.ledger.db")}
    found = {(each.name, *each.labels.values()): each.value for each in samples}
    assert found["bulkroute_calls_total",] == calls == 300
    assert found["bulkroute_rows", "succeeded"] + found["bulkroute_rows", "failed"] == 300
    assert found["bulkroute_last_run_exit_code",] == 1
    assert found["bulkroute_state", "ended"] == 1
    assert [path.name for path in folder.iterdir() if "prom" in path.name] == ["night.prom"]
    refused = bulkroute("run", "a night.csv", "--base-url", service.url, "--metrics-file", "no/m.prom", cwd=folder)
    assert refused.code == 2
    assert "no/m.prom" in refused.err


@pytest.mark.slow
def test_metrics_of_several_jobs_fit_into_one_folder(folder: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    write_csv(folder / "day.csv", targets(ids(3)))
    with serving(ids(300)) as service:
        for name, more in (("a night.csv", ("--tenant", "shop-eu")), ("day.csv", ())):
            words = ("run", name, "--base-url", service.url, *FAST, *more, "--metrics-file", f"{name}.prom")
            assert bulkroute(*words, cwd=folder).code == 0
    series = [
        (each.name, *sorted(each.labels.items()))
        for file in folder.glob("*.prom")
        for family in text_string_to_metric_families(file.read_text())
        for each in family.samples
    ]
    assert len(series) == len(set(series)), "two jobs say different things of one series"
    eu = [each for each in series if ("tenant", "shop-eu") in each]
    assert len(eu) == len(series) / 2
    assert all(("ledger", str(folder / "a night.ledger.db")) in each for each in eu)


def test_metrics_never_replace_what_the_run_needs(folder: Path) -> None:
    (folder / "night.db").write_bytes(b"precious")
    before = (folder / "a night.csv").read_bytes()
    run = ("run", "a night.csv", "--ledger", "night.db", "--simulate")
    rollback = ("rollback", "night.db", "--base-url", "http://127.0.0.1:1")
    for words, file, says in (
        (run, "night.db-wal", "belongs to the ledger"),
        (run, "a night.csv", "is no file of metrics, and is not replaced"),
        (rollback, "night.db", "is the ledger itself"),
    ):
        done = bulkroute(*words, "--metrics-file", file, cwd=folder)
        assert done.code == 2
        assert f"{file}: {says}; name another file with --metrics-file" in done.err
    assert (folder / "night.db").read_bytes() == b"precious"
    assert (folder / "a night.csv").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["a night.csv", "night.db"]
