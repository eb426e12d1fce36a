"""What is done for one tenant is not done for another: a ledger goes with its service, its app key, and its rehearsals."""

import os
from pathlib import Path

import pytest

from tests.harness import CREDENTIALS, TOKEN, bulkroute, ids, serving, targets, write_csv

FAST = ("--rate", "unlimited")
THEIRS = {"BULKROUTE_APP_KEY": "other-key", "BULKROUTE_APP_SECRET": "other-hush"}


@pytest.mark.slow
def test_another_app_key_is_another_tenant(tmp_path: Path) -> None:
    wanted = targets(ids(6))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        connection = ("--base-url", service.url, *FAST)
        assert bulkroute("run", "night.csv", *connection, "--max-rows", "2", cwd=tmp_path).code == 4
        calls = service.simulator.calls_per_endpoint.total()
        for words in (("run", "night.csv"), ("verify", "night.ledger.db"), ("rollback", "night.ledger.db")):
            refused = bulkroute(*words, *connection, cwd=tmp_path, env=THEIRS)
            assert refused.code == 2
            assert (
                f"night.ledger.db: this ledger's batch was begun with another app key at {service.url}" in refused.err
            )
            assert "other-key" not in refused.err
        assert service.simulator.calls_per_endpoint.total() == calls, "the other tenant was asked"
        # A ready token does not say whose it is.
        token = {**dict.fromkeys(CREDENTIALS, ""), "BULKROUTE_TOKEN": TOKEN}
        assert bulkroute("run", "night.csv", *connection, "--max-rows", "2", cwd=tmp_path, env=token).code == 4
        assert bulkroute("verify", "night.ledger.db", *connection, cwd=tmp_path, env=THEIRS).code == 2
        assert service.modified == 4


@pytest.mark.slow
def test_a_tenant_that_has_a_new_key_is_gone_on_with_when_told(tmp_path: Path) -> None:
    wanted = targets(ids(6))
    write_csv(tmp_path / "night.csv", wanted)
    new_key = {"BULKROUTE_TOKEN": TOKEN, "BULKROUTE_APP_KEY": "new-key", "BULKROUTE_APP_SECRET": ""}
    with serving(wanted) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST, "--max-rows", "2")
        assert bulkroute(*run, cwd=tmp_path).code == 4
        assert bulkroute(*run, cwd=tmp_path, env=new_key).code == 2
        assert bulkroute(*run, "--service-moved", cwd=tmp_path, env=new_key).code == 4
        assert bulkroute(*run, cwd=tmp_path).code == 2, "the new key is the tenant's from now on"
        assert bulkroute(*run, cwd=tmp_path, env=new_key).code == 0
        assert service.modified == 6


@pytest.mark.slow
def test_a_rehearsal_never_counts_at_a_service_nor_the_other_way_round(tmp_path: Path) -> None:
    wanted = targets(ids(6))
    write_csv(tmp_path / "night.csv", wanted)
    rehearse = ("run", "night.csv", "--simulate", *FAST)
    first = bulkroute(*rehearse, "--max-rows", "4", cwd=tmp_path)
    assert first.code == 4
    # The simulator has another port each time, and is the same one all the same, with what was done there.
    again = bulkroute(*rehearse, cwd=tmp_path)
    assert again.code == 0
    assert "run 2: 2 of 6 rows to do" in again.err
    assert "4 done already, as live bindings show" in again.err
    assert "0 of 6 rows to do" in bulkroute(*rehearse, cwd=tmp_path).err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["night.csv", "night.rehearsal.db"]
    with serving(wanted) as service:
        connection = ("--base-url", service.url, *FAST)
        run = ("run", "night.csv", *connection)
        for flags in ((), ("--service-moved",), ("--fresh",)):
            refused = bulkroute(*run, "--ledger", "night.rehearsal.db", *flags, cwd=tmp_path)
            assert refused.code == 2
            assert "night.rehearsal.db: this ledger holds a rehearsal, which never counts at a service" in refused.err
            assert "--service-moved" not in refused.err, "it cannot help"
        for words in (("verify", "night.rehearsal.db"), ("rollback", "night.rehearsal.db")):
            assert bulkroute(*words, *connection, "--service-moved", cwd=tmp_path).code == 2
        assert not service.simulator.calls_per_endpoint.total()
        assert bulkroute(*run, cwd=tmp_path).code == 0
        assert service.modified == 6
        for flags in ((), ("--service-moved",), ("--fresh",)):
            refused = bulkroute(*rehearse, "--ledger", "night.ledger.db", *flags, cwd=tmp_path)
            assert refused.code == 2
            assert f"this ledger's batch is of {service.url}, where no rehearsal may count" in refused.err
        assert bulkroute("verify", "night.ledger.db", *connection, cwd=tmp_path).code == 0


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lay out somebody else's file")
def test_a_ledger_that_somebody_else_laid_out_is_not_taken(tmp_path: Path) -> None:
    wanted = targets(ids(3))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    ledger.touch(mode=0o666)
    os.chown(ledger, 65534, -1)
    with serving(wanted) as service:
        run = ("run", "night.csv", "--base-url", service.url, *FAST)
        refused = bulkroute(*run, cwd=tmp_path)
        assert refused.code == 5
        assert "night.ledger.db: it is an empty file of somebody else's (mode 0644); remove it" in refused.err
        assert not service.simulator.calls_per_endpoint.total()
        ledger.unlink()
        assert "warning" not in bulkroute(*run, cwd=tmp_path).err
        ledger.chmod(0o666)
        open_to_all = bulkroute(*run, cwd=tmp_path)
        assert (
            "warning: night.ledger.db: others may write the ledger (mode 0666); `chmod 600 night.ledger.db`"
            in open_to_all.err
        )
        os.chown(ledger, 65534, -1)
        assert "warning: night.ledger.db: the ledger is somebody else's" in bulkroute(*run, cwd=tmp_path).err
