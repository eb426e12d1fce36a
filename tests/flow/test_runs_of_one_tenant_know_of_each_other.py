"""Another run of the same tenant on this machine is told at the start, and leaves nothing behind, killed or not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import Service, bulkroute, ids, serving, started, targets, write_csv
from tests.terminal import at_terminal

TOLD = "another run of the same tenant goes on on this machine"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Give an environment whose temporary files are the test's own."""
    (tmp_path / "tmp").mkdir()
    return {"TMPDIR": str(tmp_path / "tmp")}


@contextmanager
def cutover(folder: Path, service: Service, env: dict[str, str], *more: str) -> Iterator[Popen[bytes]]:
    """Run another manifest, slowly."""
    before = service.modified
    words = ("run", "cutover.csv", "--base-url", service.url, "--rate", "5", "--no-snapshot", *more)
    with started(*words, cwd=folder, env=env) as process:
        wait_for(lambda: service.modified > before)
        yield process


@pytest.mark.slow
def test_the_other_run_is_told_with_its_ledger(tmp_path: Path, env: dict[str, str]) -> None:
    write_csv(tmp_path / "cutover.csv", targets(ids(500)))
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    left = tmp_path / "tmp"
    with serving(ids(500)) as service:
        run = ("run", "night.csv", "--base-url", service.url)
        alone = bulkroute(*run, cwd=tmp_path, env=env)
        assert TOLD not in alone.err
        assert not list(left.iterdir())
        with cutover(tmp_path, service, env) as other:
            # As cron starts it: with another environment than a person has.
            told = bulkroute(*run, cwd=tmp_path, env={**env, "XDG_RUNTIME_DIR": str(tmp_path)})
            path = tmp_path / "cutover.ledger.db"
            assert f"warning: {TOLD}: {path} (pid {other.pid}, since 2" in told.err
            assert "their rates add up" in told.err
            write_csv(tmp_path / "night.csv", dict.fromkeys(ids(3), (1, 109)))
            with at_terminal(*run, cwd=tmp_path, env=env, columns=300) as terminal:
                assert f"warning  {TOLD}: {path}" in terminal.until("[y/N] ")
                terminal.type("n\n")
                assert terminal.end() == 4
            back = bulkroute("rollback", "night.ledger.db", *run[2:], cwd=tmp_path, env=env)
            assert TOLD in back.err
            other.kill()
            other.wait()
        # What it left is swept, and nobody is told of it.
        assert len(list(left.glob("bulkroute-*/*.run"))) == 1
        again = bulkroute(*run, cwd=tmp_path, env=env)
        assert again.code == 0
        assert TOLD not in again.err
        assert not list(left.iterdir())


@pytest.mark.slow
def test_other_tenants_and_rehearsals_are_nobodys_neighbours(tmp_path: Path, env: dict[str, str]) -> None:
    write_csv(tmp_path / "cutover.csv", targets(ids(500)))
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    with serving(ids(500)) as service, cutover(tmp_path, service, env):
        other_key = {"BULKROUTE_TOKEN": "flow-token-hush", "BULKROUTE_APP_KEY": "another", "BULKROUTE_APP_SECRET": ""}
        run = ("run", "night.csv", "--base-url", service.url)
        assert TOLD not in bulkroute(*run, cwd=tmp_path, env={**env, **other_key}).err
        with serving(ids(3)) as elsewhere:
            words = ("run", "night.csv", "--base-url", elsewhere.url, "--ledger", "else.db")
            assert TOLD not in bulkroute(*words, cwd=tmp_path, env=env).err
        assert TOLD not in bulkroute("run", "night.csv", "--simulate", cwd=tmp_path, env=env).err


@pytest.mark.slow
def test_a_folder_that_is_not_ours_alone_stops_nothing(tmp_path: Path, env: dict[str, str]) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    open_to_all = tmp_path / "tmp" / f"bulkroute-{os.getuid()}"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)
    with serving(ids(3)) as service:
        done = bulkroute("run", "night.csv", "--base-url", service.url, cwd=tmp_path, env=env)
    assert done.code == 0
    assert "whether other runs of this tenant go on cannot be seen" in done.err
    assert "is not ours alone" in done.err
