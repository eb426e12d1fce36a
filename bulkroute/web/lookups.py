"""Questions to the ledger beside the feed's: searches and downloads, one after the other.

They have a thread of their own, so that nobody hears the news later for them, and a pause after each one. So the run
finds moments without a reader, in which it can shorten its write-ahead log.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.reader import LedgerReader

T = TypeVar("T")

MOST = 8
"""In line, the one under way included."""
LONGEST_PAUSE_S = 1.0
"""After a question that took as long or longer; else as long as that took."""


class Lookups:
    """The line of questions to one ledger."""

    def __init__(self, ledger: Path) -> None:
        """Nothing is opened before somebody asks."""
        self._ledger = Ledger(ledger)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lookup")
        self._in_line = 0
        self._next_at_s = 0.0

    async def ask(self, question: Callable[[LedgerReader], T]) -> T:
        """Return the answer. Raises LedgerError, UsageError, and web.HTTPServiceUnavailable where the line is long."""
        if self._in_line >= MOST:
            raise busy("many searches go on already")
        self._in_line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, question)
        finally:
            self._in_line -= 1

    def close(self) -> None:
        """Drop who is in line, and wait for the question under way."""
        self._thread.shutdown(cancel_futures=True)

    def _answer(self, question: Callable[[LedgerReader], T]) -> T:
        time.sleep(max(0.0, self._next_at_s - time.monotonic()))
        started_s = time.monotonic()
        try:
            with self._ledger.read() as reader:
                return question(reader)
        finally:
            ended_s = time.monotonic()
            self._next_at_s = ended_s + min(LONGEST_PAUSE_S, ended_s - started_s)


def busy(why: str) -> web.HTTPServiceUnavailable:
    """Return the refusal of what would be too much at once."""
    return web.HTTPServiceUnavailable(text=f"{why}: try again in a moment\n", headers={"Retry-After": "2"})
