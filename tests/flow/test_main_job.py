"""The main job through the real command line: manifest -> pool -> service -> ledger -> resume."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.harness import Target, bulkroute, exported, ids, serving, targets, write_csv, write_yaml

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
