"""CSV to rows. Streams: one row at a time, whatever the size of the file.

Extra columns are ignored and named once. Values lose the blanks around them, since spreadsheets add some; nothing else
is changed. A row's line is the physical line where it starts, also when quoted values hold line breaks. Rows of blank
cells alone are blank lines, and Excel's `sep=;` line tells the delimiter.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from itertools import chain
from operator import itemgetter
from typing import Any

from bulkroute.manifest import header
from bulkroute.manifest.decoding import TextBlocks, UnreadableError
from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.reading import Reading
from bulkroute.manifest.row_rules import AnyRow, Check

_DELIMITERS = (",", ";", "\t")
_SEP_LINE = re.compile(r'"?sep=([^\r\n])"?[,;\t]*\s*', re.IGNORECASE)


class _Lines:
    """Physical lines, ends kept. `cut` says that the last line has no end, `ended` that there are no more."""

    def __init__(self, blocks: TextBlocks) -> None:
        self._blocks = blocks
        self.cut = False
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        """Yield lines, split by `StringIO` in C; a loop over them here would double the time `csv` takes."""
        return chain.from_iterable(io.StringIO(text, newline="") for text in self._whole_lines())

    def _whole_lines(self) -> Iterator[str]:
        rest = ""
        for block in self._blocks:
            text = rest + block
            end = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
            rest = text[end:]
            if end:
                yield text[:end]
        if rest:
            self.cut = not rest.endswith("\r")
            yield rest
        self.ended = True


class CsvReader(Reading):
    """Reads one CSV manifest, once; its header at once."""

    def __init__(self, blocks: TextBlocks, faults: Faults) -> None:
        super().__init__(faults)
        self._blocks = blocks
        self._lines = _Lines(blocks)
        self._table: Any = None  # csv's reader, once the header is found good
        self._header = header.Columns(None, (), {}, [])
        self._width = 0
        try:
            self._open()
        except UnreadableError as error:
            self._unreadable(error)
        except csv.Error as error:
            self._broken(error)

    def _open(self) -> None:
        """Read the header."""
        blocks, faults, lines = self._blocks, self._faults, iter(self._lines)
        head, delimiter = _head(lines)
        blocks.progress = max(len(head), 1)
        if delimiter and delimiter not in _DELIMITERS:
            faults.add(
                len(head) - 1, f"sep={quote(delimiter)[1:-1]} is no delimiter; use a comma, a semicolon or a tab"
            )
            return
        table = csv.reader(chain(head, lines), delimiter=delimiter or _delimiter(head), strict=True)
        names = next((fields for fields in table if any(map(str.strip, fields))), [])
        if not names:
            faults.add(0, "is empty; give a header row with id, devicetype and deviceId, and rows below it")
            return
        self._header = header.columns_of(names)
        for problem in self._header.problems:
            faults.add(blocks.progress, problem)
        if not self._header.problems:
            self.kind, self.columns = self._header.kind, frozenset(self._header.places)
            self._table, self._width = table, len(names)

    def _checked(self, check: Check[AnyRow]) -> Iterator[AnyRow]:
        try:
            if self._table is not None:
                yield from self._rows(check)
        except UnreadableError as error:
            self._unreadable(error)
        check.finish()

    def _rows(self, check: Check[AnyRow]) -> Iterator[AnyRow]:
        blocks, table, width = self._blocks, self._table, self._width
        take, pick = check.take, self._picker(check)
        blocks.progress = line = table.line_num + 1
        while not self._lines.ended:  # a broken row ends the inner loop, not the file
            try:
                for fields in table:
                    if len(fields) == width:
                        values = pick(fields)
                        row = take(line, values) or self._examine(check, line, fields, values)
                        if row is not None:
                            yield row
                    else:
                        self._misfit(line, fields)
                    blocks.progress = line = table.line_num + 1
            except csv.Error as error:
                self._broken(error)
                blocks.progress = line = table.line_num + 1

    def _picker(self, check: Check[AnyRow]) -> Callable[[list[str]], tuple[str, ...]]:
        """Return what picks the fields that the check wants from a row, and name the columns that go unused."""
        places = self._header.places
        if unused := self._header.unused(check.fields):
            self._faults.notice(header.ignored(unused, "columns"))
        get = itemgetter(*(places.get(field, self._width) for field in check.fields))
        if all(field in places for field in check.fields):
            return get

        def pick(fields: list[str]) -> tuple[str, ...]:
            fields.append("")  # stands for every field without a column
            values: tuple[str, ...] = get(fields)
            return values

        return pick

    def _examine(self, check: Check[AnyRow], line: int, fields: list[str], values: tuple[str, ...]) -> AnyRow | None:
        """Return what a closer look makes of a row; nothing of one that is blank in every cell."""
        if not any(map(str.strip, fields)):
            return None
        return check.examine(line, tuple(map(str.strip, values)))

    def _misfit(self, line: int, fields: list[str]) -> None:
        """Record a row with another number of fields than the header, unless it is blank."""
        if any(map(str.strip, fields)):
            count = f"{len(fields)} field{'s' if len(fields) > 1 else ''} where the header has {self._width}"
            if self._lines.cut and len(fields) < self._width:
                self._faults.next_part()
                self._faults.add(line, f"the file is cut off in this row ({count}); get it again in full")
            else:
                self._faults.add(line, f"{count}; correct the row, and quote values that hold the delimiter")

    def _unreadable(self, error: UnreadableError) -> None:
        self._faults.next_part()
        self._faults.add(self._blocks.progress if error.line is None else error.line, str(error))

    def _broken(self, error: csv.Error) -> None:
        if self._lines.ended:
            self._faults.next_part()
            text = "a quote opened in this row is never closed; close it, or get the file again if it was cut off"
        elif "field limit" in str(error):
            text = f"a value is longer than {csv.field_size_limit()} characters; shorten it, or close its quote"
        else:
            text = "a quoted value goes on after its closing quote; double each quote inside it"
        self._faults.add(self._blocks.progress, text)


def _head(lines: Iterator[str]) -> tuple[list[str], str]:
    """Return the lines up to the header, and the delimiter that a `sep=` line before it names, or "".

    That line is blanked, so that the numbers of the others stay as they are.
    """
    head, delimiter = [], ""
    for line in lines:
        head.append(line)
        if not delimiter and (said := _SEP_LINE.fullmatch(line)):
            delimiter = said[1]
            head[-1] = "\n"
        elif line.strip():
            break
    return head, delimiter


def _delimiter(head: list[str]) -> str:
    """Return the delimiter that splits the header into the most columns we look for."""

    def columns_found(delimiter: str) -> int:
        try:
            return sum(header.is_known(name) for row in csv.reader(head, delimiter=delimiter) for name in row)
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=columns_found)
