"""The routes that a file names: a manifest of any kind, whose targets are ignored, or one id or number a line.

A number that no route has is a fault, and so is one that could be no id either: whoever mistypes the route that is not
to be touched, or the only one that is, must hear of it before anything is sent.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bulkroute.errors import UsageError
from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.route_index import KnownRoute, RouteIndex
from bulkroute.manifest import Faults, Kind, open_manifest
from bulkroute.manifest.header import is_known
from bulkroute.manifest.numbers import normalised, number_problem
from bulkroute.manifest.row_rules import id_problem
from bulkroute.manifest.rows import NumberedRow, WantedTarget
from bulkroute.model import Row

NO_TARGET = (1, 0)
"""What stands in for the targets, so that a route that is named twice is no contradiction."""

LEAST_ID_CHARS = 16
"""Letters and digits in a row, so many and more, that are no route's id or number are the id of a route that is gone."""

_NOWHERE = WantedTarget(None, None, "")


class NamedRoutes:
    """Reads files of routes, held against what is live."""

    def __init__(self, file: Path, flag: str) -> None:
        """`flag` is what the file was given with. Raises UsageError for a file that cannot be read."""
        self.faults = Faults(str(file))
        self.gone = 0
        """Lines of a list met so far that are ids, as it seems, and those of no called route any more."""
        self._file = file
        self._flag = flag
        self._is_yaml = file.suffix.lower() in (".yaml", ".yml")
        try:
            self._is_list = not self._is_yaml and not _has_columns(file)
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def rows(self, routes: Callable[[], Iterable[LiveRoute]]) -> Iterator[Row]:
        """Yield a row, with NO_TARGET, for each route that is named; what is no good goes to `faults`.

        `routes` gives all that are live; of a manifest by id it is not asked, and memory stays flat. Raises UsageError.
        """
        try:
            if self._is_list:
                yield from self._listed(routes)
                return
            with open_manifest(self._file, "yaml" if self._is_yaml else "csv") as manifest:
                reading = manifest.read(self.faults)
                if reading.kind is not Kind.BY_NUMBER:
                    yield from (Row(row.line, row.id, *NO_TARGET) for row in reading.rows())
                    return
                index = RouteIndex(map(KnownRoute.of, routes()))
                for row in reading.numbered_rows():
                    yield from self._of_number(row, index)
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error

    def require_whole(self, tell: Callable[[str], None]) -> None:
        """Raise ManifestError with every fault, once all rows are read; `tell` gets warnings and notices."""
        if self.faults.total:
            raise self.faults.error()
        for text in (*(f"warning: {text}" for text in self.faults.warnings), *self.faults.notices):
            tell(text)
        if self.gone:
            tell(f"{self._file}: {self.gone:,} {'line is' if self.gone == 1 else 'lines are'} no called route any more")

    def _listed(self, routes: Callable[[], Iterable[LiveRoute]]) -> Iterator[Row]:
        known = [KnownRoute.of(route) for route in routes()]
        ids, index = {route.id for route in known}, RouteIndex(known)
        is_first = True
        with self._file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if not (text := line.strip()):
                    continue
                may_be_header, is_first = is_first, False
                if may_be_header and is_known(text):
                    continue
                row = NumberedRow(number, normalised(text), None, None, _NOWHERE)
                problem = number_problem("number", text)
                may_be_id = len(text) >= LEAST_ID_CHARS and text.isalnum() and id_problem(text) is None
                is_gone = may_be_id and not index.candidates(row)
                if text in ids or is_gone:
                    self.gone += text not in ids
                    yield Row(number, text, *NO_TARGET)
                elif problem is None:
                    yield from self._of_number(row, index)
                else:
                    self.faults.add(number, problem)

    def _of_number(self, row: NumberedRow, index: RouteIndex) -> Iterator[Row]:
        """Yield all routes that have a row's number, and its media type where it names one and they do."""
        fitting = [route for route in index.candidates(row) if _may_carry(route, row.media_type)]
        if not fitting:
            self.faults.add(row.line, index.why_not(row) if self.faults.keeps_more else "")
        for route in fitting:
            yield Row(row.line, route.id, *NO_TARGET)

    def _unreadable(self, error: OSError | UnicodeDecodeError) -> UsageError:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        return UsageError(
            f"cannot be read: {why}",
            where=str(self._file),
            hint=f"{self._flag} takes a manifest, or a text file with an id or a number on each line",
        )


def _may_carry(route: KnownRoute, media_type: int | None) -> bool:
    return None in (media_type, route.media_type) or route.media_type == media_type


def _has_columns(file: Path) -> bool:
    """Tell a manifest from a list by its first line that is not blank."""
    with file.open(encoding="utf-8-sig") as lines:
        first = next((line for line in lines if line.strip()), "")
    return any(delimiter in first for delimiter in ",;\t")
