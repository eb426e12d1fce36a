"""The rules of one row, through the door for programs: `check_rows`."""

from pathlib import Path
from typing import Any

import pytest

from bulkroute.ledger.staging import Staging
from bulkroute.manifest import Faults, check_rows, open_manifest
from bulkroute.manifest.faults import FAULTS_KEPT, quote
from bulkroute.manifest.row_rules import whole
from bulkroute.model import Row, escaped

LONG = "1125397061153369092"


def check(*rows: Any) -> tuple[list[Row], Faults]:
    faults = Faults()
    return list(check_rows(rows, faults)), faults


def fault(*row: Any) -> str:
    rows, faults = check(row)
    assert not rows
    assert faults.total == 1
    return faults.kept[0]


@pytest.mark.parametrize(
    "id_",
    [
        "7",
        LONG,
        "0123",
        "A-b_c.9",
        "çé",
        "x" * 64,
        "9" * 64,
        "1e",
        "e18",
        "1E18x",
        "'x",
        "0",
        "²",
        "=1+1",
        "~",
        "x0.0",
        "10.20.0",
    ],
)
def test_an_id_stays_as_written(id_: str) -> None:
    rows, faults = check((id_, "1", "101"), (id_, "1", "101"))
    assert rows == [Row(1, id_, 1, 101), Row(2, id_, 1, 101)]
    assert not faults.total


@pytest.mark.parametrize(
    ("id_", "says"),
    [
        ("", "id is empty"),
        ("1 2", "holds a blank"),
        (" 12", "holds a blank"),
        ("12\u00a0", "holds a blank"),
        ("12\n", "holds a blank"),
        ("12\x1b[2J", "U+001B, which cannot be printed"),
        ("12\u200b", "U+200B, which cannot be printed"),
        ("12\ud800", "U+D800, which cannot be printed"),
        ("x" * 65, "has 65 characters; at most 64"),
        ("9" * 65, "has 65 characters; at most 64"),
        ("1.1254E+18", "a spreadsheet has changed it"),
        ("1,1254E+18", "a spreadsheet has changed it"),
        ("-1e5", "a spreadsheet has changed it"),
        ("1E18", "a spreadsheet has changed it"),
        (f"'{LONG}", "begins with an apostrophe, a spreadsheet's mark for text; remove it"),
        (f'="{LONG}"', "is written as a formula, a spreadsheet's way to keep text; write the digits alone"),
        (f"={LONG}", "is written as a formula"),
        (f"{LONG}.0", "has a decimal point, a program has taken it for a quantity; export it again"),
        (f"{LONG},00", "has a decimal point"),
        (f"{LONG}.", "has a decimal point"),
        ("1,125,397,061,153,369,092", "has thousands separators, a spreadsheet has taken it for a quantity"),
        ("1.125.397.061.153.369.092", "has thousands separators"),
        ("1'125'397'061'153'369'092", "has thousands separators"),
        ("1 125 397 061 153 369 092", "has thousands separators"),
        ("1\u202f125\u202f397\u202f061", "has thousands separators"),
        ("11,25,39,70,61,153", "has thousands separators"),
        ("112,5397,0611", "has thousands separators"),
        ("1,125,397.00", "has thousands separators"),
        (f"“{LONG}”", "has quotes that are part of the text; remove them"),
        (f"‘{LONG}’", "has quotes"),
        (f'"{LONG}"', "has quotes"),
        (f"{LONG}'", "has quotes"),
        (f"«{LONG}»", "has quotes"),
        ("１１２５397061153369092", "has the digit １ (U+FF11); write it with the digits 0 to 9"),
        ("١٢٣", "has the digit ١ (U+0661)"),
        ("a٣", "has the digit ٣ (U+0663)"),
    ],
)
def test_an_id_that_is_none(id_: str, says: str) -> None:
    assert says in fault(id_, "1", "101")


SKILL_QUEUE = ["1", "skill_queue", "SKILL_QUEUE", "Skill Queue", "skill-queue", "skillqueue", "queue", "Skill", 1]
SKILL_QUEUE += ["技能队列", "Fila", "cola"]
IVR = ["3", "ivr", "IVR", "flow", "IVR Flow", "ivr_flow", "ＩＶＲ流程", "IVR流程", "fluxo", "Flujo", 3]


@pytest.mark.parametrize(("written", "number"), [(each, 1) for each in SKILL_QUEUE] + [(each, 3) for each in IVR])
def test_devicetype(written: str | int, number: int) -> None:
    rows, faults = check(*[(LONG, written, 101)] * 3)
    assert [row.devicetype for row in rows] == [number] * 3
    assert not faults.total


@pytest.mark.parametrize("written", ["2", "0", "13", "01", "1.0", "-1", "queues", "iv r2", "١", "１", True, 1.0])
def test_devicetype_unknown(written: Any) -> None:
    text = fault(LONG, written, 101)
    assert "is unknown; write 1 or skill_queue, 3 or ivr" in text
    assert text.startswith("row 1: devicetype ")


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0", 0),
        ("101", 101),
        ("0101", 101),
        ("0" * 5000 + "7", 7),
        ("9223372036854775807", 2**63 - 1),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_device_id(written: str | int, number: int) -> None:
    rows, _ = check((LONG, "1", written), (LONG, "1", written))
    assert [row.device_id for row in rows] == [number, number]


@pytest.mark.parametrize("written", ["+1", "-1", "1,5", "1_000", "²", "0x10", " 1", "one", -1])
def test_device_id_no_decimal_integer(written: Any) -> None:
    assert "is not a decimal integer" in fault(LONG, "1", written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("3002.0", "has a decimal point, a program"),
        (1.0, "has a decimal point, a program"),
        ("1e3", "is in scientific notation, a spreadsheet has changed it"),
        ("1.101", "has thousands separators"),
        ("'101", "begins with an apostrophe"),
        ('="101"', "is written as a formula"),
        ("“101”", "has quotes"),
        ("１０１", "has the digit １ (U+FF11)"),
        ("١٢", "has the digit ١ (U+0661)"),
    ],
)
def test_a_device_id_that_a_program_has_changed(written: Any, says: str) -> None:
    text = fault(LONG, "1", written)
    assert says in text
    assert text.startswith("row 1: deviceId ")


@pytest.mark.parametrize("written", ["9223372036854775808", "9" * 5000, 2**63])
def test_device_id_too_large(written: Any) -> None:
    assert "is too large; the largest is 9223372036854775807" in fault(LONG, "1", written)


def test_an_integer_of_thousands_of_digits_is_a_fault() -> None:
    assert "is not a decimal integer" in fault(LONG, "1", 10**6000)


def test_empty_values() -> None:
    _, faults = check(("", "", ""), ("", "", ""), ("a", "", ""))
    assert [text.split(";")[0] for text in faults.kept] == [
        "row 3: devicetype is empty",
        "row 3: deviceId is empty",
    ]
    assert "row 1: id is empty; give the id of the called route" in check(("", 1, 5))[1].kept


def test_rows_of_blanks_alone_are_skipped() -> None:
    rows, faults = check(("", " ", ""), ("a", 1, 5), {"id": "", "devicetype": None, "deviceId": ""})
    assert rows == [Row(2, "a", 1, 5)]
    assert not faults.total
    assert check(("", "", ""))[1].kept == ["rows: holds no rows; give at least one"]


def test_one_id_that_is_no_number_may_be_a_row_of_totals() -> None:
    rows, faults = check(*[(str(int(LONG) + 7 * n), 1, 101) for n in range(5)], ("Total", 1, 5))
    assert len(rows) == 6
    assert not faults.total
    assert faults.warnings == ["row 6: id 'Total' is the only one that is no number; is this a row of totals?"]
    for names in (("a", "7"), ("a", "b", "7"), ("a", "b", "c")):
        assert not check(*((name, 1, 101) for name in names))[1].warnings


def test_many_device_ids_are_read_right_beyond_those_remembered() -> None:
    rows, faults = check(
        *((str(n), "3", str(n)) for n in range(1, 10_001)), *((str(n), "3", str(n)) for n in (1, 9999))
    )
    assert not faults.total
    assert [int(row.id) for row in rows] == [row.device_id for row in rows]


@pytest.mark.parametrize("id_", ["1125397061153360000", "112539706115336000", "1" * 15 + "0", "0" * 16])
def test_one_id_that_looks_rounded_is_a_warning(id_: str) -> None:
    rows, faults = check((LONG, 1, 101), (id_, 1, 101))
    assert len(rows) == 2
    assert not faults.total
    assert len(faults.warnings) == 1
    assert faults.warnings[0].startswith(f"row 2: id '{id_}' ends in zeros from the 16th digit on")


def test_two_ids_that_look_rounded_are_faults_each() -> None:
    rounded = [("1125397061153360000", 1, 101), ("1125397061153370000", 1, 101), ("1125397061153380000", 1, 101)]
    _, faults = check((LONG, 1, 101), *rounded)
    assert faults.total == 3
    assert [text.split(" was ")[0] for text in faults.kept] == [
        f"row {n}: id '{row[0]}'" for n, row in enumerate(rounded, start=2)
    ]
    assert not faults.warnings


def test_a_few_of_many_ids_may_end_in_zeros_by_chance() -> None:
    honest = [(f"{112539706115336 + n}{n % 10_000:04}", 1, 101) for n in range(30_000)]
    rows, faults = check(*honest)
    assert len(rows) == 30_000
    assert not faults.total
    assert [text.partition(" in zeros")[0] for text in faults.warnings] == ["row 1: 3 ids from here on end"]


@pytest.mark.parametrize("id_", ["1" * 14 + "0", "100000000000000", "1125397061153361000", "a125397061153360000"])
def test_ids_that_do_not_look_rounded(id_: str) -> None:
    rows, faults = check((id_, 1, 101), (id_ + "", 3, 101))
    assert len(rows) == 2
    assert not faults.total
    assert not faults.warnings


def test_rows_may_be_tuples_lists_mappings_and_rows() -> None:
    rows, faults = check(
        ("a", "1", "5"),
        ["b", 3, 6],
        {"id": "c", "devicetype": "ivr", "deviceId": 7, "note": "x"},
        {"ID": "d", "device_type": 1, "DEVICE_ID": "8"},
        Row(77, "e", 1, 9),
    )
    assert not faults.total
    assert rows == [Row(1, "a", 1, 5), Row(2, "b", 3, 6), Row(3, "c", 3, 7), Row(4, "d", 1, 8), Row(5, "e", 1, 9)]


@pytest.mark.parametrize("given", [None, "abc", 7, ("a", 1), ("a", 1, 2, 3), {"id": "a", "devicetype": 1}, {}])
def test_what_is_no_row(given: Any) -> None:
    rows, faults = check(given)
    assert not rows
    assert "is no row; give id, devicetype and deviceId" in faults.kept[0]


@pytest.mark.parametrize("id_", [1125397061153369092, 1.1e18, None, b"12"])
def test_an_id_must_be_text(id_: Any) -> None:
    assert f"id is of type {type(id_).__name__}; give it as text" in fault(id_, 1, 101)


def test_no_rows_at_all() -> None:
    rows, faults = check()
    assert not rows
    assert faults.kept == ["rows: holds no rows; give at least one"]


def test_a_row_with_several_faults_gets_them_all() -> None:
    _, faults = check(("a b", "9", "x"))
    assert faults.total == 3


def test_the_first_fifty_faults_are_kept_and_all_are_counted() -> None:
    faults = Faults("m.csv")
    for line in range(1, 1001):
        faults.add(line, "wrong; mend it")
    assert len(faults.kept) == FAULTS_KEPT == 50
    assert faults.kept[0] == "m.csv:1: wrong; mend it"
    error = faults.error()
    assert (error.faults, error.total, error.where, error.exit_code) == (faults.kept, 1000, "m.csv", 65)


def test_faults_of_the_whole_file_are_shown_among_any_number_of_others_and_in_the_order_of_lines() -> None:
    rounded = [(f"11253970611533{place}0000"[-19:], "1", "1") for place in range(10, 90)]
    rows = [("a b", "1", "1")] * 500 + rounded + [("12", "1", "1"), ("12", "3", "1")]
    faults = Faults()
    with Staging() as staging:
        staging.load(check_rows(rows, faults), faults)
    assert faults.total == 500 + 80 + 1
    assert len(faults.kept) == FAULTS_KEPT
    assert sum("was rounded by a spreadsheet" in text for text in faults.kept) > 10
    assert sum("holds a blank" in text for text in faults.kept) > 10
    assert "row 582: id 12 is to go to ivr 1, but line 581 sends it to skill_queue 1" in faults.kept[-1]
    lines = [int(text.split(":")[0].removeprefix("row ")) for text in faults.kept]
    assert lines == sorted(lines)


def test_a_file_cut_off_is_said_among_any_number_of_other_faults(tmp_path: Path) -> None:
    for name, rows, end, says in (
        ("a.csv", b"id,devicetype,deviceId\n" + b"x y,1,1\n" * 60, b"1,1", "cut off in this row"),
        ("b.csv", b"id,devicetype,deviceId\n" + b"x y,1,1\n" * 60, b'1,"1', "never closed"),
        ("c.csv", b"id,devicetype,deviceId\n" + b"x y,1,1\n" * 60, b"\xff", "is not UTF-8"),
        ("c.yaml", b"- {id: x y, devicetype: 1, deviceId: 1}\n" * 60, b"\xff", "is not UTF-8"),
        ("d.yaml", b"- {id: x y, devicetype: 1, deviceId: 1}\n" * 60, b"- {id: 1", "not valid YAML"),
        ("e.yaml", b"- {id: x y, devicetype: 1, deviceId: 1}\n" * 6000, b"- {id: \7}", "is not allowed in YAML"),
    ):
        (tmp_path / name).write_bytes(rows + end)
        faults = Faults()
        with open_manifest(tmp_path / name) as manifest:
            assert not list(manifest.rows(faults))
        assert len(faults.kept) == FAULTS_KEPT
        assert says in faults.kept[-1]


def test_the_text_of_the_error_names_the_first_faults() -> None:
    faults = Faults("m.csv")
    faults.add(2, "wrong")
    assert str(faults.error()) == "m.csv: 1 fault, nothing was sent; correct the manifest and run again: m.csv:2: wrong"
    for line in range(3, 12):
        faults.add(line, "wrong")
    assert str(faults.error()).endswith("run again: m.csv:2: wrong | m.csv:3: wrong | m.csv:4: wrong | 7 more")
    assert faults.error().headline == "m.csv: 10 faults, nothing was sent; correct the manifest and run again"


def test_quoted_text_is_harmless_and_short() -> None:
    assert quote("a\x1b]0;x\x07\u202e") == r"'a\x1b]0;x\x07\u202e'"
    assert len(quote("x" * 1_000_000)) == 42
    assert quote("x" * 40) == repr("x" * 40)
    assert escaped("cut\nover\x1b.csv") == r"cut\nover\x1b.csv"


def test_zeros_alone_are_the_number_0() -> None:
    assert (whole("000"), whole("0"), whole("")) == (0, 0, 0)
    assert whole("0" * 5000 + "12") == 12
