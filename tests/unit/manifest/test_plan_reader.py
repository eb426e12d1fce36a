"""A saved plan is read as it was written, or not at all: the first thing that is wrong is told with its line."""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkroute.errors import UsageError
from bulkroute.manifest.faults import Faults
from bulkroute.manifest.plan_reader import PlanReader
from bulkroute.manifest.saved_plan import (
    MOST_LINE_BYTES,
    STANDINGS,
    PlanCounts,
    PlanHead,
    PlanOrigin,
    PlanRow,
    WaveRows,
    last_line,
    write_plan,
)
from bulkroute.model import NamedTarget, Pair

NIGHT, BILLING = NamedTarget(3, 3015, "Night"), NamedTarget(1, 101, "Billing")
ORIGIN = PlanOrigin(
    "0.2.0", "2026-03-28T12:00:00.000Z", "ann@ops1", "https://cc.example.com", "0123456789ab", "eu", "cutover.csv", None
)


def row(line: int, *, route_id: str = "", standing: str = "change") -> PlanRow:
    before = NIGHT if standing == "right" else BILLING
    return PlanRow(
        line, route_id or f"11253970611533690{line:02}", standing, False, before, NIGHT, "4008001234", "2", 5, "0", None
    )


def head_of(rows: Sequence[PlanRow], **changed: Any) -> PlanHead:
    standings = [each.standing for each in rows]
    change, right = standings.count("change"), standings.count("right")
    refused = {kind: standings.count(kind) for kind in sorted(set(standings) - {"change", "right"})}
    counts = PlanCounts(len(rows), change, right, 0, 0, refused, 0)
    return PlanHead(ORIGIN, True, len(rows), counts, [], [Pair(BILLING, NIGHT, change)], 0, [])._replace(**changed)


def written(rows: Sequence[PlanRow], head: PlanHead | None = None) -> bytes:
    file = io.StringIO(newline="")
    write_plan(file, head or head_of(rows), rows)
    return file.getvalue().encode()


def read(data: bytes) -> tuple[PlanReader, list[PlanRow], Faults]:
    faults = Faults("x.plan")
    reader = PlanReader(io.BytesIO(data).readline, faults)
    return reader, list(reader.rows()), faults


ROWS = [row(2), row(3, standing="right"), row(4, standing="locked"), row(7)]
PLAN = written(ROWS)
LINES = PLAN.splitlines(keepends=True)


def sealed(lines: Sequence[bytes]) -> bytes:
    """Return these lines with a last line that is theirs, as somebody would write it who wants to deceive."""
    body = b"".join(lines)
    return body + last_line(hashlib.sha256(body).hexdigest()).encode()


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
number = st.integers(0, 2**63 - 1)
anywhere = st.builds(NamedTarget, st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62), text)
somewhere = st.builds(NamedTarget, st.sampled_from((1, 3)), number, text)
any_rows = st.lists(
    st.builds(
        PlanRow,
        line=st.just(0),
        id=st.just(""),
        standing=st.sampled_from(sorted(STANDINGS)),
        drifted=st.booleans(),
        before=st.none() | anywhere,
        after=somewhere,
        access_code=text,
        ext_code=text,
        media_type=st.none() | st.integers(-5, 99),
        editable=st.none() | text,
        wave=st.none() | st.integers(0, 9),
    ),
    max_size=5,
)


@settings(max_examples=50)
@given(any_rows, st.lists(text, max_size=3), st.booleans(), st.lists(st.builds(WaveRows, st.none() | number, number)))
def test_what_was_written_is_read_whatever_it_says(
    rows: list[PlanRow], warnings: list[str], settled: bool, waves: list[WaveRows]
) -> None:
    numbered = [each._replace(line=place, id=f"7{place}") for place, each in enumerate(rows, 2)]
    head = head_of(numbered, warnings=warnings, settled=settled, waves=waves)
    data = written(numbered, head)
    reader, found, faults = read(data)
    assert faults.kept == []
    assert (reader.head, found) == (head, numbered)
    assert json.loads(data.splitlines()[-1]) == {"sha256": reader.fingerprint}
    assert written(numbered, head) == data


@settings(max_examples=20)
@given(text)
def test_no_byte_of_a_plan_moves_a_cursor(name: str) -> None:
    data = written([row(2)._replace(after=NamedTarget(3, 1, f"\x1b[2J\x9b31m\u202e{name}"))]).decode()
    assert not any((ord(char) < 0x20 and char != "\n") or 0x7F <= ord(char) < 0xA0 or char == "\u202e" for char in data)


def edited(place: int, change: Callable[[bytes], bytes]) -> bytes:
    return b"".join(change(line) if number == place else line for number, line in enumerate(LINES, 1))


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        (b"", 0, "is empty"),
        (b"id,devicetype,deviceId\n", 1, "no saved plan"),
        (b'{"format": "something else", "version": 1}\n', 1, "no saved plan"),
        (b"[" * 50_000 + b"\n", 1, "no saved plan"),
        (b"\xef\xbb\xbf" + PLAN, 1, "byte order mark"),
        (PLAN.decode().encode("utf-16"), 1, "UTF-16"),
        (PLAN.replace(b"\n", b"\r\n"), 1, "CR LF"),
        (edited(3, lambda line: line[:-1] + b"\r\n"), 3, "CR LF"),
        (PLAN.replace(b'"version": 1', b'"version": 2'), 1, "of format 2"),
        (b"".join(LINES[:-1]), 5, "cut off after this line"),
        (b"".join(LINES[:3]), 3, "cut off after this line"),
        (PLAN[:-1], 6, "cut off within"),
        (PLAN[: len(LINES[0]) // 2], 1, "cut off within"),
        (PLAN[: len(LINES[0]) + 9], 2, "cut off within"),
        (edited(3, lambda line: line.replace(b"3015", b"3016")), 6, "changed since it was made"),
        (b"".join(LINES[:2] + LINES[3:]), 5, "changed since it was made"),
        (b"".join([LINES[0], LINES[2], LINES[1], *LINES[3:]]), 3, "after that of line 3"),
        (b"".join([*LINES[:2], LINES[1], *LINES[2:]]), 3, "after that of line 2"),
        (PLAN + b"\n", 6, "follows the last line"),
        (PLAN + LINES[1], 6, "follows the last line"),
        (edited(4, lambda line: line[:9] + b"\xff" + line[9:]), 4, "not UTF-8"),
        (edited(4, lambda _line: b"\n"), 4, "no JSON object"),
        (edited(4, lambda _line: b"3\n"), 4, "no object"),
        (edited(4, lambda line: line[:-2] + b" " * MOST_LINE_BYTES + b"}\n"), 4, "longer than"),
        (edited(6, lambda line: line.upper()), 6, "no JSON object|no object"),
    ],
)
def test_a_plan_that_is_not_intact_is_told_with_its_line(data: bytes, line: int, says: str) -> None:
    _reader, _rows, faults = read(data)
    (fault,) = faults.kept
    assert any(each in fault for each in says.split("|"))
    assert fault.startswith(f"x.plan:{line}: " if line else "x.plan: ")


@pytest.mark.parametrize(
    ("place", "old", "new", "says"),
    [
        (2, b'"line": 2', b'"line":  2', "not written as bulkroute writes it"),
        (2, b'{"line": 2', b'{"line": 9, "line": 2', "not written as bulkroute writes it"),
        (
            2,
            b'"accessCode": "4008001234", "extCode": "2"',
            b'"extCode": "2", "accessCode": "4008001234"',
            "not written",
        ),
        (2, b'"line": 2', b'"line": true', "line is no whole number"),
        (2, b'"line": 2', b'"line": 2.0', "line is no whole number"),
        (2, b'"line": 2', b'"line": -2', "line is below 0"),
        (2, b'"deviceId": 3015', b'"deviceId": 9223372036854775808', "deviceId is no whole number"),
        (2, b'"deviceId": 3015', b'"deviceId": -1', "deviceId of after is below 0"),
        (2, b'"devicetype": 3', b'"devicetype": 2', "neither 1 nor 3"),
        (2, b'"change"', b'"sent"', "standing"),
        (2, b'"drifted": false', b'"drifted": 0', "drifted"),
        (2, b'"editable": "0"', b'"editable": 0', "editable is no text"),
        (2, b'"Night"', b'"\\ud800"', "name is no text"),
        (2, b'"id": "', b'"id": " ', "none that a called route may have"),
        (2, b', "drifted": false', b"", "no object"),
        (1, b'"row_count": 4', b'"row_count": 5', "not as many"),
        (1, b'"to_change": 2', b'"to_change": 3', "not as many"),
        (1, b'"made_at": "2026', b'"made_at": "x2026', "made_at is no moment"),
        (1, b"12:00:00.000Z", b"12:00:00.000", "made_at is no moment"),
        (1, b'"settled": true', b'"settled": 1', "settled"),
        (1, b'"pairs": [{', b'"pairs": [{}, {', "pairs is no object"),
        (1, b'"locked": 1', b'"locked": -1', "refused 'locked' is below 0"),
    ],
)
def test_a_line_of_the_wrong_kind_is_refused_though_the_last_line_vouches_for_it(
    place: int, old: bytes, new: bytes, says: str
) -> None:
    assert LINES[place - 1].count(old), old
    changed = [line.replace(old, new, 1) if at == place else line for at, line in enumerate(LINES[:-1], 1)]
    _reader, _rows, faults = read(sealed(changed))
    assert [says in fault for fault in faults.kept] == [True], faults.kept


def test_a_plan_is_read_with_all_that_it_says() -> None:
    waves = [WaveRows(1, 3), WaveRows(None, 1)]
    head = head_of(ROWS, waves=waves, pairs=[Pair(None, NIGHT, 1)], more_pairs=2, warnings=["look"])
    reader, found, faults = read(written(ROWS, head))
    assert (reader.head, found, faults.kept) == (head, ROWS, [])
    deep = [row(2)._replace(media_type=None, editable=None, wave=4, before=None, drifted=True)]
    assert read(written(deep))[1] == deep


SPOILT: list[tuple[int, str, object, str]] = [
    *(
        (1, key, ["x"], key)
        for key in json.loads(LINES[0])
        if key not in ("format", "version", "waves", "pairs", "warnings")
    ),
    *((2, key, ["x"], key) for key in json.loads(LINES[1])),
    *((1, key, {}, f"{key} is no list") for key in ("waves", "pairs", "warnings")),
    (1, "warnings", [7], "warnings is no text"),
    (1, "waves", [{}], "waves is no object of wave, rows"),
    (1, "waves", [{"wave": "x", "rows": 1}], "wave is no whole number"),
    (1, "waves", [{"wave": 1, "rows": "x"}], "rows is no whole number"),
    (1, "pairs", [{"from": [], "to": [], "rows": 1}], "from is no object"),
    (1, "pairs", [{"from": None, "to": [], "rows": 1}], "to is no object"),
    (1, "pairs", [{"from": None, "to": NIGHT.to_json(), "rows": "x"}], "rows is no whole number"),
    (1, "counts", {**head_of(ROWS).counts._asdict(), "refused": []}, "refused is no object"),
    (
        1,
        "counts",
        {**head_of(ROWS).counts._asdict(), "refused": {"\x1b[2J" + "x" * 99: -1}},
        f"refused '\\x1b[2J{'x' * 33}...'",
    ),
    (1, "counts", {**head_of(ROWS).counts._asdict(), "twice": None}, "twice is no whole number"),
    (2, "id", "\udfff", "id is no text"),
    (2, "mediaType", 2**63, "mediaType is no whole number"),
]


@pytest.mark.parametrize(("place", "key", "value", "says"), SPOILT)
def test_what_is_wrong_in_a_line_is_named(place: int, key: str, value: object, says: str) -> None:
    record = json.loads(LINES[place - 1]) | {key: value}
    _reader, _rows, faults = read(sealed([*LINES[: place - 1], json.dumps(record).encode() + b"\n", *LINES[place:-1]]))
    (fault,) = faults.kept
    assert f"{fault} ".startswith(f"x.plan:{place}: {says} ")


def test_a_head_in_another_spelling_was_changed() -> None:
    spoilt = LINES[0].replace(b'"version": 1', b'"version":  1')
    assert "was changed since it was made" in read(sealed([spoilt, *LINES[1:-1]]))[2].kept[0]


def test_the_largest_number_and_the_longest_line_are_read() -> None:
    rows = [row(2)._replace(before=NamedTarget(1, 2**63 - 1, ""))]
    assert read(written(rows))[1] == rows
    room = MOST_LINE_BYTES - len(written(ROWS, head_of(ROWS, warnings=[""])).splitlines(keepends=True)[0])
    long = head_of(ROWS, warnings=["x" * room])
    assert read(written(ROWS, long))[0].head == long


def test_a_row_that_fits_no_line_is_not_written() -> None:
    with pytest.raises(UsageError, match="line 2 of the plan"):
        written([row(2)._replace(editable="x" * MOST_LINE_BYTES)])


def test_a_file_that_cannot_be_read_any_further_is_a_fault() -> None:
    lines = iter(LINES[:2])

    def broken(_size: int) -> bytes:
        if (line := next(lines, None)) is None:
            raise OSError(5, "Input/output error")
        return line

    faults = Faults("x.plan")
    assert len(list(PlanReader(broken, faults).rows())) == 1
    assert faults.kept == ["x.plan:2: cannot be read any further (Input/output error)"]


@pytest.mark.parametrize(("chars", "is_read"), [(64, True), (65, False)])
def test_an_id_has_64_characters_at_most(chars: int, is_read: bool) -> None:
    _reader, rows, faults = read(written([row(2, route_id="7" * chars)]))
    assert (len(rows) == 1, faults.total == 0) == (is_read, is_read)
