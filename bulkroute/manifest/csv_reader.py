"""CSV to rows. Streams: one row at a time, whatever the size of the file.

Extra columns are ignored and named once. Values lose the blanks around them, since spreadsheets add some; nothing else
is changed. A row's line is the physical line where it starts, also when quoted values hold line breaks.
"""

import csv
import io
from collections.abc import Callable, Iterator
from itertools import chain
from operator import itemgetter

from bulkroute.manifest.decoding import TextBlocks, UnreadableError
from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.row_rules import FIELDS, RowCheck, field_of, ignored
from bulkroute.model import Row

_DELIMITERS = (",", ";", "\t")


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


class CsvReader:
    """Reads one CSV manifest, once."""

    def __init__(self, blocks: TextBlocks, faults: Faults) -> None:
        self._blocks = blocks
        self._faults = faults
        self._check = RowCheck(faults)
        self._lines = _Lines(blocks)

    def rows(self) -> Iterator[Row]:
        """Yield the good rows in the file's order; the others become faults."""
        try:
            yield from self._read()
        except UnreadableError as error:
            self._faults.next_part()
            self._faults.add(self._blocks.progress if error.line is None else error.line, str(error))
        self._check.finish()

    def _read(self) -> Iterator[Row]:
        blocks, lines = self._blocks, iter(self._lines)
        head = _head(lines)
        blocks.progress = max(len(head), 1)
        reader = csv.reader(chain(head, lines), delimiter=_delimiter(head), strict=True)
        try:
            header = next((fields for fields in reader if any(map(str.strip, fields))), [])
        except csv.Error as error:
            self._broken(error)
            return
        pick = self._columns(header)
        if pick is None:
            return
        take, width = self._check.take, len(header)
        blocks.progress = line = reader.line_num + 1
        while not self._lines.ended:  # a broken row ends the inner loop, not the file
            try:
                for fields in reader:
                    if len(fields) == width:
                        values = pick(fields)
                        row = take(line, values) or self._check.examine(line, *map(str.strip, values))
                        if row is not None:
                            yield row
                    else:
                        self._misfit(line, fields, width)
                    blocks.progress = line = reader.line_num + 1
            except csv.Error as error:
                self._broken(error)
                blocks.progress = line = reader.line_num + 1

    def _columns(self, header: list[str]) -> Callable[[list[str]], tuple[str, str, str]] | None:
        """Return what picks id, devicetype and deviceId from a row, or None if the header does not have each once."""
        if not header:
            self._faults.add(0, "is empty; give a header row with id, devicetype and deviceId, and rows below it")
            return None
        names = {field: [name for name in header if field_of(name) == field] for field in FIELDS}
        missing = [field for field in FIELDS if not names[field]]
        doubled = [field for field in FIELDS if len(names[field]) > 1]
        if missing:
            self._faults.add(
                self._blocks.progress,
                f"the header has no {' and no '.join(missing)}; "
                "name the columns id, devicetype and deviceId in the first row",
            )
        for field in doubled:
            self._faults.add(
                self._blocks.progress,
                f"{field} is the name of several columns ({', '.join(map(quote, names[field]))}); keep one",
            )
        if missing or doubled:
            return None
        further = [name for name in header if field_of(name) is None]
        if further:
            self._faults.notice(ignored(further, "columns"))
        return itemgetter(*(header.index(names[field][0]) for field in FIELDS))

    def _misfit(self, line: int, fields: list[str], width: int) -> None:
        """Record a row with another number of fields than the header, unless it is blank."""
        if len(fields) > 1 or any(map(str.strip, fields)):
            count = f"{len(fields)} field{'s' if len(fields) > 1 else ''} where the header has {width}"
            if self._lines.cut and len(fields) < width:
                self._faults.next_part()
                self._faults.add(line, f"the file is cut off in this row ({count}); get it again in full")
            else:
                self._faults.add(line, f"{count}; mend the row, and quote values that hold the delimiter")

    def _broken(self, error: csv.Error) -> None:
        if self._lines.ended:
            self._faults.next_part()
            text = "a quote opened in this row is never closed; close it, or get the file again if it was cut off"
        elif "field limit" in str(error):
            text = f"a value is longer than {csv.field_size_limit()} characters; shorten it, or close its quote"
        else:
            text = "a quoted value goes on after its closing quote; double each quote inside it"
        self._faults.add(self._blocks.progress, text)


def _head(lines: Iterator[str]) -> list[str]:
    """Return the first line that is not blank, and the blank ones before it."""
    head = []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    return head


def _delimiter(head: list[str]) -> str:
    """Return the delimiter that splits the header into the most columns we look for."""

    def columns_found(delimiter: str) -> int:
        try:
            return sum(field_of(name) is not None for row in csv.reader(head, delimiter=delimiter) for name in row)
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=columns_found)
