"""A ledger on a file system of the network is doubted, one on a local disk is not."""

import os
from pathlib import Path

import pytest

from bulkroute.ledger import mounts
from bulkroute.ledger.ledger import Ledger


def listing(folder: Path, kind: str) -> str:
    """List mounts as the kernel does; the one of `folder` is of that kind, with a blank in its place's name."""
    device = folder.stat().st_dev
    return (
        "22 27 0:99999 / /proc rw,relatime - nfs4 elsewhere:/export rw\n"
        f"30 27 {os.major(device)}:{os.minor(device)} / /mnt/a\\040b rw,relatime shared:1 - {kind} host:/export rw,vers=4\n"
        "half a line\n"
    )


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_named(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text(listing(tmp_path, kind))
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "mounts")
    assert f"network file system ({kind})" in Ledger(tmp_path / "l.db").doubt_of_place()


def test_a_local_disk_and_a_list_that_cannot_be_read_raise_no_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Ledger(tmp_path / "l.db").doubt_of_place() == ""  # this machine's own list
    (tmp_path / "mounts").write_text(listing(tmp_path, "ext4"))
    for path in (tmp_path / "mounts", tmp_path / "nothing"):
        monkeypatch.setattr(mounts, "MOUNTS", path)
        assert Ledger(tmp_path / "l.db").doubt_of_place() == ""
