"""A manifest on its way in: checked as a whole, staged, and merged into the ledger. Nothing is sent from here.

All faults are known before the ledger is touched; a manifest that the ledger has seen byte for byte is not read again.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import ManifestError, StopKind, UsageError
from bulkroute.ledger.number_staging import NumberStaging
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.manifest import Faults, GivenRow, Kind, check_rows, open_manifest

Source = str | Path | Iterable[GivenRow]
"""A manifest's path, `-` for standard input, or rows that a program hands over."""


@contextlib.contextmanager
def staged(
    source: Source, format_: str | None, on_notice: Callable[[str], None], *, expected_rows: int | None = None
) -> Iterator[Staged]:
    """Check all of `source` and give it staged.

    `on_notice` gets the warnings and notices. Raises ManifestError with every fault, or for another number of rows than
    is expected.
    """
    with contextlib.ExitStack() as exits:
        staging = exits.enter_context(Staging())
        if isinstance(source, str | Path):
            manifest = exits.enter_context(open_manifest(source, format_))
            faults = Faults(manifest.name)
            rows = manifest.rows(faults)
        else:
            manifest, faults = None, Faults()
            rows = check_rows(source, faults)
        staging.load(rows, faults)
        if faults.total:
            raise faults.error()
        for text in (*(f"warning: {text}" for text in faults.warnings), *faults.notices):
            on_notice(text)
        if expected_rows not in (None, staging.count):
            fault = f"{staging.count:,} rows, and --expect says {expected_rows:,}"
            raise ManifestError(name_of(source), [fault], 1, stop=StopKind.EXPECT)
        yield Staged(staging, name_of(source), manifest.digest if manifest else "")


class Form(NamedTuple):
    """A manifest without a fault in its form."""

    kind: Kind
    rows: int
    """Those that stand twice are counted once."""


def check_form(source: str | Path, format_: str | None, on_notice: Callable[[str], None]) -> Form:
    """Check all of a manifest of either kind; what its numbers and names mean is not asked.

    `on_notice` gets the warnings and notices. Raises ManifestError with every fault.
    """
    with open_manifest(source, format_) as manifest:
        faults = Faults(manifest.name)
        reading = manifest.read(faults)
        if reading.kind is Kind.BY_NUMBER:
            with NumberStaging() as numbers:
                numbers.load(reading.numbered_rows(), faults)
                form = Form(Kind.BY_NUMBER, numbers.count)
        else:
            with Staging() as rows:
                rows.load(reading.rows(), faults)
                form = Form(Kind.BY_ID, rows.count)
    if faults.total:
        raise faults.error()
    for text in (*faults.warnings, *faults.notices):
        on_notice(text)
    return form


def name_of(source: Source) -> str:
    """Return what the ledger and messages call a manifest."""
    return str(source) if isinstance(source, str | Path) else "rows given by a program"


def ledger_beside(source: Source, *, rehearsal: bool = False) -> Path | None:
    """Return the ledger beside the manifest: `cutover.csv` -> `cutover.ledger.db`; for rehearsals `cutover.rehearsal.db`.

    None for `-` and rows.
    """
    if not isinstance(source, str | Path) or str(source) == "-":
        return None
    return Path(source).with_suffix(".rehearsal.db" if rehearsal else ".ledger.db")


def default_ledger(source: Source, *, rehearsal: bool = False) -> Path:
    """Return the ledger beside the manifest. Raises UsageError for `-` and rows."""
    if (ledger := ledger_beside(source, rehearsal=rehearsal)) is None:
        raise UsageError(
            f"{name_of(source)}: no ledger is named", hint="name one with --ledger FILE, or ledger= in Python"
        )
    return ledger


def require_readable(source: Source, format_: str | None) -> None:
    """Say at once what cannot be opened, before anything is locked or made. Raises ManifestError."""
    if isinstance(source, str | Path) and str(source) != "-" and not Path(source).is_fifo():
        with open_manifest(source, format_):
            pass


def is_known(source: Source, format_: str | None, digest: str) -> bool:
    """Tell whether this is the manifest of that digest, byte for byte; then its rows need not be read again."""
    if not digest or not isinstance(source, str | Path) or str(source) == "-":
        return False
    if Path(source).is_fifo():
        return False  # opened and closed, it would be lost: its writer is told that nobody reads
    with open_manifest(source, format_) as manifest:
        return manifest.rereadable and manifest.digest == digest
