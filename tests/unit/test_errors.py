"""Every error that a user can cause says what, where and what to do next, and has its exit code: the whole tree is walked."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute import errors
from bulkroute.errors import EXIT_MEANINGS, BulkrouteError, ExitCode, StopKind, UsageError

PACKAGE = Path(errors.__file__).parent

ITS_SENTENCE_SAYS_IT = "the sentence names the flag and what it may be: there is nothing to add"

WITHOUT_HINT = {
    ("settings/settings.py", "UsageError(str(error))"): "the reader of the header says what to write",
    ("settings/settings.py", "must be at most"): ITS_SENTENCE_SAYS_IT,
    ("settings/settings.py", "must be at least"): ITS_SENTENCE_SAYS_IT,
    ("settings/settings.py", "must be a number"): ITS_SENTENCE_SAYS_IT,
    ("settings/settings.py", "must be a share"): ITS_SENTENCE_SAYS_IT,
    ("settings/settings.py", "must be one printable line"): ITS_SENTENCE_SAYS_IT,
    ("settings/settings.py", "must be exit codes"): ITS_SENTENCE_SAYS_IT,
    ("settings/settings.py", "_named('approved')"): "the reader of the fingerprint says what to write",
    ("settings/settings.py", "{_named(name)}: {error}"): "the reader of the command says what to write",
    ("run/hooks.py", "a bug in bulkroute"): "for a hook alone; the command itself shows the traceback",
}
"""Errors that need no hint, by file and a part of the call, each with the reason."""


class Raised(NamedTuple):
    """Where an error is made; `by_os`: what the system refused is told on."""

    file: str
    line: int
    name: str
    text: str
    keywords: dict[str, ast.expr]
    by_os: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def every_error(kind: type[BulkrouteError] = BulkrouteError) -> Iterator[type[BulkrouteError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from every_error(below)


ERRORS = sorted({kind for kind in every_error() if kind.__module__ == errors.__name__}, key=lambda kind: kind.__name__)
NAMES = {kind.__name__ for kind in ERRORS}


def every_place() -> Iterator[Raised]:
    """Yield every place of the package, the simulator aside, where one of the errors is made."""
    for path in sorted(PACKAGE.rglob("*.py")):
        file = str(path.relative_to(PACKAGE))
        if not file.startswith("simulator"):
            yield from _made_in(ast.parse(path.read_text()), file, by_os=False)


def _made_in(node: ast.AST, file: str, *, by_os: bool) -> Iterator[Raised]:
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        by_os = "OSError" in ast.unparse(node.type)
    # Not `click.UsageError`, which shows how the command is used.
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        yield Raised(file, node.lineno, node.func.id, ast.unparse(node), keywords, by_os)
    for child in ast.iter_child_nodes(node):
        yield from _made_in(child, file, by_os=by_os)


PLACES = list(every_place())


@pytest.mark.parametrize("kind", ERRORS)
def test_each_error_has_an_exit_code_that_is_told(kind: type[BulkrouteError]) -> None:
    code = kind.stop.exit_code
    assert EXIT_MEANINGS[code]
    assert code not in (ExitCode.DONE, ExitCode.SOME_FAILED)
    assert (code is ExitCode.BUG) == (kind is BulkrouteError)
    assert kind.__doc__
    told = re.search(rf"\b{kind.__name__} +(\d+) ", errors.__doc__ or "")
    if told:
        assert int(told[1]) == code
    else:
        assert kind is BulkrouteError or kind.__name__ in (errors.__doc__ or "")
    (above,) = kind.__bases__
    assert not issubclass(above, BulkrouteError) or above is BulkrouteError or above.stop.exit_code == code


@pytest.mark.parametrize("stop", StopKind)
def test_each_kind_of_stop_has_a_word_a_meaning_and_an_exit_code(stop: StopKind) -> None:
    assert re.fullmatch("[a-z_]+", stop)
    assert stop.meaning
    assert EXIT_MEANINGS[stop.exit_code]


def test_the_walk_finds_the_errors() -> None:
    assert len(PLACES) > 120
    assert {"LedgerBusy", "ManifestError", "CredentialsRefused"} <= {place.name for place in PLACES}
    unused = NAMES - {place.name for place in PLACES} - {"BulkrouteError"}
    assert not unused, "nothing makes these errors"


def test_each_place_says_what_to_do_next() -> None:
    own = {"ManifestError", "ProxyRefused"}  # their class has the hint
    without = [place for place in PLACES if "hint" not in place.keywords and place.name not in own]
    excused = {
        key: [place for place in without if place.file == key[0] and key[1] in place.text] for key in WITHOUT_HINT
    }
    assert not [key for key, places in excused.items() if not places], "these excuses are out of date"
    missing = [str(place) for place in without if not any(place in places for places in excused.values())]
    assert not missing, "\n".join(missing)
    empty = [
        place for place in PLACES if isinstance(hint := place.keywords.get("hint"), ast.Constant) and not hint.value
    ]
    assert not empty


def test_what_the_system_refuses_is_told_with_its_place() -> None:
    by_os = [place for place in PLACES if place.by_os]
    assert len(by_os) > 10
    missing = [str(place) for place in by_os if "where" not in place.keywords and place.name != "ServiceUnreachable"]
    assert not missing, "\n".join(missing)


def test_an_error_is_one_line_of_where_what_and_what_to_do() -> None:
    assert str(UsageError("is wrong", where="a.csv:3", hint="mend it")) == "a.csv:3: is wrong; mend it"
    assert str(UsageError("is wrong")) == "is wrong"
    assert UsageError("x", stop=StopKind.MANIFEST).exit_code is ExitCode.MANIFEST
