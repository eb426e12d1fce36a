"""Bytes to text, block by block, refusing early what can be no manifest.

Promises that a reader never holds more than about 1 MiB of unfinished row, whatever the file. Never guesses an encoding.
"""

from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator

BLOCK_BYTES = 128 * 1024
ROW_LIMIT_CHARS = 1024 * 1024


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
        while data := self._next_block():
            if first:
                _refuse_foreign(data)
                first = False
            text, problem = _decode(decoder.decode, data)
            unfinished_chars = len(text) + (unfinished_chars if self.progress == seen else 0)
            seen = self.progress
            if unfinished_chars > ROW_LIMIT_CHARS:
                raise UnreadableError(
                    "more than 1 MiB follows without one whole row; close the quote, or mend the line"
                )
            if text:
                yield text
                self.lines += text.count("\n") or text.count("\r")
            if problem:
                raise UnreadableError(problem, self.lines + 1)
        if decoder.getstate()[0]:
            cut = "the file ends in the middle of a character, it was cut off; get it again in full"
            raise UnreadableError(cut, self.lines + 1)

    def _next_block(self) -> bytes:
        try:
            return self._read(BLOCK_BYTES)
        except (OSError, ValueError) as error:  # ValueError: a standard input that is closed
            raise UnreadableError(f"cannot be read ({error}); mend that and run again", self.lines + 1) from error


def _refuse_foreign(data: bytes) -> None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("the file is in UTF-16, not in UTF-8; save it again as UTF-8", 1)
    if data.startswith(b"PK\x03\x04"):
        raise UnreadableError("the file is a workbook or an archive, not text; save the sheet as CSV (UTF-8)", 1)


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
        good = error.object[: error.start].decode("utf-8")
        return good, f"byte 0x{error.object[error.start]:02x} is not UTF-8; save the file again as UTF-8"
