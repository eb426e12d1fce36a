"""Opens a manifest, by path or on standard input, and names what is in it by a digest. Never writes."""

import hashlib
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import fstat
from pathlib import Path
from typing import BinaryIO

from bulkroute.errors import ManifestError, UsageError
from bulkroute.manifest.csv_reader import CsvReader
from bulkroute.manifest.decoding import AS_CSV, TextBlocks
from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.header import Kind
from bulkroute.manifest.plan_reader import PlanReader
from bulkroute.manifest.reading import Reading
from bulkroute.model import Row, escaped

RULES_VERSION = 2
"""Part of the digest: goes up when the same bytes may give other rows than before."""

_HASH_BLOCK_BYTES = 1024 * 1024
_FORMATS = {".csv": "csv", ".yaml": "yaml", ".yml": "yaml", ".plan": "plan"}
_WORKBOOKS = frozenset((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"))


class Manifest:
    """An open manifest, or saved plan. `name` is fit for messages, `format` is "csv", "yaml" or "plan"; `rereadable` tells a file from a pipe."""

    def __init__(self, file: BinaryIO, name: str, format_: str, *, rereadable: bool) -> None:
        self.name = name
        self.format = format_
        self.file = file
        self.rereadable = rereadable
        self._digest = ""
        self.kind: Kind | None = None
        """What its header makes it; known as soon as `read` or `rows` was called, None where the header is faulty."""

    @property
    def digest(self) -> str:
        """`csv:1:<sha256>` or `yaml:1:<sha256>`: format, version of the rules, and the bytes of the file.

        Once `rows` has come to the end, it is that of the bytes it read, even if the file has changed since. Before,
        a file is hashed without being parsed; for a pipe, which can be read only once, this raises `RuntimeError`.
        Raises `ManifestError` if reading fails.
        """
        if not self._digest and self.rereadable:
            try:
                place = self.file.tell()
                self.file.seek(0)
                read = self._hashing_read()
                while read(_HASH_BLOCK_BYTES):
                    pass
                self.file.seek(place)
            except OSError as error:
                raise _refusal(self.name, f"cannot be read ({error.strerror}); correct that and run again") from error
        if not self._digest:
            raise RuntimeError("the digest of a pipe is known only once all of its rows are read")
        return self._digest

    def read(self, faults: Faults) -> Reading:
        """Read the header and return what reads the rows, of either kind; what is no good goes to `faults`.

        Faults of the whole file (cut off, no rows, ids rounded by a spreadsheet) are added at the end, so read all rows
        before acting on any. A file can be read again, a pipe only once.
        """
        faults.name = faults.name or self.name
        if self.format == "plan":
            raise UsageError(
                "is a saved plan, and a manifest is wanted", where=self.name, hint="`bulkroute show` prints it"
            )
        if self.rereadable:
            self.file.seek(0)
        blocks = TextBlocks(self._hashing_read())
        reading: Reading
        if self.format == "csv":
            reading = CsvReader(blocks, faults)
        else:
            from bulkroute.manifest.yaml_reader import YamlReader  # here, since CSV must not wait for the library

            reading = YamlReader(blocks, faults)
        self.kind = reading.kind
        return reading

    def read_plan(self, faults: Faults) -> PlanReader:
        """Read the head of a saved plan and return what reads its rows; what is no good goes to `faults`."""
        faults.name = faults.name or self.name
        if self.rereadable:
            self.file.seek(0)
        return PlanReader(self.file.readline, faults)

    def rows(self, faults: Faults) -> Iterator[Row]:
        """Yield the good rows of a manifest by id, in the file's order, one at a time; one by number is a fault."""
        return self.read(faults).rows()

    def _hashing_read(self) -> Callable[[int], bytes]:
        """Return a read that sets the digest when it comes to the end."""
        sha256 = hashlib.sha256()

        def read(size: int) -> bytes:
            data = self.file.read(size)
            sha256.update(data)
            if not data:
                self._digest = f"{self.format}:{RULES_VERSION}:{sha256.hexdigest()}"
            return data

        return read


@contextmanager
def open_manifest(source: str | Path, format: str | None = None) -> Iterator[Manifest]:  # noqa: A002  as in --format
    """Open the manifest at `source`, or on standard input for "-".

    The suffix tells the format (.csv, .yaml, .yml, .plan); `format` ("csv", "yaml", "plan") does where the suffix does not.
    Raises `ManifestError` if the format is unknown or in dispute, or the file is missing, a folder or not readable, and
    `UsageError` for standard input without a format.
    """
    if str(source) == "-":
        name = "<stdin>"
        if sys.stdin is None:
            raise _refusal(name, "standard input is closed; give a file, or pipe the manifest in")
        if format is None:
            raise UsageError("nothing tells the format of standard input", hint="say --format csv, yaml or plan")
        yield Manifest(sys.stdin.buffer, name, _format(name, "", format), rereadable=False)
        return
    path = Path(source)
    name = escaped(str(path))
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _refusal(name, "is a folder; give the file in it")
        format_ = _format(name, path.suffix, format)
        file = path.open("rb")
    except FileNotFoundError as error:
        raise _refusal(name, "does not exist; check the path") from error
    except OSError as error:
        raise _refusal(name, f"cannot be opened ({error.strerror}); correct that and run again") from error
    except ValueError as error:  # a NUL or a lone surrogate in the path
        raise _refusal(name, f"is no path ({error}); check it") from error
    with file:
        yield Manifest(file, name, format_, rereadable=stat.S_ISREG(fstat(file.fileno()).st_mode))


def is_plan(source: object, format: str | None) -> bool:  # noqa: A002  as in --format
    """Tell whether a source is meant to be a saved plan: by its suffix, or by the format where that does not tell."""
    if not isinstance(source, str | Path):
        return False
    return (_FORMATS.get(Path(source).suffix.lower()) or format) == "plan"


def _format(name: str, suffix: str, given: str | None) -> str:
    if suffix.lower() in _WORKBOOKS:
        raise _refusal(name, f"is a workbook, not text; {AS_CSV}")
    from_suffix = _FORMATS.get(suffix.lower())
    if given is not None and given not in _FORMATS.values():
        raise _refusal(name, f"format {quote(given)} is unknown; say csv, yaml or plan")
    if from_suffix and given and given != from_suffix:
        raise _refusal(
            name, f"the name says {from_suffix}, the format given is {given}; leave the format out or rename it"
        )
    if not (from_suffix or given):
        raise _refusal(name, "the name does not end in .csv, .yaml, .yml or .plan; say --format csv, yaml or plan")
    return from_suffix or given or ""


def _refusal(name: str, text: str) -> ManifestError:
    faults = Faults(name)
    faults.add(0, text)
    return faults.error()
