"""What files say about themselves before they are refused: encodings, workbooks, marks of other systems."""

from collections.abc import Callable
from io import BytesIO

import pytest

from bulkroute.manifest.decoding import BLOCK_BYTES, TextBlocks, UnreadableError

HEAD = "id,devicetype,deviceId\n"
TEXT = HEAD + "1125397061153369092,1,101\n" * 20
EXCEL = "(in Excel: File, Save As, 'CSV UTF-8 (Comma delimited)')"


def in_pieces(data: bytes, size: int) -> Callable[[int], bytes]:
    pieces = iter([data[place : place + size] for place in range(0, len(data), size)])
    return lambda _size: next(pieces, b"")


def refusal(data: bytes, size: int = BLOCK_BYTES) -> tuple[str, str]:
    """Return what is handed out of `data`, and why reading ended."""
    texts: list[str] = []
    with pytest.raises(UnreadableError) as caught:
        texts.extend(TextBlocks(in_pieces(data, size)))
    return "".join(texts), f"{caught.value.line}: {caught.value}"


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("utf-16", "UTF-16,"),
        ("utf-16-le", "UTF-16 without a byte order mark,"),
        ("utf-16-be", "UTF-16 without a byte order mark,"),
        ("utf-32", "UTF-32,"),
        ("utf-32-le", "UTF-32 without a byte order mark,"),
        ("utf-32-be", "UTF-32 without a byte order mark,"),
    ],
)
@pytest.mark.parametrize("text", [TEXT, HEAD, "接入码,扩展码,目标\n" + "9911411,11,夜间\n" * 20])
def test_wider_encodings_are_named(codec: str, name: str, text: str) -> None:
    assert refusal(text.encode(codec)) == ("", f"1: the file is in {name} not in UTF-8; save it again as UTF-8 {EXCEL}")


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-32-be"])
def test_a_byte_order_mark_of_the_other_order(codec: str) -> None:
    name = codec[:6].upper()
    assert refusal(("\ufeff" + TEXT).encode(codec))[1].startswith(f"1: the file is in {name}, not in UTF-8")


def test_workbooks_are_named() -> None:
    as_csv = f"save the sheet as CSV {EXCEL}"
    assert refusal(b"PK\x03\x04\x14\x00")[1] == f"1: the file is a workbook or an archive, not text; {as_csv}"
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)
    assert refusal(old)[1] == f"1: the file is an old Excel workbook (.xls), not text; {as_csv}"


@pytest.mark.parametrize("zeros", [b"\x00", bytes(1000), b"1,1,\x001\n" * 100])
def test_zeros_without_a_pattern_are_binary(zeros: bytes) -> None:
    assert refusal(TEXT.encode() + zeros)[1].startswith("22: the file is binary (a NUL byte)")
    assert refusal(bytes(1000))[1].startswith("1: the file is binary")


@pytest.mark.parametrize(
    ("byte", "reads"),
    [
        (b"\xe9", " (in Windows-1252 it reads 'é')"),
        (b"\xe9l\xe9", " (in Windows-1252 it reads 'é')"),
        (b"\x81", ""),
        (b"\xbc\xbc", ""),
    ],
)
def test_a_byte_that_is_not_utf_8(byte: bytes, reads: str) -> None:
    text, said = refusal(TEXT.encode() + b"1,1,1,K" + byte + b"ln\n")
    assert text == TEXT + "1,1,1,K"
    assert said == f"22: byte 0x{byte[0]:02x} is not UTF-8{reads}; save it again as UTF-8 {EXCEL}"


@pytest.mark.parametrize("size", [1, 5, BLOCK_BYTES])
@pytest.mark.parametrize("count", [1, 3, 2000])
def test_the_end_mark_of_dos(size: int, count: int) -> None:
    text, said = refusal(TEXT.encode() + b"\x1a" * count, size)
    assert text.rstrip("\x1a") == TEXT
    assert said == "22: the file ends in Ctrl-Z (byte 0x1a), an end mark of DOS; remove that byte"


@pytest.mark.parametrize("size", [1, 3, BLOCK_BYTES])
def test_the_end_mark_of_dos_within_is_text(size: int) -> None:
    text = f"{HEAD}1,1,1,\x1a\x1a\n\x1a\n"
    assert "".join(TextBlocks(in_pieces(text.encode(), size))) == text


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_characters_and_the_byte_order_mark_are_whole_across_blocks(size: int) -> None:
    text = "目标,número,𐍈\r\n" * 5
    assert "".join(TextBlocks(in_pieces(b"\xef\xbb\xbf" + text.encode(), size))) == text


def test_lines_are_counted_as_they_are_handed_out() -> None:
    blocks = TextBlocks(BytesIO(b"a\nb\nc").read)
    assert list(blocks) == ["a\nb\nc"]
    assert blocks.lines == 2


def test_a_bad_byte_beside_another_high_one_is_read_as_nothing() -> None:
    assert "(in Windows-1252" not in refusal(TEXT.encode() + "é".encode() + b"\xe9l")[1]
    assert "(in Windows-1252 it reads 'é')" in refusal(b"\xe9l")[1]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-32-le"])
def test_a_file_of_another_width_is_known_though_it_ends_within_a_character(codec: str) -> None:
    for length in (9, 10, 11, 13, 399):
        assert f"in {codec[:6].upper()} without" in refusal((HEAD * 9).encode(codec)[:length])[1]


def test_many_zeros_are_no_text_of_another_width() -> None:
    assert refusal((b"a\0\0\0" * 7 + bytes(12)) * 10)[1].startswith("1: the file is binary")
    assert refusal((b"a\0" * 8 + bytes(4)) * 10)[1].startswith("1: the file is binary")


def test_the_file_is_read_in_pieces_of_128_kib() -> None:
    sizes: list[int] = []

    def read(size: int) -> bytes:
        sizes.append(size)
        return b"a\n" if len(sizes) < 3 else b""

    assert "".join(TextBlocks(read)) == "a\na\n"
    assert sizes == [128 * 1024] * 3


@pytest.mark.parametrize("before", [0, 3])
def test_one_mebibyte_without_a_whole_row_is_taken_and_no_more(before: int) -> None:
    def feed(chars: int) -> int:
        """Return how much is handed out where `chars` follow some rows and are no row themselves."""
        pieces = iter(
            [b"row\n"] * before + [b"x" * (1 << 18)] * (chars >> 18) + [b"x" * (chars & ((1 << 18) - 1)), b""]
        )
        blocks = TextBlocks(lambda _size: next(pieces, b""))
        handed = 0
        for text in blocks:
            handed += len(text)
            blocks.progress += text == "row\n"
        return handed

    assert feed(1 << 20) == (1 << 20) + 4 * before
    with pytest.raises(UnreadableError, match="more than 1 MiB follows without one whole row"):
        feed((1 << 20) + 1)
