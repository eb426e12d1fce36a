"""The rows that a command is limited to: the ids of a manifest, whose targets are ignored, or one id a line."""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import UsageError
from bulkroute.ledger.staging import Staging
from bulkroute.manifest import Faults, check_rows, open_manifest
from bulkroute.model import Row

NO_TARGET = (1, 0)
"""What stands in for the targets, so that an id that is listed twice is no contradiction."""


class Only(NamedTuple):
    """The ids, staged; good as long as they are open."""

    rows: Staging
    digest: str
    """Of the ids, in whatever order they were given."""


@contextlib.contextmanager
def staged(file: Path, on_notice: Callable[[str], None]) -> Iterator[Only]:
    """Read the ids for the block. Raises ManifestError with every fault, UsageError for a file that cannot be read."""
    faults = Faults(str(file))
    with Staging() as staging:
        try:
            staging.load((Row(row.line, row.id, *NO_TARGET) for row in _rows(file, faults)), faults)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
            raise UsageError(
                f"the rows to go by cannot be read: {why}",
                where=str(file),
                hint="--only takes a manifest, or a text file with an id on each line",
            ) from error
        if faults.total:
            raise faults.error()
        for text in (*(f"warning: {text}" for text in faults.warnings), *faults.notices):
            on_notice(text)
        digest = hashlib.sha256()
        for row_id in staging.ids():
            digest.update(f"{row_id}\n".encode())
        yield Only(staging, f"only:{digest.hexdigest()}")


def _rows(file: Path, faults: Faults) -> Iterator[Row]:
    is_yaml = file.suffix.lower() in (".yaml", ".yml")
    if is_yaml or _has_columns(file):
        with open_manifest(file, "yaml" if is_yaml else "csv") as manifest:
            yield from manifest.rows(faults)
        return
    with file.open(encoding="utf-8-sig") as lines:
        yield from check_rows(map(_given, lines, itertools.count(1)), faults)


def _has_columns(file: Path) -> bool:
    """Tell a manifest from a list by its first line that is not blank."""
    with file.open(encoding="utf-8-sig") as lines:
        first = next((line for line in lines if line.strip()), "")
    return any(delimiter in first for delimiter in ",;\t")


def _given(line: str, number: int) -> tuple[str, int | str, int | str]:
    """Return a line as a row of a manifest; one that is blank, or names the column, is a blank row."""
    text = line.strip()
    return ("", "", "") if not text or (number == 1 and text.casefold() == "id") else (text, *NO_TARGET)
