"""A manifest on its way in: its form checked as a whole, and staged as it is written. Nothing is sent from here.

All faults are known before the ledger is touched; a manifest that the ledger has seen byte for byte is not read again.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bulkroute.errors import ManifestError, StopKind, UsageError
from bulkroute.ledger.batches import PLAN, Batch
from bulkroute.ledger.number_staging import NumberStaging
from bulkroute.ledger.staging import FoundRow, Staged, Staging
from bulkroute.manifest import Faults, GivenReader, GivenRow, Kind, Reading, open_manifest
from bulkroute.manifest.plan_reader import not_intact
from bulkroute.manifest.saved_plan import PlanHead
from bulkroute.manifest.source import is_plan
from bulkroute.model import escaped

Source = str | Path | Iterable[GivenRow]
"""A manifest's path, `-` for standard input, or rows that a program hands over."""


class Written(NamedTuple):
    """A manifest without a fault in its form, staged as it is written; good as long as its rows are open."""

    rows: Staging | NumberStaging
    """By id or by number."""
    name: str
    """What the ledger and messages call it."""
    digest: str
    """Of its bytes; '' if it cannot be told from another one, as rows of a program."""
    is_labelled: bool
    """Whether a manifest by id says more than ids and targets."""
    plan: PlanHead | None = None
    """The head of a saved plan; None for a manifest."""

    def is_kept_in(self, batch: Batch) -> bool:
        """Tell whether a batch holds this very manifest by number, with the ids that its numbers had."""
        return batch.by_number and self.plan is None and self.digest == batch.digest != ""


@contextlib.contextmanager
def written(
    source: Source, format_: str | None, on_notice: Callable[[str], None], *, expected_rows: int | None = None
) -> Iterator[Written]:
    """Check the form of all of `source`, of either kind, and give it staged; what its numbers and names mean is not asked.

    `on_notice` gets the warnings and notices. Raises ManifestError with every fault, or for another number of rows than
    is expected.
    """
    with contextlib.ExitStack() as exits:
        if _is_named_pipe(source):
            on_notice(f"{name_of(source)}: is a named pipe; waiting for whoever writes into it")
        if isinstance(source, str | Path) and is_plan(source, format_):
            found = _written_plan(source, exits)
        else:
            found = _written_manifest(source, format_, on_notice, exits)
        if expected_rows not in (None, found.rows.count):
            fault = f"{name_of(source)}: {found.rows.count:,} rows, and --expect says {expected_rows:,}"
            raise ManifestError(name_of(source), [fault], 1, stop=StopKind.EXPECT)
        yield found


def _written_manifest(
    source: Source, format_: str | None, on_notice: Callable[[str], None], exits: contextlib.ExitStack
) -> Written:
    reading: Reading
    if isinstance(source, str | Path):
        manifest = exits.enter_context(open_manifest(source, format_))
        faults = Faults(manifest.name)
        reading = manifest.read(faults)
    else:
        manifest, faults = None, Faults()
        reading = GivenReader(source, faults)
    rows: Staging | NumberStaging = NumberStaging() if reading.kind is Kind.BY_NUMBER else Staging()
    exits.enter_context(rows)
    _fill(rows, reading, faults)
    if faults.total:
        raise faults.error()
    for text in (*(f"warning: {text}" for text in faults.warnings), *faults.notices):
        on_notice(text)
    return Written(rows, name_of(source), manifest.digest if manifest else "", bool(reading.labels))


def _written_plan(source: str | Path, exits: contextlib.ExitStack) -> Written:
    """Return the rows of a saved plan that is intact. Raises ManifestError for any other one."""
    rows = exits.enter_context(Staging())
    with open_manifest(source, "plan") as opened:
        faults = Faults(opened.name)
        plan = opened.read_plan(faults)
        rows.load_planned(plan.rows(), faults)
    if faults.total or plan.head is None:
        raise not_intact(faults)
    return Written(rows, name_of(source), f"{PLAN}{plan.fingerprint}", is_labelled=False, plan=plan.head)


def _is_named_pipe(source: Source) -> bool:
    """Tell whether opening `source` waits for a writer; a shell that puts one in place of `<(...)` has begun it already."""
    return (
        isinstance(source, str | Path)
        and Path(source).is_fifo()
        and Path(source).absolute().parts[1] not in ("dev", "proc")
    )


def kept(written: Written, rows: Iterable[FoundRow], exits: contextlib.ExitStack) -> Staged:
    """Return a manifest that a batch holds already with the ids that its numbers had then, staged as long as `exits`."""
    staging = exits.enter_context(Staging())
    staging.load_found(rows, Faults())
    return Staged(staging, written.name, written.digest, by_number=True)


def _fill(rows: Staging | NumberStaging, reading: Reading, faults: Faults) -> None:
    """Read all rows into the staging of their kind."""
    if isinstance(rows, NumberStaging):
        rows.load(reading.numbered_rows(), faults)
    elif reading.labels:
        rows.load_labelled(reading.labelled_rows(), faults)
    else:
        rows.load(reading.rows(), faults)


class Form(NamedTuple):
    """A manifest without a fault in its form, or an intact plan."""

    kind: Kind
    rows: int
    """Those that stand twice are counted once."""
    plan: str = ""
    """The fingerprint of a saved plan, in words; empty for a manifest."""


def check_form(source: str | Path, format_: str | None, on_notice: Callable[[str], None]) -> Form:
    """Check all of a manifest of either kind; what its numbers and names mean is not asked.

    `on_notice` gets the warnings and notices. Raises ManifestError with every fault.
    """
    with written(source, format_, on_notice) as found:
        kind = Kind.BY_NUMBER if isinstance(found.rows, NumberStaging) else Kind.BY_ID
        plan = found.plan.described(found.digest.removeprefix(PLAN)) if found.plan else ""
        return Form(kind, found.rows.count, plan)


def name_of(source: Source) -> str:
    """Return what the ledger and messages call a manifest."""
    return escaped(str(source)) if isinstance(source, str | Path) else "rows given by a program"


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
