"""CSV manifests: what is read, and what is said about the rest."""

import csv
from io import BytesIO, StringIO
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.manifest import Faults
from bulkroute.manifest.csv_reader import CsvReader
from bulkroute.manifest.decoding import BLOCK_BYTES, ROW_LIMIT_CHARS, TextBlocks
from bulkroute.model import Row

HEAD = b"id,devicetype,deviceId\n"
GOOD = [Row(2, "0123", 1, 101), Row(3, "1125397061153369092", 3, 3001)]


def read(data: bytes) -> tuple[list[Row], Faults]:
    faults = Faults("m.csv")
    return list(CsvReader(TextBlocks(BytesIO(data).read), faults).rows()), faults


def only_fault(data: bytes) -> str:
    _, faults = read(data)
    assert faults.total == 1, faults.kept
    return faults.kept[0]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiters_line_ends_and_byte_order_mark(delimiter: str, end: str, mark: bytes) -> None:
    lines = ["id,devicetype,deviceId", "0123,skill_queue,101", "1125397061153369092,3,3001", ""]
    rows, faults = read(mark + end.join(lines).replace(",", delimiter).encode())
    assert rows == GOOD
    assert not faults.total
    assert not faults.notices


def test_the_delimiter_is_the_one_that_gives_columns() -> None:
    rows, faults = read(b'id;devicetype;deviceId;a,b,c,d,e;"x\ty\tz"\n7;1;5;p,q,r;s\n')
    assert rows == [Row(2, "7", 1, 5)]
    assert faults.notices == ["m.csv: columns not used: 'a,b,c,d,e', 'x\\ty\\tz'"]


@pytest.mark.parametrize(
    "header",
    [
        "deviceId,note,id,devicetype",
        "DEVICE_ID,x,ID,Device_Type",
        ' deviceid ,,"Id", DEVICETYPE',
        "device id,x,i d,Device-Type",
        "Ｄevice.Id,/,ID\u200b,device\u00a0type",
    ],
)
def test_columns_in_any_order_and_spelling(header: str) -> None:
    assert read(header.encode() + b"\n101,x,0123,1\n")[0] == [Row(2, "0123", 1, 101)]


def test_further_columns_are_ignored_and_named_once() -> None:
    rows, faults = read(b"id,devicetype,deviceId,accessCode,note\n" + b"1,1,1,9911,x\n" * 100)
    assert len(rows) == 100
    assert faults.notices == ["m.csv: columns not used: 'accessCode', 'note'"]


def test_a_hundred_further_columns_are_not_all_named() -> None:
    _, faults = read(b"id,devicetype,deviceId" + b",x\x1b" * 100 + b"\n1,1,1" + b"," * 100 + b"\n")
    assert faults.notices[0].endswith("and more")
    assert faults.notices[0].count(r"'x\x1b'") == 20


@pytest.mark.parametrize("name", ["id", "ID", "deviceId", "device_type"])
def test_a_column_there_twice(name: str) -> None:
    data = b"id,devicetype,deviceId," + name.encode() + b"\n1,1,1,1\n"
    assert not read(data)[0]
    text = only_fault(data)
    assert text.startswith("m.csv:1: ")
    assert "is the name of several columns" in text


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("id,devicetype", "the header has no deviceId;"),
        ("1125397061153369092,1,101", "the header has no id and no devicetype and no deviceId;"),
        ("id|devicetype|deviceId", "the header has no id and"),
        ("a,b,c", "the header has no id and no devicetype and no deviceId; name the columns id, devicetype"),
        ("a,b,c", "or for a manifest by number accessCode, extCode and target"),
        ("id,type,deviceId", "the header has no devicetype; rename 'type' to devicetype"),
        (
            "id,Skill Id,Type",
            "the header has no devicetype and no deviceId; rename 'Skill Id' to deviceId; rename 'Type'",
        ),
        ("id,devicetype,deviceDesc", "has no deviceId; deviceDesc names the present target and decides nothing"),
        ("id,devicetype,deviceDe\ufeffsc", "has no deviceId; 'deviceDe\\ufeffsc' names the present target and decides"),
    ],
)
def test_no_header(header: str, missing: str) -> None:
    assert missing in only_fault(header.encode() + b"\n1,1,1\n")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"  \n", b"\xef\xbb\xbf"])
def test_empty(data: bytes) -> None:
    assert only_fault(data).startswith("m.csv: is empty; ")


def test_a_header_alone() -> None:
    assert only_fault(HEAD) == "m.csv: holds no rows; give at least one"
    assert only_fault(HEAD.strip()) == "m.csv: holds no rows; give at least one"


def test_blank_lines_are_skipped_and_counted() -> None:
    rows, faults = read(b"\n \r\n" + HEAD + b"\n1,1,1\n\n   \n2,1,1\n\n")
    assert [row.line for row in rows] == [5, 8]
    assert not faults.total


def test_rows_of_blank_cells_are_blank_lines() -> None:
    rows, faults = read(HEAD + b'1,1,1\n,,\n , \t," "\n,\n,,,,,,\n2,1,1\n,,\n')
    assert [row.line for row in rows] == [2, 7]
    assert not faults.total
    assert only_fault(HEAD + b",,\n") == "m.csv: holds no rows; give at least one"


def test_a_cell_beside_the_row_makes_it_one() -> None:
    _, faults = read(b"id,devicetype,deviceId,note\n1,1,1,\n,,,x\n")
    assert [text.split(";")[0] for text in faults.kept] == [
        "m.csv:3: id is empty",
        "m.csv:3: devicetype is empty",
        "m.csv:3: deviceId is empty",
    ]


@pytest.mark.parametrize(
    ("first", "delimiter"),
    [("sep=;", ";"), ("SEP=,", ","), ("sep=\t", "\t"), ('"sep=;"', ";"), ("sep=;;;", ";"), ("\nsep=,", ",")],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_with_which_excel_tells_the_delimiter(first: str, delimiter: str, end: str) -> None:
    lines = [*first.split("\n"), "id,devicetype,deviceId,", "0123,1,101,", "x y,3,3001,"]
    text = end.join([lines[0], *(line if "sep" in line else line.replace(",", delimiter) for line in lines[1:])])
    rows, faults = read(b"\xef\xbb\xbf" + text.encode())
    assert rows == [Row(len(lines) - 1, "0123", 1, 101)]
    assert faults.kept == [f"m.csv:{len(lines)}: id 'x y' holds a blank; remove it"]


def test_a_delimiter_that_is_told_and_not_taken() -> None:
    assert only_fault(b"sep=|\nid|devicetype|deviceId\n1|1|1\n") == (
        "m.csv:1: sep=| is no delimiter; use a comma, a semicolon or a tab"
    )
    assert "the header has no" in only_fault(b"sep=\n")
    assert "the header has no" in only_fault(b"sep=,\nid;devicetype;deviceId\n")


def test_columns_without_a_name_are_not_named() -> None:
    _, faults = read(b"id,devicetype,deviceId,, ,note\n1,1,1,,,\n")
    assert faults.notices == ["m.csv: columns not used: 'note'"]
    assert not read(b"id,devicetype,deviceId,,\n1,1,1,,\n")[1].notices


def test_the_line_is_the_one_where_the_row_starts() -> None:
    data = b'id,devicetype,deviceId,"no\nte"\n1,1,1,"a\nb\r\nc\rd"\n2,1,x,"\n\n"\n3,1,1,\n'
    rows, faults = read(data)
    assert [(row.id, row.line) for row in rows] == [("1", 3), ("3", 10)]
    assert [text.split(" ")[0] for text in faults.kept] == ["m.csv:7:"]


def test_lines_are_right_across_blocks() -> None:
    lines = [f"{10**18 + 10 * n + 1},1,{n % 7}" for n in range(20_000)]
    data = HEAD + "\r\n".join(lines).encode()
    assert len(data) > 3 * BLOCK_BYTES
    rows, faults = read(data)
    assert [row.line for row in rows] == list(range(2, 20_002))
    assert not faults.total


def test_line_ends_are_whole_across_blocks() -> None:
    start = b"id,devicetype,deviceId,a,b,c\r\n1,1,1,"
    long_row = (b"x" * 100_000 + b",") * 2
    long_row += b"x" * (2 * BLOCK_BYTES - len(start + long_row) - 1) + b"\r"
    assert len(start + long_row) == 2 * BLOCK_BYTES
    rows, faults = read(start + long_row + b"\n2,1,1,,,\r\n")
    assert not faults.total
    assert [row.line for row in rows] == [2, 3]


@pytest.mark.slow
def test_carriage_returns_alone_end_lines_in_large_files() -> None:
    rows, faults = read(HEAD.replace(b"\n", b"\r") + b"1,1,1\r" * (2 * ROW_LIMIT_CHARS // 6))
    assert not faults.total
    assert rows[-1].line == len(rows) + 1 == 2 * ROW_LIMIT_CHARS // 6 + 1


def test_characters_are_whole_across_blocks() -> None:
    for shift in range(4):
        rows, faults = read(HEAD + b"x" * shift + b"1,1,1\n" + b"\xf0\x90\x8d\x88,1,1\n" * 30_000)
        assert len(rows) == 30_001
        assert not faults.total


def test_blanks_around_values_are_dropped_those_within_are_not() -> None:
    rows, faults = read(HEAD + ' 0123 ,\tivr, 101\u00a0\n"0123 ",1," 5"\n1 2,1,1\n'.encode())
    assert rows == [Row(2, "0123", 3, 101), Row(3, "0123", 1, 5)]
    assert faults.kept == ["m.csv:4: id '1 2' holds a blank; remove it"]


def test_wrong_number_of_fields() -> None:
    rows, faults = read(HEAD + b"1,1\n2,1,1\n3,1,1,\n4\n,,,,\n5,1,1\n")
    assert [row.id for row in rows] == ["2", "5"]
    assert [text.split(";")[0] for text in faults.kept] == [
        "m.csv:2: 2 fields where the header has 3",
        "m.csv:4: 4 fields where the header has 3",
        "m.csv:5: 1 field where the header has 3",
    ]


@pytest.mark.parametrize("tail", [b"2,1", b"112539706", b'2,"1"'])
def test_cut_off_mid_row(tail: bytes) -> None:
    assert only_fault(HEAD + b"1,1,1\n" + tail).startswith("m.csv:3: the file is cut off in this row")


def test_a_whole_last_row_needs_no_line_end() -> None:
    assert read(HEAD + b"0123,1,101\n1125397061153369092,3,3001")[0] == GOOD


@pytest.mark.parametrize("tail", [b'2,1,"1', b'"2,1,1\n3,1,1\n', b'2,1,"1\n\n\n'])
def test_a_quote_never_closed(tail: bytes) -> None:
    rows, faults = read(HEAD + b"1,1,1\n" + tail)
    assert [row.id for row in rows] == ["1"]
    assert [text.split(";")[0] for text in faults.kept] == ["m.csv:3: a quote opened in this row is never closed"]


def test_a_quote_in_the_wrong_place_spoils_one_row() -> None:
    rows, faults = read(HEAD + b'"1"x,1,1\n2,1,1\n')
    assert [row.id for row in rows] == ["2"]
    assert [text.split(";")[0] for text in faults.kept] == ["m.csv:2: a quoted value goes on after its closing quote"]


def test_after_a_broken_row_lines_are_still_right() -> None:
    _, faults = read(HEAD + b'1,1,1\n"a"b,1,1\nx y,1,1\n2,1,1\nx y,1,1\n')
    assert [int(text.split(":")[1]) for text in faults.kept] == [3, 4, 6]


def test_what_cannot_be_read_within_a_row_is_told_where_it_stands() -> None:
    _, faults = read(HEAD + b'1,1,1\n"a\nb\n\0c",1,1\n')
    assert faults.kept[-1].startswith("m.csv:5: the file is binary")


def test_a_broken_header() -> None:
    assert "closing quote" in only_fault(b'"id"x,devicetype,deviceId\n1,1,1\n')
    assert "never closed" in only_fault(b'id,devicetype,"deviceId\n1,1,1\n')


def test_a_very_long_value() -> None:
    rows, faults = read(HEAD + b'1,1,"' + b"\nx" * 70_000 + b'"\n2,1,1\n')
    assert faults.kept[0].startswith("m.csv:2: a value is longer than 131072 characters")
    assert rows[-1].id == "2"


class _Endless:
    """A file that goes on for ever; counts what is asked of it."""

    def __init__(self, start: bytes, then: bytes) -> None:
        self.rest, self.then = start, then
        self.given = 0

    def read(self, size: int) -> bytes:
        self.rest += self.then * (size // len(self.then) + 1)
        data, self.rest = self.rest[:size], self.rest[size:]
        self.given += size
        return data


@pytest.mark.parametrize(
    ("start", "then"),
    [(b"", b"x"), (HEAD, b"x"), (HEAD, b","), (HEAD + b'"', b'","\n'), (b"", b"\n"), (HEAD + b'"a', b'\n","')],
)
def test_a_row_without_end_is_refused_without_reading_it(start: bytes, then: bytes) -> None:
    endless = _Endless(start, then)
    faults = Faults("m.csv")
    assert not list(CsvReader(TextBlocks(endless.read), faults).rows())
    assert "more than 1 MiB follows without one whole row" in faults.kept[-1]
    assert endless.given <= ROW_LIMIT_CHARS + 3 * BLOCK_BYTES


def test_a_long_row_below_the_limit_is_read() -> None:
    header = b"id,devicetype,deviceId" + b",x" * 8
    rows, faults = read(header + b"\n1,1,1" + (b"," + b"y" * 100_000) * 8 + b"\n2,1,1,,,,,,,,\n")
    assert [row.id for row in rows] == ["1", "2"]
    assert not faults.total


def test_bytes_that_are_not_utf_8() -> None:
    rows, faults = read(HEAD + b"1,1,1\n2,1,x\n\xe94,1,1\n5,1,1\n")
    assert [row.id for row in rows] == ["1"]
    assert [text.split("; ")[0] for text in faults.kept] == [
        "m.csv:3: deviceId 'x' is not a decimal integer",
        "m.csv:4: byte 0xe9 is not UTF-8 (in Windows-1252 it reads 'é')",
    ]
    assert only_fault(HEAD.replace(b"\n", b"\r") + b"1,1,1\r\xff").startswith("m.csv:3: byte 0xff is not UTF-8")
    assert only_fault(HEAD + b"1,1,1\n" * 50_000 + b"\x80").startswith("m.csv:50002: byte 0x80")


def test_cut_off_in_a_character() -> None:
    assert only_fault(HEAD + b"1,1,1\n\xc3").startswith("m.csv:3: the file ends in the middle of a character")


def test_a_nul_byte() -> None:
    rows, faults = read(HEAD + b"1,1,1\n2,\x00,1\n3,1,1\n")
    assert [row.id for row in rows] == ["1"]
    assert faults.kept == ["m.csv:3: the file is binary (a NUL byte); give a manifest as UTF-8 text"]


def test_a_read_error_is_a_fault() -> None:
    def read_then_fail(_size: int) -> bytes:
        if done:
            raise OSError(5, "Input/output error")
        done.append(True)
        return HEAD + b"1,1,1\n"

    done: list[bool] = []
    faults = Faults("m.csv")
    assert len(list(CsvReader(TextBlocks(read_then_fail), faults).rows())) == 1
    assert "Input/output error" in faults.kept[0]
    assert faults.kept[0].startswith("m.csv:3: cannot be read")


def test_terminal_escapes_do_not_get_through() -> None:
    _, faults = read(b"id,devicetype,deviceId,\x1b[31m\n\x1b[2J,\x07,\x9b,\n".replace(b"\x9b", "\x9b".encode()))
    assert faults.total == 3
    assert all(text.isprintable() for text in faults.kept + faults.notices)


def test_an_export_is_a_manifest() -> None:
    out = StringIO(newline="")
    writer = csv.writer(out)
    out.write(
        "id,devicetype,deviceId,status,error,attempts,http_status,return_code,description,before_devicetype,"
        "before_deviceId,latency_ms,finished_at,line\r\n"
    )
    writer.writerow(
        ["0123", 1, 101, "failed", "server", 4, 500, "", "'=cmd|' /C calc'!A0", 3, 7, 12.5, "2026-01-02T03:04:05Z", 2]
    )
    writer.writerow(["1125397061153369092", 3, 3001, "succeeded", "", 1, 200, 0, "a\nb", "", "", 1.5, "", 3])
    rows, faults = read(out.getvalue().encode())
    assert [row[1:] for row in rows] == [row[1:] for row in GOOD]
    assert not faults.total


@given(st.binary(max_size=300), st.sampled_from([b"", HEAD, b"\xef\xbb\xbf" + HEAD]))
def test_any_bytes_end_in_rows_or_faults(data: bytes, start: bytes) -> None:
    rows, faults = read(start + data)
    assert rows or faults.total
    assert all(text.isprintable() for text in (*faults.kept, *faults.warnings, *faults.notices))


@given(
    st.lists(
        st.lists(st.text(st.sampled_from("01 39.eE+-\"',;\t\n\r\x00\x1bé\u2028"), max_size=8), max_size=5), max_size=9
    )
)
def test_any_table_ends_in_rows_or_faults(table: list[list[str]]) -> None:
    text = "\n".join(",".join(fields) for fields in table)
    rows, faults = read(HEAD + text.encode())
    assert rows or faults.total
    assert all(row.id.isprintable() and row.id.split() == [row.id] for row in rows)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(categories=["L", "P", "S"]), min_size=1, max_size=64).filter(
                lambda id_: id_[0] not in "+-="
            ),
            st.sampled_from([1, 3]),
            st.integers(0, 2**63 - 1),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(",;\t"),
    st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
)
def test_what_csv_writes_is_read_back(
    table: list[tuple[str, int, int, str]], delimiter: str, style: tuple[str, Literal[0, 1]]
) -> None:
    out = StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=style[0], quoting=style[1])
    writer.writerows([("id", "devicetype", "deviceId", "note"), *table])
    rows, faults = read(out.getvalue().encode())
    assert not faults.total
    assert [row[1:] for row in rows] == [row[:3] for row in table]
