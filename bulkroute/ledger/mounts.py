"""On what kind of file system a ledger lies, by what the kernel lists. Reads only, and doubts nothing it cannot read."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
"""See proc(5): device numbers third, the kind after a dash."""

OVER_THE_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "gfs2", "lustre", "ocfs2", "virtiofs", "vboxsf"}
) | {f"fuse.{name}" for name in ("sshfs", "glusterfs", "s3fs", "gcsfuse", "rclone", "mount.cephfs")}
"""Kinds whose files several machines reach, without the shared memory that SQLite's write-ahead log needs."""


def network_file_system(folder: Path) -> str:
    """Return the kind of a folder's file system if it is one of the network; nothing for all others."""
    try:
        device = folder.stat().st_dev
        mounts = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    for mount in mounts:
        fields, _, rest = mount.partition(" - ")
        kind = rest.partition(" ")[0]
        if fields.split(" ")[2:3] == [number] and kind in OVER_THE_NETWORK:
            return kind
    return ""
