"""Wheel and sdist: the same bytes wherever they are built, all that is needed is in them, and the demo runs from them alone."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute.version import __version__
from tests.building import built, copied, environment_of, install, pinned, with_requirements
from tests.harness import ROOT

pytestmark = pytest.mark.slow

WHEEL, SDIST = f"bulkroute-{__version__}-py3-none-any.whl", f"bulkroute-{__version__}.tar.gz"
STRICT = ("-W", "error", "-W", "ignore:Binding:DeprecationWarning")
"""All warnings are errors, but for one: Python 3.12.0 to 3.12.3 take ?1 in SQL for a name (CPython's gh-117995)."""
IMPORT_ALL = """
import importlib, pkgutil, bulkroute
lacking = []
for found in pkgutil.walk_packages(bulkroute.__path__, "bulkroute."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            assert error.name == "psycopg", error
            lacking.append(found.name)
print(*lacking)
"""
WITH_POSTGRES = re.compile(r"bulkroute\.(postgres\.\w+|fleet\.(hosts|handover|joining|from_database))")
"""What only the extra `postgres` can import."""
NOT_TO_BE_HAD = ("No matching distribution", "ResolutionImpossible")
"""What pip says where no index can be reached, or has no wheel for that Python."""
LATER = re.findall(r":: (3\.1[2-9])\"", (ROOT / "pyproject.toml").read_text("utf-8"))
"""Pythons that bulkroute says it runs on, beside the one that runs all tests."""


class Built(NamedTuple):
    wheel: Path
    sdist: Path
    unpacked: Path
    """What the sdist holds."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("package")
    out = built(copied(folder / "source"), folder / "out")
    with tarfile.open(out / SDIST) as archive:
        archive.extractall(folder, filter="data")
    return Built(out / WHEEL, out / SDIST, folder / SDIST.removesuffix(".tar.gz"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_another_folder_umask_and_time_make_the_same_bytes(tmp_path: Path, package: Built) -> None:
    source = copied(tmp_path / "elsewhere")
    for path in source.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700 if path.is_dir() else 0o600)
    out = built(source, tmp_path / "out", umask=0o077)
    assert digest(out / WHEEL) == digest(package.wheel)
    assert digest(out / SDIST) == digest(package.sdist)


def test_the_sdist_makes_the_same_wheel(tmp_path: Path, package: Built) -> None:
    out = built(package.unpacked, tmp_path / "out", "wheel")
    assert digest(out / WHEEL) == digest(package.wheel)


def test_the_wheel_holds_the_program_whole_and_nothing_else(package: Built) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "bulkroute").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(package.wheel) as archive:
        names = set(archive.namelist())
        about = f"bulkroute-{__version__}.dist-info"
        metadata = archive.read(f"{about}/METADATA").decode()
    assert {name for name in names if not name.startswith(about)} == ours
    assert {"LICENSE", "bulkroute/web/static/vendor/uplot/LICENSE"} == {
        name.removeprefix(f"{about}/licenses/") for name in names if "/licenses/" in name
    }
    assert "Requires-Python: >=3.11" in metadata
    assert ROOT.joinpath("README.md").read_text("utf-8").strip() in metadata


def test_the_demo_runs_where_nothing_but_the_wheel_and_what_it_requires_is_installed(
    tmp_path: Path, package: Built
) -> None:
    python = environment_of(tmp_path / "env")
    with_requirements(python)
    plain = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    offline = {**plain, "PIP_CONFIG_FILE": os.devnull}
    done = install(python, "--no-index", "--no-cache-dir", package.wheel, env=offline)
    assert done.returncode == 0, done.stderr
    imported = subprocess.run(
        [python, "-c", IMPORT_ALL], cwd=tmp_path, env=plain, capture_output=True, text=True, check=True, timeout=60
    )
    assert [name for name in imported.stdout.split() if not WITH_POSTGRES.fullmatch(name)] == []
    shutil.copytree(package.unpacked / "manifests", tmp_path / "manifests")
    demo = subprocess.run(
        ["sh", tmp_path / "manifests" / "demo.sh"], cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.count("exit code") == 2
    assert demo.stdout.rstrip().endswith("exit code 0")


@pytest.mark.parametrize("version", LATER)
def test_later_pythons_run_it_without_a_warning(tmp_path: Path, package: Built, version: str) -> None:
    python = environment_of(tmp_path / "env", found(version))
    constraints = ("--constraint", pinned(tmp_path / "pinned.txt"), "--only-binary", ":all:")
    done = install(python, *constraints, package.wheel, env=dict(os.environ))
    if done.returncode and any(words in done.stderr for words in NOT_TO_BE_HAD):
        pytest.skip(f"what bulkroute requires cannot be had for Python {version}: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / "manifests" / "numbers.csv", tmp_path)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for words in (
        ("run", "numbers.csv", "--simulate", "--rate", "unlimited"),
        ("report", "numbers.rehearsal.db", "-o", "r.html"),
    ):
        done = subprocess.run(
            [python, *STRICT, "-m", "bulkroute", *words], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr


def found(version: str) -> Path:
    """Return that Python; skip the test where there is none."""
    named = [path for path in [shutil.which(f"python{version}")] if path]
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in [*map(Path, named), *kept]:
        asked = subprocess.run([candidate, "-c", "import ensurepip, venv"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    pytest.skip(f"no Python {version} here")
