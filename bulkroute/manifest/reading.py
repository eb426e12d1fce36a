"""What every reader of manifests promises: the kind is known before the rows are, and rows of that kind come out.

A row that is no good becomes a fault; the others follow. Nothing is read twice.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from bulkroute.manifest.faults import Faults
from bulkroute.manifest.header import LABELS, Kind
from bulkroute.manifest.number_rules import LabelledCheck, NumberedCheck
from bulkroute.manifest.row_rules import AnyRow, Check, RowCheck
from bulkroute.manifest.rows import LabelledRow, NumberedRow
from bulkroute.model import Row


class Reading(ABC):
    """One manifest being read, once: ask for its kind, then for all rows of that kind."""

    kind: Kind | None = None
    """None where nothing tells it; why not is among the faults then."""
    columns: frozenset[str] = frozenset()
    """The fields that the header names, or the keys of the first row; later rows of YAML may have others."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    @property
    def labels(self) -> frozenset[str]:
        """What a manifest by id has beside id and target, of what can be held against live bindings, or names waves."""
        return self.columns & frozenset(LABELS) if self.kind is Kind.BY_ID else frozenset()

    def rows(self) -> Iterator[Row]:
        """Yield the good rows of a manifest by id; one by number is a fault."""
        if self.kind is Kind.BY_NUMBER:
            self._faults.add(0, "is a manifest by number; give one by id: id, devicetype and deviceId")
            return iter(())
        return self._checked(RowCheck(self._faults))

    def labelled_rows(self) -> Iterator[LabelledRow]:
        """Yield the good rows of a manifest by id, each with what stands beside its id."""
        return self._checked(LabelledCheck(self._faults, self.columns))

    def numbered_rows(self) -> Iterator[NumberedRow]:
        """Yield the good rows of a manifest by number."""
        return self._checked(NumberedCheck(self._faults))

    @abstractmethod
    def _checked(self, check: Check[AnyRow]) -> Iterator[AnyRow]:
        """Yield what `check` makes of each row, in the manifest's order."""
