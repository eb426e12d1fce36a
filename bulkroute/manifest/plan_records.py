"""What a line of a saved plan says, taken from its JSON: every value of the type and in the range that it may have, or none.

Strict, since the file is approved by people and run by a program: nothing is guessed, nothing is left out.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from bulkroute.manifest.faults import quote
from bulkroute.manifest.row_rules import MAX_DEVICE_ID, MAX_ID_CHARS
from bulkroute.manifest.saved_plan import STANDINGS, PlanCounts, PlanHead, PlanOrigin, PlanRow, WaveRows
from bulkroute.model import DeviceType, NamedTarget, Pair

_SURROGATE = re.compile("[\ud800-\udfff]")


def head_of(found: Any) -> PlanHead:
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
    by_kind = {kind: _whole(rows, f"refused {quote(kind)}") for kind, rows in refused.items()}
    return PlanCounts(**{name: _whole(rows, name) for name, rows in values.items()}, refused=by_kind)


def _wave_rows(found: Any) -> WaveRows:
    values = _values(found, "wave rows", "waves")
    return WaveRows(_or_none(_whole, values["wave"], "wave"), _whole(values["rows"], "rows"))


def _pair(found: Any) -> Pair:
    values = _values(found, "from to rows", "pairs")
    return Pair(_or_none(_before, values["from"], "from"), _after(values["to"], "to"), _whole(values["rows"], "rows"))


def row_of(found: Any) -> PlanRow:
    """Return the row that a line says. Raises ValueError."""
    values = _values(found, "line id accessCode extCode mediaType before after editable wave standing drifted")
    route_id = _text(values["id"], "id")
    if not route_id.isprintable() or route_id.split() != [route_id] or len(route_id) > MAX_ID_CHARS:
        raise ValueError("id is none that a called route may have")
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
    if type(found) is not str or not (found.isascii() or _SURROGATE.search(found) is None):
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
