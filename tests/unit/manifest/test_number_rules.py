"""Rows by number, and what stands beside an id: all readers alike."""

import json
import random
from io import BytesIO
from typing import Any

import pytest

from bulkroute.manifest import Faults, GivenReader, Kind
from bulkroute.manifest.csv_reader import CsvReader
from bulkroute.manifest.decoding import TextBlocks
from bulkroute.manifest.reading import Reading
from bulkroute.manifest.rows import LabelledRow, NumberedRow, WantedTarget
from bulkroute.manifest.yaml_reader import YamlReader

NIGHT = WantedTarget(None, None, "Night")
Table = list[dict[str, str]]


def as_csv(table: Table, faults: Faults) -> Reading:
    names = list(dict.fromkeys(name for row in table for name in row))
    lines = [names, *([row.get(name, "") for name in names] for row in table)]
    text = "\n".join(";".join(f'"{cell}"' for cell in line) for line in lines)
    return CsvReader(TextBlocks(BytesIO(text.encode()).read), faults)


def as_yaml(table: Table, faults: Faults) -> Reading:
    return YamlReader(TextBlocks(BytesIO(json.dumps(table, ensure_ascii=False).encode()).read), faults)


@pytest.fixture(params=[as_csv, as_yaml, GivenReader])
def make(request: pytest.FixtureRequest) -> Any:
    return request.param


def read(make: Any, *table: dict[str, str]) -> tuple[list[NumberedRow], Faults]:
    faults = Faults()
    reading = make(list(table), faults)
    assert reading.kind is Kind.BY_NUMBER
    return [row._replace(line=place) for place, row in enumerate(reading.numbered_rows())], faults


def test_a_row_of_each_form(make: Any) -> None:
    rows, faults = read(
        make,
        {"Access Code": "9911411", "ext": "11", "type": "", "target id": "", "target": "ivr:Night#3015", "wave": "1"},
        {"Access Code": "+55 11 4002-8922", "ext": "", "type": "queue", "target id": "101", "target": "", "wave": ""},
        {"Access Code": "0800", "ext": "-", "type": "ivr", "target id": "7", "target": "Night", "wave": "0"},
    )
    assert not faults.total
    assert rows == [
        NumberedRow(0, "9911411", "11", None, WantedTarget(3, None, "Night#3015"), 1),
        NumberedRow(1, "+551140028922", "", None, WantedTarget(1, 101, ""), None),
        NumberedRow(2, "0800", "", None, WantedTarget(3, 7, "Night"), 0),
    ]
    assert [row.number for row in rows] == ["9911411 ext 11", "+551140028922", "0800"]


def test_a_number_as_it_is_dialled(make: Any) -> None:
    rows, faults = read(make, {"DID": "6688 1", "channel": "Voice", "destination": "Night"})
    assert not faults.total
    assert rows == [NumberedRow(0, "66881", None, 5, NIGHT)]


def test_every_fault_of_a_row_is_told_at_once(make: Any) -> None:
    row = {"accessCode": "08oo", "extCode": "2.0", "mediaType": "fax", "type": "pbx", "deviceId": "x", "wave": "soon"}
    rows, faults = read(make, {**row, "target": "ivr:"}, {**row, "target": "Night"})
    assert not rows
    told = [text.partition(": ")[2].split(" ")[0] for text in faults.kept]
    each = ["accessCode", "extCode", "mediaType", "deviceId", "devicetype"]
    assert told == [*each, "target", "wave", *each, "wave"]


def test_the_largest_wave(make: Any) -> None:
    assert read(make, {"number": "1", "target": "Night", "wave": "1000000"})[0][0].wave == 1_000_000


@pytest.mark.parametrize("wave", ["-1", "1.0", "1000001", "first", "１"])
def test_waves_are_small_integers(make: Any, wave: str) -> None:
    _, faults = read(make, {"number": "1", "target": "Night", "wave": wave})
    assert faults.kept[0].endswith(
        f": wave '{wave}' is no integer from 0 to 1,000,000; write one, or leave the cell empty"
    )


def test_numbers_that_a_spreadsheet_rounded(make: Any) -> None:
    rounded = [{"number": f"{n}120000000000000000", "target": "Night"} for n in range(1, 4)]
    _, faults = read(make, *rounded)
    assert faults.total == 3
    assert "number '1120000000000000000' was rounded by a spreadsheet (zeros from the 16th digit on)" in faults.kept[0]
    _, faults = read(make, rounded[0], {"number": "12", "target": "Night"})
    assert not faults.total
    assert "ends in zeros from the 16th digit on" in faults.warnings[0]


def test_an_overflown_number_is_a_warning(make: Any) -> None:
    overflown = {"number": "2147483647", "target": "Night"}
    rows, faults = read(make, {"number": "1", "target": "Night"}, overflown)
    assert len(rows) == 2
    assert faults.warnings[0].split(": ")[1].startswith("this number is 2147483647, which programs write")
    assert "2 numbers from here on are 2147483647" in read(make, overflown, overflown)[1].warnings[0]
    plain = {"accessCode": "1", "target": "Night"}
    _, faults = read(make, plain, *[{**plain, "accessCode": "2147483647"}] * 3)
    assert "3 numbers from here on are 2147483647" in faults.warnings[0]


def test_blank_rows_and_no_rows(make: Any) -> None:
    rows, faults = read(make, {"number": "1", "target": "Night"}, {"number": "", "target": " "})
    assert len(rows) == 1
    assert not faults.total
    assert read(make, {"number": "", "target": ""})[1].kept == ["rows: holds no rows; give at least one"]


def test_a_manifest_by_number_is_never_read_as_one_by_id(make: Any) -> None:
    faults = Faults()
    reading = make([{"number": "1", "target": "Night"}], faults)
    assert not list(reading.rows())
    assert "is a manifest by number; give one by id" in faults.kept[0]


def test_plain_rows_take_the_short_way_and_come_out_alike(make: Any) -> None:
    dice = random.Random(3)
    table = [
        {
            "accessCode": dice.choice(["9911411", "+9911411", "9911 411", "1" * 20, "2147483647"]),
            "extCode": dice.choice(["", "1", "#1", "-", "9" * 20]),
            "mediaType": dice.choice(["", "5", "Voice"]),
            "target": dice.choice(["Night", "ivr:Night"]),
        }
        for _ in range(200)
    ]
    together, faults = read(make, *table)
    assert not faults.total
    assert together == [read(make, row)[0][0]._replace(line=place) for place, row in enumerate(table)]


LABELLED = {
    "id": "1125397061153369092",
    "devicetype": "ivr",
    "deviceId": "3015",
    "Access-Code": "99 11",
    "extCode": "１",
    "mediaType": "Voice",
    "target": " Night ",
    "wave": "2",
    "type": "x",
}


def read_labelled(make: Any, *table: dict[str, str]) -> tuple[list[LabelledRow], Faults]:
    faults = Faults()
    reading = make(list(table), faults)
    assert reading.kind is Kind.BY_ID
    return [row._replace(line=place) for place, row in enumerate(reading.labelled_rows())], faults


def test_what_stands_beside_an_id(make: Any) -> None:
    blank = {**dict.fromkeys(LABELLED, ""), "id": "7", "devicetype": "1", "deviceId": "101"}
    rows, faults = read_labelled(make, LABELLED, blank, LABELLED, blank)
    assert not faults.total
    assert not faults.warnings
    labelled = LabelledRow(0, "1125397061153369092", 3, 3015, "9911", "1", 5, "Night", 2)
    plain = LabelledRow(1, "7", 1, 101, "", "", None, "", None)
    assert rows == [labelled, plain, labelled._replace(line=2), plain._replace(line=3)]
    assert make([LABELLED], Faults()).labels == {"accessCode", "extCode", "mediaType", "target", "wave"}
    assert not make([{"id": "7", "devicetype": "1", "deviceId": "101"}], Faults()).labels


def test_no_column_of_extensions_is_told_from_no_extension(make: Any) -> None:
    row = {name: value for name, value in LABELLED.items() if name != "extCode"}
    assert read_labelled(make, row)[0][0].ext_code is None


def test_of_what_stands_beside_an_id_only_the_wave_can_be_wrong(make: Any) -> None:
    row = {**LABELLED, "Access-Code": "n/a", "mediaType": "fax", "extCode": "x,y"}
    rows, faults = read_labelled(make, row, row)
    assert [(row.access_code, row.ext_code, row.media_type) for row in rows] == [("na", "x,y", None)] * 2
    assert not faults.total
    assert len(faults.warnings) == 1
    assert "mediaType 'fax' is unknown" in faults.warnings[0]
    _, faults = read_labelled(make, {**LABELLED, "wave": "soon", "id": "a b"})
    assert [text.partition(": ")[2].split(" ")[0] for text in faults.kept] == ["id", "wave"]


def test_rows_by_id_are_the_same_with_and_without_what_stands_beside(make: Any) -> None:
    faults = Faults()
    table = [LABELLED, {**LABELLED, "id": "x y"}, {**LABELLED, "id": "8"}]
    plain = [row[1:] for row in make(table, faults).rows()]
    labelled, more = read_labelled(make, *table)
    assert [tuple(row[1:4]) for row in labelled] == plain
    assert faults.total == more.total == 1


def test_rows_of_another_kind_than_the_first_are_faults() -> None:
    by_id = {"id": "7", "devicetype": "1", "deviceId": "101"}
    by_number = {"accessCode": "1", "target": "Night"}
    for make in (as_yaml, GivenReader):
        _, faults = read(make, by_number, by_id, by_number)
        assert faults.total == 1
        faults = Faults()
        assert len(list(make([by_id, by_number, by_id], faults).rows())) == 2
        assert faults.total == 1
    assert "this row has an id, but the first one goes by number" in read(as_yaml, by_number, by_id)[1].kept[0]
    assert "is no row; give mappings with accessCode" in read(GivenReader, by_number, by_id)[1].kept[0]


def test_rows_without_what_their_kind_needs() -> None:
    first = {"accessCode": "1", "target": "Night"}
    for make in (as_yaml, GivenReader):
        for row, says in (
            ({"accessCode": "1"}, "this row has no target and no deviceId"),
            ({"accessCode": "1", "deviceDesc": "Night"}, "this row has deviceDesc, which names the present target"),
            ({"accessCode": "1", "deviceId": "7"}, "this row has deviceId but no devicetype"),
            ({"accessCode": "1", "number": "1", "target": "Night"}, "this row has accessCode and number"),
            ({"number": "1", "ext": "1", "target": "Night"}, "this row has number, which is both codes"),
        ):
            rows, faults = read(make, first, row, first)
            assert len(rows) == 2
            assert len(faults.kept) == 1
            assert says in faults.kept[0]
    assert "this row has no accessCode and no number" in read(as_yaml, first, {"target": "Night"})[1].kept[0]


@pytest.mark.parametrize("field", ["accessCode", "extCode"])
def test_a_program_gives_numbers_as_text(field: str) -> None:
    row: dict[str, Any] = {"accessCode": "1", "extCode": "", "target": "Night", field: 800}
    _, faults = read(GivenReader, row)
    assert faults.kept == [f"row 1: {field} is of type int; give it as text, numbers may lose digits"]
    rows, _ = read(GivenReader, {"number": "1", "deviceId": 7, "type": 3, "wave": 2, "mediaType": 5})  # type: ignore[dict-item]
    assert rows == [NumberedRow(0, "1", None, 5, WantedTarget(3, 7, ""), 2)]
