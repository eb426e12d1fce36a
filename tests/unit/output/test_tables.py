"""Tables and texts at any width: what others wrote stays text, words stay whole, and without a terminal lines do."""

import contextlib
import fcntl
import io
import os
import pty
import shlex
import shutil
import struct
import subprocess
import termios
from collections.abc import Callable
from typing import TextIO

import pytest

from bulkroute.output.tables import Column, Table, advise, columns_of, say, show, width_of

SAID = Table(
    "batch 1 in [bold]x.db",
    [Column("outcome"), Column("rows", right=True), Column("for example", least=19), Column("what the service said")],
    [
        ("succeeded", "2"),
        (
            "failed: business",
            "5",
            "[blink]1125397061153369092",
            "[red]no[/red] [link=https://a.example]x[/link] :smile:",
        ),
        ("failed: server", "2", "队列", "must not be changed, since it is locked by somebody else"),
    ],
    foot=("total", "9"),
)


def on_a_terminal(columns: int, write: Callable[[TextIO], None]) -> str:
    """Return what a terminal of that width gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        write(stream)
    got = b""
    with contextlib.suppress(OSError):  # how Linux tells that the other end is closed
        while part := os.read(ours, 65_536):
            got += part
    os.close(ours)
    return got.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_what_a_service_said_stays_text_and_no_line_is_too_long(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    shown = on_a_terminal(columns, lambda stream: show(SAID, stream))
    assert "\x1b]8" not in shown
    assert "\x1b[31m" not in shown
    assert "…" not in shown
    assert all(part in shown for part in ("[red]", ":smile:", "[blink]", "队列", "total"))
    plain = [line for line in shown.splitlines() if "\x1b" not in line]
    assert plain
    assert max(map(width_of, plain)) <= columns


@pytest.mark.parametrize("columns", [60, 76, 80, 81, 100])
def test_no_frame_is_wider_than_its_terminal(columns: int) -> None:
    cells = (
        "put back",
        "2",
        "Night (ivr 3015)",
        "Billing (skill_queue 101)",
        "4008100001 (id 1125397061153377011), ...",
    )
    heads = [Column("found"), Column("rows", right=True), *map(Column, ("should lead to", "leads to"))]
    found = Table("differences", [*heads, Column("for example", least=21)], [cells])
    shown = on_a_terminal(columns, lambda stream: show(found, stream))
    lines = [line for line in shown.splitlines() if "\u2502" in line]
    assert all(line.endswith("\u2502") and width_of(line) <= columns for line in lines), shown
    parts = zip(*(line.strip("\u2502").split("\u2502") for line in lines), strict=True)
    assert ["".join("".join(part).split()) for part in parts] == ["".join(cell.split()) for cell in cells]


def test_in_a_frame_words_stay_whole() -> None:
    shown = on_a_terminal(80, lambda stream: show(SAID, stream))
    assert all(word in shown for word in SAID.rows[2][3].split())


def test_without_a_terminal_a_table_is_plain_columns() -> None:
    stream = io.StringIO()
    show(SAID, stream)
    assert stream.getvalue().splitlines() == [
        "batch 1 in [bold]x.db",
        "outcome           rows  for example                 what the service said",
        "succeeded            2",
        "failed: business     5  [blink]1125397061153369092  [red]no[/red] [link=https://a.example]x[/link] :smile:",
        "failed: server       2  队列                        must not be changed, since it is locked by somebody else",
        "total                9",
    ]


def test_a_terminal_too_narrow_for_frames_gets_plain_columns() -> None:
    shown = on_a_terminal(59, lambda stream: show(SAID, stream))
    assert "│" not in shown
    assert "failed: business     5  [blink]" in shown


SENTENCE = (
    "stopped: 9 of 12,345 rows done; see `bulkroute status 'a night.ledger.db' --json` for what is left to be done"
)


@pytest.mark.parametrize("columns", [40, 80])
def test_a_sentence_is_broken_between_words_and_never_in_a_command(columns: int) -> None:
    shown = on_a_terminal(columns, lambda stream: say(SENTENCE, stream))
    assert "`bulkroute status 'a night.ledger.db' --json`" in shown
    assert shown.split() == SENTENCE.split()
    assert shown.count("\n") > 1
    assert all(width_of(line) <= columns or "`" in line for line in shown.splitlines())


def test_without_a_terminal_a_sentence_and_a_command_are_one_line() -> None:
    stream = io.StringIO()
    say(SENTENCE, stream)
    advise("go on", COMMAND, 10, stream)
    assert stream.getvalue() == f"{SENTENCE}\nto go on:      {COMMAND}\n"


COMMAND = (
    "bulkroute run 'the night of  the long cutover.csv' --base-url https://cc.example.com --ledger 'it'\"'\"'s one.db'"
    " --rate 20 --canary 5 --header 'X-A: b  c' --yes"
)


@pytest.mark.parametrize("columns", [30, 50, 80, 200])
def test_a_long_command_can_be_copied_from_the_terminal_as_it_is(columns: int) -> None:
    shown = on_a_terminal(columns, lambda stream: advise("go on", COMMAND, 5, stream))
    head, _, copied = shown.partition(":")
    assert head == "to go on"
    assert shlex.split(copied.replace("\\\n", "")) == shlex.split(COMMAND)
    if columns >= 50:
        assert "--base-url https" in copied
        assert max(map(width_of, shown.splitlines())) <= columns
    assert shown.count("\n") == (1 if columns == 200 else shown.count("\\\n") + 2)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash takes $'...', not every sh does")
@pytest.mark.parametrize("columns", [None, 30, 200])
@pytest.mark.parametrize("name", ["\x1b]0;pwn\x07.csv", "it's\ta\\night\n.csv", "bad\udcff.csv", "\u202enight\x9b.csv"])
def test_a_files_name_drives_no_terminal_and_its_command_can_be_copied_all_the_same(
    name: str, columns: int | None
) -> None:
    words = ["bulkroute", "run", name, "--yes", "--note", "a long one that is to be broken somewhere"]

    def write(stream: TextIO) -> None:
        say(f"{name}: is there already", stream)
        advise("go on", shlex.join(words), 5, stream)

    if columns is None:
        stream = io.StringIO()
        write(stream)
        shown = stream.getvalue()
    else:
        shown = on_a_terminal(columns, write)
    assert shown.replace("\n", "").isprintable()
    copied = shown.partition("to go on:")[2].strip().replace("bulkroute", "printf '%s\\0'", 1)
    found = subprocess.run(["bash", "-c", copied], capture_output=True, check=True).stdout
    assert os.fsdecode(found).split("\0")[:-1] == words[1:]


def test_what_is_no_terminal_has_no_width() -> None:
    assert columns_of(io.StringIO()) is None
    assert on_a_terminal(0, lambda stream: print(columns_of(stream), file=stream)) == "80\n"


def test_width_of_texts() -> None:
    assert [width_of(text) for text in ("plain", "队列", "e\u0301")] == [5, 4, 1]
