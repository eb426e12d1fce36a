"""The main job through the real command line: manifest -> pool -> service -> ledger -> resume."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.harness import Target, bulkroute, exported, ids, serving, started, targets, write_csv, write_yaml

FAST = ("--rate", "unlimited", "--concurrency", "32", "--backoff", "0.01", "--backoff-cap", "0.05", "--json")


@pytest.mark.parametrize(("name", "write"), [("night.csv", write_csv), ("night.yaml", write_yaml)])
def test_bindings_equal_the_manifest_after_one_call_a_row(
    tmp_path: Path, name: str, write: Callable[[Path, Mapping[str, Target]], Path]
) -> None:
    wanted = targets(ids(500))
    write(tmp_path / name, wanted)
    with serving(wanted) as service:
        first = bulkroute("run", name, "--base-url", service.url, *FAST, cwd=tmp_path)
        assert first.code == 0, first.err
        assert first.summary["succeeded"] == first.summary["total"] == first.summary["attempts"] == 500
        assert dict(service.bindings) == wanted
        assert service.modified == 500

        second = bulkroute("run", name, "--base-url", service.url, *FAST, cwd=tmp_path)
        assert second.code == 0
        assert second.summary["total"] == 500
        assert second.summary["attempts"] == 0
        assert service.modified == 500


def test_a_changed_manifest_sends_only_what_is_new_or_retargeted(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    manifest = write_csv(tmp_path / "night.csv", dict(list(wanted.items())[:50]))
    with serving(wanted) as service:
        assert bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path).code == 0
        assert service.modified == 50

        retargeted = list(wanted)[3]
        wanted[retargeted] = (1, 155)
        gone = list(wanted)[7]
        write_csv(manifest, {row_id: target for row_id, target in reversed(wanted.items()) if row_id != gone})
        again = bulkroute("run", "night.csv", "--base-url", service.url, *FAST, cwd=tmp_path)
        assert again.code == 0, again.err
        assert "10 new, 1 retargeted, 1 gone" in again.err
        assert service.modified == 50 + 10 + 1
        assert dict(service.bindings) == wanted
    assert exported(tmp_path / "night.ledger.db")[retargeted]["deviceId"] == "155"


@pytest.mark.slow
def test_a_ledger_that_fails_in_the_middle_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    """Another program takes the write lock while the run works; the run says so, and the next one finishes."""
    wanted = targets(ids(300))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=50)) as service:
        arguments = ("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "100", "--quiet")
        with started(*arguments, cwd=tmp_path) as process:
            while service.modified < 50:
                assert process.poll() is None
                time.sleep(0.01)
            with closing(sqlite3.connect(tmp_path / "night.ledger.db", isolation_level=None)) as intruder:
                intruder.execute("BEGIN IMMEDIATE")
                _, err = process.communicate(timeout=60)
            assert process.returncode == 5, err
            assert b"another program" in err
        again = bulkroute("run", "night.csv", "--base-url", service.url, "--no-snapshot", *FAST, cwd=tmp_path)
        assert again.code == 0, again.err
        assert dict(service.bindings) == wanted
        assert service.modified <= 300 + 16
