"""The canary: a few rows first, over as many targets as they reach, read back before the others are sent.

Never takes the first rows of a manifest for the whole of it, and never takes the service's "success" for the change.
"""

from collections.abc import Awaitable, Callable, Iterator

from bulkroute.ledger.batches import QueuedRow
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.writer import BatchWriter
from bulkroute.live.called_routes import LiveReader
from bulkroute.rate.backoff import doubling

READ_AGAIN = 5
"""A list may show a change late: a difference is believed only once it was read again so often, after the backoff and
then after twice as long each time."""

SHOWN = 5


class Canary:
    """Picks rows of a batch, and judges them once they are sent."""

    def __init__(self, batch: BatchWriter, count: int, reader: LiveReader, backoff_s: float) -> None:
        self._batch = batch
        self._reader = reader
        self._waits_s = [0.0, *doubling(backoff_s, READ_AGAIN)]
        self._queue = batch.spread(count)
        self._rows = [queued.number for queued in self._queue]

    def queue(self) -> Iterator[QueuedRow]:
        """Yield the rows to send first."""
        return iter(self._queue)

    async def judge(self, rest: Callable[[float], Awaitable[None]]) -> str | None:
        """Return what is wrong with the rows that were sent, None where all are right. `rest` waits some seconds.

        Raises what reading raises.
        """
        if not self._rows:
            return None
        failed = self._batch.failures_of(self._rows)
        if failed:
            return _told(f"{len(failed)} of {len(self._rows)} rows failed", failed)
        different: list[str] = []
        for wait_s in self._waits_s:
            await rest(wait_s)
            with LiveBindings() as live:
                await self._reader.read(live)
                different = self._batch.canary_differences(self._rows, live)
            if not different:
                return None
        return _told(f"{len(different)} of {len(self._rows)} rows read back different", different)


def _told(what: str, rows: list[str]) -> str:
    more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    return f"the canary: {what}: {'; '.join(rows[:SHOWN])}{more}"
