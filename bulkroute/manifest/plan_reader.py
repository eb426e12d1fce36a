"""Reads a saved plan, one line at a time, and believes nothing of it that its last line does not vouch for.

A plan is intact or it is not: the first thing that is wrong ends the reading, as a fault with its line. No row may be
acted on before all of them are read.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bulkroute.errors import ManifestError
from bulkroute.manifest.faults import Faults
from bulkroute.manifest.plan_records import head_of, row_of
from bulkroute.manifest.saved_plan import (
    FORMAT,
    MOST_LINE_BYTES,
    VERSION,
    PlanHead,
    PlanRow,
    last_line,
    line_of,
)

HINT = "take the file as it was made, or make the plan anew"
"""What to do about a plan that is not intact."""

_MARKS = {b"\xef\xbb\xbf": "a byte order mark", b"\xff\xfe": "a mark of UTF-16", b"\xfe\xff": "a mark of UTF-16"}
_BY_EDITOR = "an editor or a transfer has changed it"


def not_intact(faults: Faults) -> ManifestError:
    """Return the error of a plan that is not intact."""
    error = faults.error()
    error.hint = HINT
    return error


class PlanReader:
    """One saved plan being read, once. `head` is None where the first line is no plan's; why not is among the faults."""

    fingerprint = ""
    """Known once `rows` has come to the end of an intact plan."""

    def __init__(self, read_line: Callable[[int], bytes], faults: Faults) -> None:
        """`read_line` gives the next line, or so many bytes of it, and nothing at the end."""
        self._read_line = read_line
        self._faults = faults
        self._number = 0
        self._sha256 = hashlib.sha256()
        self.head: PlanHead | None = None
        with self._told():
            self.head = self._read_head()

    def rows(self) -> Iterator[PlanRow]:
        """Yield the rows in order; the first thing that is wrong becomes a fault and ends them."""
        if self.head is not None:
            with self._told():
                yield from self._rows(self.head)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make what is wrong a fault of the line that was read last."""
        try:
            yield
        except ValueError as error:
            self._faults.add(self._number, str(error))
        except OSError as error:
            self._faults.add(self._number, f"cannot be read any further ({error.strerror})")

    def _rows(self, head: PlanHead) -> Iterator[PlanRow]:
        standings: Counter[str] = Counter()
        before = 0
        while not (line := self._next()).startswith(b'{"sha256"'):
            self._sha256.update(line)
            row = row_of(_parsed(line))
            _require_own_spelling(line, row.to_json())
            if row.line <= before:
                raise ValueError(f"is the row of line {row.line} of the manifest, after that of line {before}")
            before = row.line
            standings[row.standing] += 1
            yield row
        fingerprint = self._sha256.hexdigest()
        if line != last_line(fingerprint).encode():
            raise ValueError(
                "its lines are not those that this last line is of: the plan was changed since it was made"
            )
        if self._read_line(1):
            raise ValueError("something follows the last line of the plan")
        counts = head.counts
        if (sum(standings.values()), standings["change"], standings["right"]) != (
            head.rows,
            counts.to_change,
            counts.already_right,
        ):
            raise ValueError("its rows are not as many as its head says")
        self.fingerprint = fingerprint

    def _next(self) -> bytes:
        """Return the next line. Raises ValueError where there is none, or not all of it."""
        line = self._read_line(MOST_LINE_BYTES + 1)
        if not line:
            raise ValueError("the plan is cut off after this line: its last line is missing")
        self._number += 1
        _require_whole(line)
        return line

    def _read_head(self) -> PlanHead:
        line = self._read_line(MOST_LINE_BYTES + 1)
        if not line:
            raise ValueError("is empty")
        self._number = 1
        for mark, name in _MARKS.items():
            if line.startswith(mark):
                raise ValueError(f"begins with {name}: {_BY_EDITOR}")
        _require_version(line)
        _require_whole(line)
        head = head_of(_parsed(line))
        _require_own_spelling(line, head.to_json())
        self._sha256.update(line)
        return head


def _require_version(line: bytes) -> None:
    """Refuse a first line that is no plan's, or that of a plan of tomorrow. Raises ValueError."""
    try:
        found = _parsed(line)
    except ValueError:
        found = None
        if line.startswith(f'{{"format": "{FORMAT}"'.encode()):
            return  # of a plan, and cut off
    if type(found) is not dict or found.get("format") != FORMAT:
        raise ValueError(
            "is no saved plan, as `bulkroute plan MANIFEST -o FILE.plan` makes them; a manifest is called .csv or .yaml"
        )
    version = found.get("version")
    if type(version) is int and version > VERSION:
        raise ValueError(f"is a plan of format {version}, and this bulkroute knows formats up to {VERSION}")


def _require_whole(line: bytes) -> None:
    """Refuse a line that is too long, has lost its end or got another one. Raises ValueError."""
    if len(line) > MOST_LINE_BYTES:
        raise ValueError(f"is longer than the {MOST_LINE_BYTES:,} bytes that a line of a plan may have")
    if line.endswith((b"\r\n", b"\r")):
        raise ValueError(f"its line end is CR LF: {_BY_EDITOR}")
    if not line.endswith(b"\n"):
        raise ValueError("the plan is cut off within this line")


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError:
        raise ValueError(f"is not UTF-8: {_BY_EDITOR}") from None
    except (ValueError, RecursionError):
        raise ValueError("is no JSON object") from None


def _require_own_spelling(line: bytes, record: dict[str, object]) -> None:
    """Refuse what says the same in another way: other blanks, another order, a key twice. Raises ValueError."""
    if line != line_of(record).encode():
        raise ValueError("is not written as bulkroute writes it: the plan was changed since it was made")
