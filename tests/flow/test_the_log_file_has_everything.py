"""`--log-file`: all that is told, night after night, readable by its owner alone, while the terminal keeps its progress."""

import json
import os
import re
import stat
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.harness import bulkroute, ids, serving, targets, write_csv
from tests.terminal import at_terminal

STAMP = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4} "


@pytest.mark.slow
def test_every_night_is_appended_whatever_stderr_is_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(40)))
    log = tmp_path / "night.log"
    with serving(ids(40), Faults(business_ids=0.1)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--rate", "unlimited", "--log-file", "night.log")
        first = bulkroute(*run, "--quiet", cwd=tmp_path)
        assert first.code == 1
        assert "rows to do" not in first.err
        text = log.read_text()
        assert re.search(STAMP + r"run 1: 40 of 40 rows to do", text, re.MULTILINE)
        assert re.search(STAMP + r"failed: .*\(id \d{19}\): business", text, re.MULTILINE)
        assert "to try them again:" in text
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        bulkroute(*run, "--wait-for-lock", "soon", cwd=tmp_path)
        assert log.read_text() == text, "a command that could not be read names no log"
        refused = bulkroute(*run, "--max-attempts", "1", cwd=tmp_path, env={"BULKROUTE_TOKEN": "Bearer x"})
        assert refused.code == 2
        assert re.search(STAMP + "bulkroute: BULKROUTE_TOKEN holds the word Bearer", log.read_text(), re.MULTILINE)
        assert log.read_text().startswith(text)
    (tmp_path / "night.csv").write_text("id,devicetype,deviceId\n12 34,1,1\n")
    assert bulkroute(*run, cwd=tmp_path).code == 65
    assert "night.csv:2: " in log.read_text()


@pytest.mark.slow
def test_done_in_silence_is_in_the_log(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(3)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--quiet", "--log-file", "night.log")
        done = bulkroute(*run, cwd=tmp_path)
        assert (done.code, done.out, done.err) == (0, "", "")
        assert "all done: 3 of 3 rows done" in (tmp_path / "night.log").read_text()


@pytest.mark.slow
def test_the_terminal_keeps_its_progress(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(30)))
    with serving(ids(30)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--rate", "20", "--yes", "--log-file", "night.log")
        with at_terminal(*run, cwd=tmp_path) as terminal:
            assert terminal.end() == 0
            assert "\x1b[?25l" in terminal.text, "nothing was drawn"
            assert "30 of 30 rows done" in terminal.text
        assert "\x1b" not in (tmp_path / "night.log").read_text()


@pytest.mark.slow
def test_json_on_stderr_is_json_in_the_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(3)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--log-format", "json", "--log-file", "night.log")
        done = bulkroute(*run, cwd=tmp_path)
        missing = bulkroute("run", "none.csv", *run[2:], cwd=tmp_path)
        assert missing.code == 65
    told = [json.loads(line) for line in (done.err + missing.err).splitlines()]
    kept = [json.loads(line) for line in (tmp_path / "night.log").read_text().splitlines()]
    assert [each["event"] for each in kept] == [each["event"] for each in told]
    assert [each["event"] for each in kept] == ["run_started", "run_ended", "closing", "manifest_fault", "error"]


@pytest.mark.parametrize("name", ["night.csv", "night.ledger.db", "night.ledger.db-wal", "m.prom", "folder", "pipe"])
def test_no_log_goes_where_something_else_belongs(tmp_path: Path, name: str) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(1)))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = (tmp_path / "night.csv").read_bytes()
    run = ("run", "night.csv", "--base-url", "http://127.0.0.1:1", "--metrics-file", "m.prom")
    refused = bulkroute(*run, "--log-file", name, cwd=tmp_path)
    assert refused.code == 2
    assert name in refused.err
    assert (tmp_path / "night.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "night.csv", "pipe"]
