"""What the pages name is there: links, anchors, files, flags and messages; and every page can be found."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bulkroute.cli import COMMANDS, known_options
from bulkroute.cli.config_file import read_config
from tests.docs import command_line
from tests.docs.blocks import PAGES, ROOT
from tests.docs.markdown import anchors, blocks, links

IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
FILE = re.compile(r"`(?P<path>[\w./-]*\w\.(?:py|sql|js|css|html|sh|toml|md|csv|lock))`")
MESSAGES = ROOT / "docs" / "reference" / "messages.md"
VARIES = re.compile(r"\b[A-Z_]+\b|\{[^{}\n]*\}|\.\.\.|\d[\d.,%]*|[`'()?]")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for line, to in links(page.read_text("utf-8")):
        path, _, anchor = to.partition("#")
        if re.match(r"https?:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            wrong.append(f"{line}: {to}")
        elif anchor and anchor not in anchors(target.read_text("utf-8")):
            wrong.append(f"{line}: {to}: no such heading")
    assert wrong == []


def test_every_page_can_be_found() -> None:
    """From the README, or from the map of the pages, by links alone."""
    found: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        ways = [to.partition("#")[0] for _line, to in links(page.read_text("utf-8")) if "://" not in to]
        todo += [(page.parent / way).resolve() for way in ways if way]
    lost = [page.relative_to(ROOT).as_posix() for page in PAGES if page not in found]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_files_that_are_named_exist(page: Path) -> None:
    """`rate/throttle.py` is a file of the package, `tests/harness.py` one of the repository."""
    if page.name == "CHANGELOG.md":
        return  # it tells of files that were there
    named = {found["path"] for found in FILE.finditer(page.read_text("utf-8")) if "/" in found["path"]}
    homes = (ROOT, ROOT / "bulkroute", page.parent)
    assert [name for name in sorted(named) if not any((home / name).exists() for home in homes)] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_and_flags_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    spans = re.findall(r"`(bulkroute [^`]+)`", text)
    shells = [block for block in blocks(text) if block.tag != "python"]
    lines = [line for block in shells for line in block.lines if re.search(r"\bbulkroute \w", line)]
    wrong = []
    for each in (*spans, *lines):
        for command, flags in _calls(each):
            known = {name for flag in command_line.flags(command) for name in re.findall(r"--?[\w-]+", flag.names)}
            wrong += [f"{command} {flag}" for flag in flags if flag not in {*known, "--help"}]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_settings_that_a_page_writes_exist(page: Path, tmp_path: Path) -> None:
    for block in blocks(page.read_text("utf-8")):
        if block.tag == "toml":
            (tmp_path / "bulkroute.toml").write_text("\n".join(block.lines))
            read_config(str(tmp_path / "bulkroute.toml"), None, known_options)


def test_the_readme_says_why_each_library_is_needed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["postgres"]]
    needed = {re.split(r"[<>=;\[ ]", each)[0].lower() for each in declared}
    lines = re.findall(r"^- ([\w, -]+): .", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert {name.lower() for line in lines for name in line.split(", ")} >= needed


def _calls(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of bulkroute in a line of shell, with its flags."""
    line = re.sub(r"\s#\s.*", "", line)
    for call in re.split(r"[|;&)>]+", line):
        if not (found := re.search(r"(?:^|[\s/])bulkroute ((?:--(?:config|profile) \S+ )*\w+)(?P<rest>.*)", call)):
            continue
        name = found[1].split()[-1]
        assert name in COMMANDS or name in ("COMMAND",), line
        words = shlex.split(found["rest"].replace("'", "").replace('"', ""))
        if name == "fleet" and words:
            name = f"fleet {words.pop(0)}"
            assert name in command_line.LINES, line
        if name in command_line.LINES:
            yield name, [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-zA-Z]", word)]


def _words(text: str) -> list[str]:
    """Return the words of a text in their order, without what differs from one time to the next."""
    return [word for word in re.findall(r"\w+", VARIES.sub(" ", text)) if len(word) > 1]


def _texts() -> str:
    """Return all words of the code and of what the browser gets, in their order."""
    package = ROOT / "bulkroute"
    files = [*sorted(package.rglob("*.py")), *sorted((package / "web" / "static").glob("*.*"))]
    return " ".join(word for file in files for word in _words(file.read_text("utf-8")))


def _messages() -> list[str]:
    rows = [line.split(" | ")[0] for line in MESSAGES.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [text for row in rows for text in re.findall(r"`{3} (.+?)```|`([^`]+)`", row) for text in text if text]


def _longest_run(words: list[str], texts: str) -> int:
    """Return how many words that follow one another in a message do so in a text of the code."""
    longest = 0
    for first in range(len(words)):
        while first + longest < len(words) and " ".join(words[first : first + longest + 1]) in texts:
            longest += 1
    return longest


def test_messages_are_those_of_the_code() -> None:
    """All words of a message are words of the code, and half of them at least stand in one text, in their order."""
    texts = _texts()
    known = set(texts.split())
    wrong = []
    for message in _messages():
        words = _words(message)
        if 2 * _longest_run(words, texts) < len(words) or not known.issuperset(words):
            wrong.append(message)
    assert len(_messages()) > 40
    assert wrong == []
