"""Reads a saved plan, one line at a time, and believes nothing of it that its last line does not vouch for.

A plan is intact or it is not: the first thing that is wrong ends the reading, as a fault with its line. No row may be
acted on before all of them are read.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bulkroute.errors import ManifestError
from bulkroute.manifest.faults import Faults
from bulkroute.manifest.row_rules import MAX_DEVICE_ID, id_problem
from bulkroute.manifest.saved_plan import (
    FORMAT,
    MOST_LINE_BYTES,
    STANDINGS,
    VERSION,
    PlanCounts,
    PlanHead,
    PlanOrigin,
    PlanRow,
    WaveRows,
    last_line,
    line_of,
)
from bulkroute.model import DeviceType, NamedTarget, Pair

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
            row = _row(_parsed(line))
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
        head = _head(_parsed(line))
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


def _head(found: Any) -> PlanHead:
    """Return the head that a line says. Raises ValueError."""
    values = _values(
        found,
        "format version bulkroute made_at made_by service app_key_fingerprint tenant manifest manifest_sha256 settled"
        " row_count counts waves pairs more_pairs warnings",
    )
    return PlanHead(
        PlanOrigin(
            version=_text(values["bulkroute"], "bulkroute"),
            made_at=_moment(values["made_at"], "made_at"),
            made_by=_text(values["made_by"], "made_by"),
            service=_text(values["service"], "service"),
            app_key=_text(values["app_key_fingerprint"], "app_key_fingerprint"),
            tenant=_text(values["tenant"], "tenant"),
            manifest=_text(values["manifest"], "manifest"),
            manifest_sha256=_or_none(_text, values["manifest_sha256"], "manifest_sha256"),
        ),
        _flag(values["settled"], "settled"),
        _whole(values["row_count"], "row_count"),
        _counts(values["counts"]),
        [_wave_rows(each) for each in _list(values["waves"], "waves")],
        [_pair(each) for each in _list(values["pairs"], "pairs")],
        _whole(values["more_pairs"], "more_pairs"),
        [_text(each, "warnings") for each in _list(values["warnings"], "warnings")],
    )


def _counts(found: Any) -> PlanCounts:
    values = _values(found, " ".join(PlanCounts._fields), "counts")
    refused = values.pop("refused")
    if type(refused) is not dict:
        raise ValueError("refused is no object")
    by_kind = {kind: _whole(rows, kind) for kind, rows in refused.items()}
    return PlanCounts(**{name: _whole(rows, name) for name, rows in values.items()}, refused=by_kind)


def _wave_rows(found: Any) -> WaveRows:
    values = _values(found, "wave rows", "waves")
    return WaveRows(_or_none(_whole, values["wave"], "wave"), _whole(values["rows"], "rows"))


def _pair(found: Any) -> Pair:
    values = _values(found, "from to rows", "pairs")
    return Pair(_or_none(_before, values["from"], "from"), _after(values["to"], "to"), _whole(values["rows"], "rows"))


def _row(found: Any) -> PlanRow:
    """Return the row that a line says. Raises ValueError."""
    values = _values(found, "line id accessCode extCode mediaType before after editable wave standing drifted")
    route_id = _text(values["id"], "id")
    if problem := id_problem(route_id):
        raise ValueError(problem)
    standing = _text(values["standing"], "standing")
    if standing not in STANDINGS:
        raise ValueError("standing is none that a row may have")
    return PlanRow(
        line=_whole(values["line"], "line"),
        id=route_id,
        standing=standing,
        drifted=_flag(values["drifted"], "drifted"),
        before=_or_none(_before, values["before"], "before"),
        after=_after(values["after"], "after"),
        access_code=_text(values["accessCode"], "accessCode"),
        ext_code=_text(values["extCode"], "extCode"),
        media_type=_or_none(_integer, values["mediaType"], "mediaType"),
        editable=_or_none(_text, values["editable"], "editable"),
        wave=_or_none(_whole, values["wave"], "wave"),
    )


def _before(found: Any, name: str) -> NamedTarget:
    values = _values(found, "devicetype deviceId name", name)
    devicetype, device_id = (_integer(values[each], each) for each in ("devicetype", "deviceId"))
    return NamedTarget(devicetype, device_id, _text(values["name"], "name"))


def _after(found: Any, name: str) -> NamedTarget:
    target = _before(found, name)
    if target.devicetype not in list(DeviceType):
        raise ValueError(f"devicetype of {name} is neither 1 nor 3")
    _whole(target.device_id, f"deviceId of {name}")
    return target


def _values(found: Any, keys: str, name: str = "the line") -> dict[str, Any]:
    if type(found) is not dict or set(found) != set(keys.split()):
        raise ValueError(f"{name} is no object of {', '.join(keys.split())}")
    return dict(found)


def _list(found: Any, name: str) -> list[Any]:
    if type(found) is not list:
        raise ValueError(f"{name} is no list")
    return found


def _text(found: Any, name: str) -> str:
    if type(found) is not str or any("\ud800" <= char <= "\udfff" for char in found):
        raise ValueError(f"{name} is no text")
    return found


def _moment(found: Any, name: str) -> str:
    text = _text(found, name)
    try:
        has_offset = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        has_offset = False
    if not has_offset:
        raise ValueError(f"{name} is no moment of ISO 8601 with its offset")
    return text


def _whole(found: Any, name: str) -> int:
    if _integer(found, name) < 0:
        raise ValueError(f"{name} is below 0")
    return int(found)


def _integer(found: Any, name: str) -> int:
    if type(found) is not int or abs(found) > MAX_DEVICE_ID:
        raise ValueError(f"{name} is no whole number")
    return found


def _flag(found: Any, name: str) -> bool:
    if type(found) is not bool:
        raise ValueError(f"{name} is neither true nor false")
    return found


def _or_none(read: Callable[[Any, str], Any], found: Any, name: str) -> Any:
    return None if found is None else read(found, name)
