"""Tenant, note, who and how: in the first line, the question, the JSON and the ledger, so that a change can be traced."""

import hashlib
import json
import os
import pwd
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness import bulkroute, ids, serving, targets, write_csv
from tests.terminal import at_terminal

LABELS = ("--tenant", "shop-eu", "--note", "CHG0012 night line")


@pytest.mark.slow
def test_labels_go_wherever_a_run_is_told_of(tmp_path: Path) -> None:
    manifest = write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(3)) as service:
        run = ("run", "night.csv", "--base-url", service.url)
        with at_terminal(*run, *LABELS, cwd=tmp_path, columns=200) as terminal:
            asked = terminal.until("[y/N] ")
            assert "tenant   shop-eu\n" in asked
            assert "note     CHG0012 night line\n" in asked
            terminal.type("y\n")
            assert terminal.end() == 0
            assert "run 1 for shop-eu (CHG0012 night line): 3 of 3 rows to do" in terminal.text
        back = bulkroute("rollback", "night.ledger.db", *run[2:], "--json", "--note", "back", cwd=tmp_path)
        assert (back.summary["tenant"], back.summary["note"]) == (None, "back")
        logged = bulkroute(*run, *LABELS, "--json", "--log-format", "json", cwd=tmp_path)
        assert (logged.summary["tenant"], logged.summary["note"]) == (LABELS[1], LABELS[3])
        started = [each for each in map(json.loads, logged.err.splitlines()) if each["event"] == "run_started"]
        assert [(each["tenant"], each["note"]) for each in started] == [(LABELS[1], LABELS[3])]
        status = bulkroute("status", "night.ledger.db", "--json", cwd=tmp_path)
        assert (status.summary["tenant"], status.summary["note"]) == (LABELS[1], LABELS[3])
    with closing(sqlite3.connect(tmp_path / "night.ledger.db")) as ledger:
        found = ledger.execute("SELECT command, who, digest, command_line FROM run ORDER BY run").fetchall()
    who = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert [(command, by) for command, by, _digest, _line in found] == [("run", who), ("rollback", who), ("run", who)]
    assert found[0][2] == found[2][2]
    assert found[0][2].endswith(digest)
    assert (
        found[0][3] == f"bulkroute run night.csv --base-url {service.url} --tenant shop-eu --note 'CHG0012 night line'"
    )


@pytest.mark.slow
def test_a_command_that_never_began_has_its_labels_too(tmp_path: Path) -> None:
    done = bulkroute("run", "none.csv", "--base-url", "http://127.0.0.1:1", *LABELS, "--json", cwd=tmp_path)
    assert done.code == 65
    assert (done.summary["tenant"], done.summary["note"]) == (LABELS[1], LABELS[3])


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31m", "x" * 201])
def test_labels_are_a_line_that_any_terminal_takes(tmp_path: Path, text: str) -> None:
    done = bulkroute("run", "none.csv", "--base-url", "http://127.0.0.1:1", "--note", text, cwd=tmp_path)
    assert done.code == 2
    assert "note (--note) must be one printable line of at most 200 characters" in done.err
