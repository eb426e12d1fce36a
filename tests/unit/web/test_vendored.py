"""Code of others is shipped as its authors packed it: held to its checksums, and these to the lock of its npm package."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT

VENDOR = ROOT / "bulkroute" / "web" / "static" / "vendor"


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


CHECKSUMS = read(VENDOR / "checksums.json")


def test_every_folder_is_locked() -> None:
    assert {path.name for path in VENDOR.iterdir() if path.is_dir()} == CHECKSUMS.keys()


@pytest.mark.parametrize("name", CHECKSUMS)
def test_each_file_is_the_one_that_was_taken_over_and_no_other_is_there(name: str) -> None:
    folder = VENDOR / name
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == CHECKSUMS[name]["sha256"]


@pytest.mark.parametrize("name", CHECKSUMS)
def test_it_was_taken_from_the_package_that_is_locked(name: str) -> None:
    locked = read(ROOT / "package-lock.json")["packages"][f"node_modules/{name}"]
    noted = CHECKSUMS[name]
    assert (noted["version"], noted["integrity"]) == (locked["version"], locked["integrity"])
    assert read(ROOT / "package.json")["devDependencies"][name] == noted["version"]
    assert f"| {noted['version']} |" in (VENDOR / "README.md").read_text("utf-8")
