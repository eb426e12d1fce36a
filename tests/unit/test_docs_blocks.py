"""The reference is made from the code: no block is stale, and nothing that it shows lacks its line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bulkroute.cli import COMMANDS
from bulkroute.version import __version__
from tests.docs import command_line
from tests.docs.blocks import MADE, MAKERS, PAGES, ROOT, renewed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_are_those_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")
    assert renewed(text) == text, "run: make docs"


def test_every_block_that_can_be_made_stands_somewhere() -> None:
    used = {found["name"] for page in PAGES for found in MADE.finditer(page.read_text("utf-8"))}
    assert used == set(MAKERS)


@pytest.mark.parametrize("name", MAKERS)
def test_no_cell_that_should_say_something_is_empty(name: str) -> None:
    """The last column says what a thing means, but for flags, whose last column is the default."""
    if name in ("commands in full", "metrics", "answers", "statuses"):
        return
    empty = [line for line in MAKERS[name]().splitlines() if re.search(r"\|\s*\|$", line)]
    assert empty == [], "give it a line in the code"


def test_variables_that_the_code_names_are_told() -> None:
    assert command_line.named_in_code() - {"BULKROUTE_RATE"} <= set(command_line.ENVIRONMENT)


def test_every_help_has_an_example() -> None:
    for name, command in command_line.all_commands().items():
        assert command.help
        assert re.search(rf"Example:\s+bulkroute {name}", command.help), name


def test_module_and_script_are_the_same() -> None:
    done = subprocess.run([sys.executable, "-m", "bulkroute", "--help"], capture_output=True, text=True, check=True)
    for name, line in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout


def test_the_changelog_begins_with_the_version_in_progress() -> None:
    newest = re.search(r"^## (?P<version>[\d.]+) \((?P<when>.+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    version, _, development = __version__.partition(".dev")
    assert newest["version"] == version
    assert (newest["when"] == "unreleased") == bool(development)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200
