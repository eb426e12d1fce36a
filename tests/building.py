"""Builds what is shipped, and makes environments that hold nothing but what it declares. Needs no network."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from tests.harness import ROOT, environment

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NOT_COPIED = shutil.ignore_patterns("__pycache__", "node_modules", ".*")


def copied(into: Path) -> Path:
    """Copy all that wheel and sdist are made of to a folder; return it."""
    patterns = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    into.mkdir()
    for pattern in (*patterns, "pyproject.toml", "LICENSE", ".gitignore"):
        for path in ROOT.glob(pattern):
            if path.is_dir():
                shutil.copytree(path, into / path.name, ignore=NOT_COPIED)
            else:
                shutil.copy(path, into)
    return into


def built(source: Path, into: Path, *targets: str, umask: int = 0o022) -> Path:
    """Build from a folder (`wheel`, `sdist`; both if none is named); return where to."""
    named = [word for target in targets for word in ("--target", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *named, "--directory", str(into)],
        cwd=source, env=environment(measured=False), umask=umask, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return into


def required(requirements: Iterable[str], known: dict[str, Distribution]) -> dict[str, Distribution]:
    """Add what is required, and what that requires, as it is installed here."""
    for requirement in requirements:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if "extra ==" in requirement or name in known:
            continue
        try:
            known[name] = distribution(name)
        except PackageNotFoundError:
            continue  # another platform's
        required(known[name].requires or (), known)
    return known


def environment_of(folder: Path, python: Path = Path(sys.executable)) -> Path:
    """Make a virtual environment with nothing in it, not even pip; return its python."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    return folder / "bin" / "python"


def with_requirements(python: Path) -> None:
    """Put what bulkroute requires, as it is installed here, into an environment of this very Python."""
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    for each in required(PROJECT["project"]["dependencies"], {}).values():
        for top in {path.parts[0] for path in each.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(str(each.locate_file(top)))


def install(python: Path, *words: object, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Have this pip install something into an environment."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "--disable-pip-version-check",
        "--retries",
        "0",
        "install",
        "--quiet",
    ]
    return subprocess.run(
        [*pip, *map(str, words)], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )  # fmt: skip


def pinned(into: Path) -> Path:
    """Write which versions are locked, without their hashes; return the file."""
    locked = re.findall(r"^(\S+==.*?) \\$", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
    into.write_text("\n".join(locked))
    return into
