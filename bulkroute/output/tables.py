"""Tables and texts as wide as who reads them: framed and wrapped on a terminal, elsewhere plain and one line each.

Without a terminal nothing here imports rich, writes an escape code or breaks a line: grep and awk read it. On a
terminal no word is broken that fits on a line.
"""

import locale
import os
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TextIO

FRAMED_COLUMNS = 60
"""How wide a terminal must be for tables with frames; in less their columns would be cut."""

UNKNOWN_COLUMNS = 80
"""Of a terminal that does not say how wide it is."""

_WORD = re.compile(r"\S*`[^`]*`\S*|\S+")


class Column(NamedTuple):
    """The head of a column."""

    name: str
    right: bool = False
    """Whether its cells are numbers, which are never broken."""
    least: int = 0
    """Characters that its cells keep on one line if the terminal allows it."""


class Table(NamedTuple):
    """What a table says: plain texts, row by row."""

    title: str
    columns: list[Column]
    rows: list[tuple[str, ...]]
    foot: tuple[str, ...] | None = None
    """The sum, below the rows."""


def columns_of(stream: TextIO) -> int | None:
    """Return how many characters a line of the terminal takes; None if the stream is none."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or UNKNOWN_COLUMNS
    except OSError:
        return UNKNOWN_COLUMNS


def show(table: Table, stream: TextIO) -> None:
    """Write a table with its title."""
    columns = columns_of(stream)
    say(table.title, stream)
    if columns is None or columns < FRAMED_COLUMNS:
        stream.writelines(f"{line}\n" for line in _plain(table))
    else:
        _draw(table, stream, columns)


def say(text: str, stream: TextIO) -> None:
    """Write a sentence; on a terminal it is broken between words, never within a command that is to be copied."""
    columns, text = columns_of(stream), _harmless(text)
    lines = [text] if columns is None else _filled(_WORD.findall(text), columns, between="", indent="")
    stream.writelines(f"{line}\n" for line in lines)


def say_each(facts: Sequence[tuple[str, str]], stream: TextIO) -> None:
    """Write labelled sentences below each other; on a terminal a long one goes on below its own beginning."""
    columns = columns_of(stream)
    margin = max((len(label) for label, _text in facts), default=0) + 2
    for label, text in facts:
        left = margin + len(text) - len(text.lstrip())  # numbers below each other are padded
        lines = [text.lstrip()]
        if columns is not None:
            lines = list(_filled(_WORD.findall(text), max(columns - left, 1), between="", indent=""))
        for number, line in enumerate(lines):
            print(f"{'' if number else label:<{left}}{line}", file=stream)


def advise(purpose: str, command: str, width: int, stream: TextIO) -> None:
    """Write what a command is for, and the command; one too long for its terminal goes on after a backslash.

    So it can be copied from there and pasted as it is. `width`: of the purposes that stand below each other.
    """
    words = [_shell_word(word) for word in shlex.split(command)]
    line = f"to {purpose + ':':<{width + 1}} {command if command.isprintable() else ' '.join(words)}"
    columns = columns_of(stream)
    if columns is None or width_of(line) <= columns:
        print(line, file=stream)
        return
    lines = _filled(_options(words, columns - 10), columns - 4, between=" \\", indent="    ")
    print(f"to {purpose}:", file=stream)
    stream.writelines(f"    {line}\n" for line in lines)


def _harmless(text: str) -> str:
    """Return a sentence without what drives a terminal, in the names of files say; lines stay lines."""
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)


def _shell_word(word: str) -> str:
    """Return a word as a shell takes it, fit for any terminal: where it must be, as $'...' (bash, ksh, zsh)."""
    if word.isprintable():
        return shlex.quote(word)
    chars = (
        char if char.isprintable() and char not in "'\\" else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
        for char in word
    )
    return f"$'{''.join(chars)}'"


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _filled(words: Iterable[str], columns: int, *, between: str, indent: str) -> Iterator[str]:
    """Yield lines as full as they can be; `between` ends all but the last, `indent` begins all but the first."""
    line = ""
    for word in words:
        if line and width_of(f"{line} {word}{between}") > columns:
            yield line + between
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    yield line


def _options(given: Iterable[str], columns: int) -> list[str]:
    """Return a command's words; an option has its value with it if both fit on a line."""
    words: list[str] = []
    for word in given:
        lonely = words and words[-1].startswith("-") and " " not in words[-1] and not word.startswith("-")
        if lonely and len(words[-1]) + len(word) < columns:
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _plain(table: Table) -> Iterator[str]:
    """Yield the lines of a table without frames, two blanks between columns; the last one is as wide as it is."""
    widths = _widths(table)
    for row in (tuple(column.name for column in table.columns), *_padded(table)):
        filled = []
        for cell, width, column in zip(row, widths, table.columns, strict=True):
            gap = " " * (width - width_of(cell))
            filled.append(gap + cell if column.right else cell + gap)
        yield "  ".join(filled).rstrip()


def _widths(table: Table) -> list[int]:
    """Return how wide the widest cell of each column is, its name among them."""
    rows = [tuple(column.name for column in table.columns), *_padded(table)]
    return [max(map(width_of, cells)) for cells in zip(*rows, strict=True)]


def _padded(table: Table) -> list[tuple[str, ...]]:
    """Return rows and foot, each with a cell for every column."""
    rows = [*table.rows, table.foot] if table.foot else table.rows
    return [row + ("",) * (len(table.columns) - len(row)) for row in rows]


def _draw(table: Table, stream: TextIO, columns: int) -> None:
    """Draw a table with frames."""
    from rich import box  # here, since without a terminal none of it is needed
    from rich.console import Console
    from rich.table import Table as Drawing
    from rich.text import Text

    drawing = Drawing(box=box.HEAVY_HEAD if locale.nl_langinfo(locale.CODESET) == "UTF-8" else box.ASCII2)
    natural = _widths(table)
    spare = columns - sum(natural) - 3 * len(natural) - 1  # what the frames leave
    for column, width in zip(table.columns, natural, strict=True):
        # Given as a least width it would be added to a row that is full already, and the row be cut.
        fixed = max(min(column.least, width), width + spare) if column.least and spare < 0 else None
        drawing.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=column.right,
            overflow="fold",
            width=fixed,
        )
    for number, row in enumerate(_padded(table)):
        if table.foot and number == len(table.rows):
            drawing.add_section()
        drawing.add_row(*map(Text, row))
    Console(file=stream, width=columns, highlight=False).print(drawing)
