"""Closed, full and abandoned streams, and manifests from pipes: none of them decides how a command ends."""

import os
import subprocess
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.harness import Result, bulkroute, command, environment, ids, serving, targets, write_csv

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("uncounted_commands")]

FAST = ("--rate", "unlimited", "--backoff", "0.01")


def redirected(redirection: str, *arguments: object, cwd: Path) -> Result:
    """Run a command with streams redirected by the shell."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", *command(*arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "night.csv", targets(ids(60)))
    return tmp_path


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_stop_a_run(folder: Path, closed: str) -> None:
    with serving(ids(60)) as service:
        done = redirected(closed, "run", "night.csv", "--base-url", service.url, *FAST, cwd=folder)
        assert done.code == 0, done.err
        assert dict(service.bindings) == targets(ids(60))


@pytest.mark.parametrize("words", ["status", "export", "verify"])
def test_a_closed_output_is_no_bug(folder: Path, words: str) -> None:
    with serving(ids(60)) as service:
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=folder).code == 0
        more = ("--base-url", service.url, *FAST) if words == "verify" else ()
        done = redirected(">&-", words, "night.ledger.db", *more, cwd=folder)
        assert (done.code, "Traceback" in done.err) == (0, False), done.err


def test_a_full_output_is_told_in_a_line(folder: Path) -> None:
    assert bulkroute("run", "night.csv", "--simulate", *FAST, cwd=folder).code == 0
    for words in (
        ("status", "night.rehearsal.db"),
        ("export", "night.rehearsal.db"),
        ("check", "night.csv"),
        ("--help",),
    ):
        done = redirected(">/dev/full", *words, cwd=folder)
        assert (done.code, done.err) == (
            2,
            "bulkroute: standard output: cannot be written: No space left on device; "
            "see to space and rights of what it leads to\n",
        ), words


def test_messages_that_nobody_can_read_leave_the_exit_code_as_it_is(folder: Path) -> None:
    for broken in ("2>/dev/full", "2>&-"):
        assert redirected(broken, "check", "none.csv", cwd=folder).code == 65
        assert redirected(broken, "ctl", "none.ledger.db", "status", cwd=folder).code == 69


def test_a_reader_that_leaves_is_not_told_that_rows_failed(folder: Path) -> None:
    write_csv(folder / "long.csv", targets(ids(2000)))
    assert bulkroute("run", "long.csv", "--simulate", *FAST, cwd=folder).code == 0
    for format_ in ("csv", "jsonl"):
        done = redirected(
            "| head -n 1 >/dev/null; exit ${PIPESTATUS[0]}",
            *("export", "long.rehearsal.db", "--format", format_),
            cwd=folder,
        )
        assert (done.code, done.err) == (4, "")


def test_a_named_pipe_is_opened_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    with serving(ids(60)) as service:
        for run in (1, 2):
            with subprocess.Popen(["sh", "-c", "exec cat night.csv > pipe.csv"], cwd=folder) as writer:
                words = ("run", "pipe.csv", "--base-url", service.url, *FAST, "--json")
                done = bulkroute(*words, cwd=folder, timeout_s=30)
                writer.kill()
            assert done.code == 0, done.err
            assert (done.summary["run"], done.summary["succeeded"]) == (run, 60)


def test_a_simulation_says_that_it_reads_its_manifest_twice(folder: Path) -> None:
    words = ("run", "-", "--format", "csv", "--ledger", "l.db", "--simulate")
    done = bulkroute(*words, cwd=folder, stdin=(folder / "night.csv").read_bytes())
    assert done.code == 2
    assert "--simulate reads the manifest twice" in done.err
    os.mkfifo(folder / "pipe.csv")
    with subprocess.Popen(["sh", "-c", "exec cat night.csv > pipe.csv"], cwd=folder, stderr=subprocess.DEVNULL):
        piped = bulkroute("run", "pipe.csv", "--simulate", cwd=folder, timeout_s=30)
    assert piped.code == 2
    assert "--simulate reads the manifest twice; give it a file, not a pipe" in piped.err
    assert not list(folder.glob("*.ledger.db*"))


@pytest.mark.parametrize("words", [("check", "-"), ("run", "-", "--ledger", "l.db", "--simulate")])
def test_standard_input_without_a_format_is_wrong_usage(folder: Path, words: tuple[str, ...]) -> None:
    done = bulkroute(*words, cwd=folder, stdin=(folder / "night.csv").read_bytes())
    assert done.code == 2
    assert "nothing tells the format of standard input; say --format csv, yaml or plan" in done.err


def test_a_pause_while_the_canary_is_read_back_can_be_stopped(folder: Path) -> None:
    with serving(ids(60), Faults(read_delay_s=3600)) as service:
        words = (
            "run",
            "night.csv",
            "--base-url",
            service.url,
            "--rate",
            "unlimited",
            "--canary",
            "3",
            "--backoff",
            "1",
        )
        with subprocess.Popen(command(*words), cwd=folder, env=environment(), stderr=subprocess.PIPE) as process:
            try:
                while service.modified < 3:
                    assert process.poll() is None
                # The read-back goes on for half a minute, one reading after another.
                while bulkroute("ctl", "night.ledger.db", "pause", cwd=folder).code:
                    assert process.poll() is None
                read = service.simulator.calls_per_endpoint["queryCalledRoute"]
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(4)
                assert service.simulator.calls_per_endpoint["queryCalledRoute"] <= read + 1
                process.terminate()
                assert process.wait(15) == 4
            finally:
                process.kill()
        assert service.modified == 3


def test_what_the_locale_cannot_write_is_escaped(folder: Path) -> None:
    assert bulkroute("run", "night.csv", "--ledger", "夜.db", "--simulate", *FAST, cwd=folder).code == 0
    shown = bulkroute("status", "夜.db", cwd=folder, env={"PYTHONIOENCODING": "latin-1"})
    assert shown.code == 0, shown.err
    assert "batch 1 in \\u591c.db" in shown.out
