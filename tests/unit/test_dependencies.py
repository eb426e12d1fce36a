"""What is imported is declared, what is declared is imported, and both are pinned: nobody else's choice comes in unseen."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.harness import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = [each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra]
RUNTIME, DEVELOPMENT = [*PROJECT["project"]["dependencies"], *EXTRAS], PROJECT["dependency-groups"]["dev"]


def names(requirements: Iterable[str]) -> set[str]:
    """Return the distributions that are required, in their normal spelling (PEP 503)."""
    return {normal(re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0]) for each in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def owners() -> Mapping[str, list[str]]:
    """By module, which distributions it belongs to."""
    return packages_distributions()


def imported(folder: Path, owners: Mapping[str, list[str]]) -> set[str]:
    """Return the distributions that the modules in a folder import from, wherever they do it."""
    modules: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    foreign = modules - sys.stdlib_module_names - {"bulkroute", "tests"}
    return {normal(owners[module][0]) if module in owners else module for module in foreign}


@pytest.mark.slow
def test_the_program_imports_what_it_declares_and_nothing_else(owners: Mapping[str, list[str]]) -> None:
    assert imported(ROOT / "bulkroute", owners) == names(RUNTIME)


@pytest.mark.slow
def test_the_tests_import_only_what_is_declared(owners: Mapping[str, list[str]]) -> None:
    assert imported(ROOT / "tests", owners) <= names(RUNTIME) | names(DEVELOPMENT)


def test_all_that_is_declared_is_pinned_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}
    assert names(RUNTIME) | names(DEVELOPMENT) <= pinned
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", ["requirements.lock", "package-lock.json"])
def test_a_lock_names_no_place_to_download_from(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert re.findall(r"index-url|find-links|\"resolved\"| @ ", text) == [], "that is for who installs it to say"
