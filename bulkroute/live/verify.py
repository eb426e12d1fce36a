"""The check of a ledger against live bindings: is every row that it calls done as it says? Changes no route."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bulkroute.errors import BulkrouteError
from bulkroute.ledger.compare import Difference, DifferenceKind
from bulkroute.ledger.live_bindings import LiveBindings, Target
from bulkroute.ledger.reader import BatchReader
from bulkroute.live import targets
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.read_calls import Asker
from bulkroute.model import NamedTarget
from bulkroute.rate.backoff import doubling

FRESH_S = 30.0
"""Rows that got their outcome less than this ago may be listed late: differences are read again."""

READ_AGAIN = 4
"""How often differences of fresh rows are read again, after the backoff and then after twice as long each time."""

EXAMPLES = 3


class DifferenceGroup(NamedTuple):
    """Rows that differ alike."""

    kind: DifferenceKind
    """What became of them."""
    wanted: NamedTarget
    """Where they should lead."""
    now: NamedTarget | None
    """Where they lead; None where they are not listed, or without a target."""
    rows: int
    """How many."""
    examples: tuple[str, ...]
    """Ids of the first of them."""
    routes: tuple[str, ...]
    """The same as people know them, with their numbers."""


class Verified(NamedTuple):
    """What came of a check."""

    ledger: str
    """The ledger's path."""
    batch: int
    """The batch's number."""
    checked: int
    """Rows that the ledger calls done, those that were put back since among them."""
    put_back: int
    """Of these, rows that a rollback has put back since: they should lead to where they led before."""
    left: int
    """Rows of a batch that has not ended that are not done yet, or in doubt: nothing is said of these."""
    differences: list[Difference]
    """Rows among them whose live binding is another one.

    In JSON `id`, `accessCode`, `extCode`, `kind`, `was`, `wanted` and `is`.
    """
    settled: bool
    """False if the service's list of called routes never came to rest."""

    @property
    def groups(self) -> list[DifferenceGroup]:
        """Rows that differ alike, the most frequent first; in JSON `kind`, `wanted`, `is`, `rows` and `examples`."""
        alike: dict[tuple[DifferenceKind, NamedTarget, NamedTarget | None], list[Difference]] = {}
        for each in self.differences:
            alike.setdefault((each.kind, each.wanted, each.now), []).append(each)
        found = [
            DifferenceGroup(
                *key,
                len(those),
                tuple(each.id for each in those[:EXAMPLES]),
                tuple(each.route for each in those[:EXAMPLES]),
            )
            for key, those in alike.items()
        ]
        return sorted(found, key=lambda group: -group.rows)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were found how: `right`, and each kind of difference."""
        kinds = Counter(each.kind for each in self.differences)
        return {"right": self.checked - len(self.differences), **{kind.value: kinds[kind] for kind in DifferenceKind}}

    @property
    def sentence(self) -> str:
        """What was found, in one sentence."""
        if not self.checked:
            return "the ledger calls no row done: nothing was verified"
        what = "rows done"
        if self.put_back:
            done = self.checked - self.put_back
            what = f"rows put back or done ({self.put_back:,} and {done:,})" if done else "rows put back"
        counts = self.counts
        parts = [
            f"{counts['right']:,} of {self.checked:,} {what} are as the ledger says",
            ", ".join(f"{counts[kind]:,} {kind.words}" for kind in DifferenceKind if counts[kind]),
            f"{self.left:,} more rows are not done yet" * bool(self.left),
        ]
        return "; ".join(filter(None, parts))


async def verify(batch: BatchReader, reader: LiveReader, backoff_s: float, tell: Callable[[str], None]) -> Verified:
    """Hold the rows called done against live bindings. `backoff_s`: before the first reading again. Raises LedgerError, and what reading raises."""
    waits = doubling(backoff_s, READ_AGAIN)
    while True:
        with LiveBindings() as live:
            await reader.read(live)
            found = batch.differences(live)
        checked = batch.count_checked()
        fresh = time.time() - checked.last_finish < FRESH_S
        wait_s = next(waits, None)
        if not found or not fresh or wait_s is None:
            named = await _named(reader.asker, found)
            rows = checked.done + checked.put_back
            return Verified(str(batch.path), batch.number, rows, checked.put_back, _left(batch), named, live.settled)
        differences = "1 difference" if len(found) == 1 else f"{len(found):,} differences"
        tell(f"{differences}; the list may lag behind, it is read again in {wait_s:g} s")
        await asyncio.sleep(wait_s)


def _left(batch: BatchReader) -> int:
    """Return how many rows of a batch are not done yet: what one that has ended leaves was refused or put back."""
    if batch.has_ended():
        return 0
    counts = batch.counts()
    return counts.pending + counts.in_doubt


async def _named(asker: Asker, found: list[Difference]) -> list[Difference]:
    """Return differences with the names of targets that no live route leads to; these are looked up."""
    nameless = {target for each in found for target in _targets(each) if not target.name}
    try:
        looked = await targets.look_up(asker, [Target(*target, {}) for target in sorted(nameless)], _ignore)
    except BulkrouteError:
        return found  # what was found is told, with names or without
    names = {each.known.binding: each.known.name for each in looked}
    return [each.named_by(names) for each in found]


def _targets(difference: Difference) -> Iterator[NamedTarget]:
    yield from filter(None, (difference.was, difference.wanted, difference.now))


def _ignore(_text: str) -> None:
    """Say nothing of lists that cannot be read: only names are wanted."""
