"""Bytes to text, block by block, refusing early what can be no manifest, and naming what it is instead.

Promises that a reader never holds more than about 1 MiB of unfinished row, whatever the file. Never guesses an
encoding: only UTF-8 is read.
"""

from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator

BLOCK_BYTES = 128 * 1024
ROW_LIMIT_CHARS = 1024 * 1024

SAVE_AGAIN = "save it again as UTF-8 (in Excel: File, Save As, 'CSV UTF-8 (Comma delimited)')"
AS_CSV = "save the sheet as CSV (in Excel: File, Save As, 'CSV UTF-8 (Comma delimited)')"
_MARKS = (
    (b"\xff\xfe\x00\x00", f"the file is in UTF-32, not in UTF-8; {SAVE_AGAIN}"),
    (b"\x00\x00\xfe\xff", f"the file is in UTF-32, not in UTF-8; {SAVE_AGAIN}"),
    (b"\xff\xfe", f"the file is in UTF-16, not in UTF-8; {SAVE_AGAIN}"),
    (b"\xfe\xff", f"the file is in UTF-16, not in UTF-8; {SAVE_AGAIN}"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"the file is an old Excel workbook (.xls), not text; {AS_CSV}"),
    (b"PK\x03\x04", f"the file is a workbook or an archive, not text; {AS_CSV}"),
)
_LOOKED_AT_BYTES = 400
_END_OF_DOS_FILE = b"\x1a"


class UnreadableError(Exception):
    """Reading cannot go on: says why and what to do. `line` is None where only the reader knows it."""

    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.line = line


class TextBlocks:
    """The manifest's text in blocks. Everything before a bad byte is handed out before `UnreadableError` is raised.

    The reader changes `progress` with each row; a row that goes on for more than 1 MiB is refused without reading the
    rest of it. `lines` counts the line ends handed out.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self.progress = 0
        self.lines = 0

    def __iter__(self) -> Iterator[str]:
        """Yield non-empty blocks. Raises `UnreadableError`."""
        decoder = getincrementaldecoder("utf-8-sig")()
        seen, unfinished_chars, first = -1, 0, True
        for data in self._data():
            if first:
                _refuse_foreign(data)
                first = False
            text, problem = _decode(decoder.decode, data)
            unfinished_chars = len(text) + (unfinished_chars if self.progress == seen else 0)
            seen = self.progress
            if unfinished_chars > ROW_LIMIT_CHARS:
                raise UnreadableError(
                    "more than 1 MiB follows without one whole row; close the quote, or correct the line"
                )
            if text:
                yield text
                self.lines += text.count("\n") or text.count("\r")
            if problem:
                raise UnreadableError(problem, self.lines + 1)
        if decoder.getstate()[0]:
            cut = "the file ends in the middle of a character, it was cut off; get it again in full"
            raise UnreadableError(cut, self.lines + 1)

    def _data(self) -> Iterator[bytes]:
        """Yield the bytes as they are read; what may be the Ctrl-Z at the end of a DOS file is held back until more comes."""
        held = b""
        while data := self._next_block():
            data = held + data
            held = data[len(data.rstrip(_END_OF_DOS_FILE)) :][:_LOOKED_AT_BYTES]
            yield data[: len(data) - len(held)]
        if held:
            raise UnreadableError(
                "the file ends in Ctrl-Z (byte 0x1a), an end mark of DOS; remove that byte", self.lines + 1
            )

    def _next_block(self) -> bytes:
        try:
            return self._read(BLOCK_BYTES)
        except (OSError, ValueError) as error:  # ValueError: a standard input that is closed
            raise UnreadableError(f"cannot be read ({error}); correct that and run again", self.lines + 1) from error


def _refuse_foreign(data: bytes) -> None:
    """Refuse a file that says what it is at its start. Raises `UnreadableError`."""
    for mark, words in _MARKS:
        if data.startswith(mark):
            raise UnreadableError(words, 1)
    if width := _width_without_mark(data[:_LOOKED_AT_BYTES]):
        raise UnreadableError(f"the file is in UTF-{width} without a byte order mark, not in UTF-8; {SAVE_AGAIN}", 1)


def _width_without_mark(start: bytes) -> int:
    """Return 16 or 32 where the zero bytes lie as in mostly Latin text of that width, else 0."""
    for width in (4, 2):
        start = start[: len(start) // width * width]
        zeros = [start[place::width].count(0) * width / len(start) if start else 0 for place in range(width)]
        if sum(share > 0.5 for share in zeros) == width - 1 and min(zeros) < 0.1:
            return width * 8
    return 0


def _decode(decode: Callable[[bytes], str], data: bytes) -> tuple[str, str]:
    """Return the good text at the start of `data`, and what is wrong after it."""
    problem = ""
    nul = data.find(0)
    if nul >= 0:
        data = data[:nul]
        problem = "the file is binary (a NUL byte); give a manifest as UTF-8 text"
    try:
        return decode(data), problem
    except UnicodeDecodeError as error:
        return error.object[: error.start].decode("utf-8"), _no_utf_8(error.object, error.start)


def _no_utf_8(data: bytes, place: int) -> str:
    """Say which byte is not UTF-8, and what it would be in the encodings that spreadsheets write."""
    byte = data[place]
    alone = not any(neighbour >= 0x80 for neighbour in data[max(place - 1, 0) : place] + data[place + 1 : place + 2])
    as_text = data[place : place + 1].decode("cp1252", "ignore") if alone else ""
    reads = f" (in Windows-1252 it reads {as_text!r})" if as_text.isprintable() and as_text else ""
    return f"byte 0x{byte:02x} is not UTF-8{reads}; {SAVE_AGAIN}"
