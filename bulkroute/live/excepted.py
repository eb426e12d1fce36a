"""The routes that a selection leaves alone: a manifest of any kind, whose targets are ignored, or one id or number a line.

An exception that means nothing is a fault: whoever mistypes a number must hear of it before its route is changed.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bulkroute.errors import UsageError
from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.route_index import KnownRoute, NotFound, RouteIndex
from bulkroute.manifest import Faults, Kind, open_manifest
from bulkroute.manifest.header import is_known
from bulkroute.manifest.numbers import normalised, number_problem
from bulkroute.manifest.rows import NumberedRow, WantedTarget
from bulkroute.model import Row

_NO_TARGET = WantedTarget(None, None, "")

Line = tuple[int, str]
"""A line of a list, with its number: an id, or a number as it is dialled."""


def excepted_ids(file: Path, routes: Sequence[LiveRoute], tell: Callable[[str], None]) -> frozenset[str]:
    """Return the ids that a file names, of these routes. Raises ManifestError with every fault, UsageError."""
    faults = Faults(str(file))
    ids = {route.id for route in routes}
    index = RouteIndex(map(KnownRoute.of, routes))
    found: set[str] = set()
    gone = 0
    for row in _rows(file, faults):
        if isinstance(row, Row):
            found.add(row.id)
            gone += row.id not in ids
        elif isinstance(row, NumberedRow):
            found |= _of_number(row, index, faults)
        elif row[1] in ids:
            found.add(row[1])
        elif problem := number_problem("number", row[1]):
            faults.add(row[0], problem)
        else:
            found |= _of_number(NumberedRow(row[0], normalised(row[1]), None, None, _NO_TARGET), index, faults)
    if faults.total:
        raise faults.error()
    for text in (*(f"warning: {text}" for text in faults.warnings), *faults.notices):
        tell(text)
    if gone:
        tell(f"{file}: {gone:,} {'id is' if gone == 1 else 'ids are'} no called route any more")
    return frozenset(found)


def _of_number(row: NumberedRow, index: RouteIndex, faults: Faults) -> set[str]:
    """Return the ids of all routes that have a row's number, and its media type where it names one and they do."""
    fitting = [
        route
        for route in index.candidates(row)
        if None in (row.media_type, route.media_type) or row.media_type == route.media_type
    ]
    match = index.match(row)
    if not fitting and isinstance(match, NotFound):
        faults.add(row.line, match.reason)
    return {route.id for route in fitting}


def _rows(file: Path, faults: Faults) -> Iterator[Row | NumberedRow | Line]:
    is_yaml = file.suffix.lower() in (".yaml", ".yml")
    try:
        if is_yaml or _has_columns(file):
            with open_manifest(file, "yaml" if is_yaml else "csv") as manifest:
                reading = manifest.read(faults)
                yield from reading.numbered_rows() if reading.kind is Kind.BY_NUMBER else reading.rows()
            return
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                if text and not (number == 1 and is_known(text)):
                    yield number, text
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(
            f"the exceptions cannot be read: {why}",
            where=str(file),
            hint="--except takes a manifest, or a text file with an id or a number on each line",
        ) from error


def _has_columns(file: Path) -> bool:
    """Tell a manifest from a list by its first line that is not blank."""
    with file.open(encoding="utf-8-sig") as lines:
        first = next((line for line in lines if line.strip()), "")
    return any(delimiter in first for delimiter in ",;\t")
