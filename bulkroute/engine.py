"""The engine: connections, tokens and pace for one service, and what is done with them.

    async with Engine(Settings(base_url="https://cc.example.com", credentials=...)) as engine:
        summary = await engine.run("cutover.csv")

The command line uses this same class.
"""

import contextlib
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from bulkroute import control, intake
from bulkroute.client import Client
from bulkroute.deadlines import Deadlines
from bulkroute.events import Event, Notice, RunEnded, Watcher
from bulkroute.intake import Source
from bulkroute.ledger import batch as batches
from bulkroute.ledger import lock
from bulkroute.ledger.batch import Batch, Changes
from bulkroute.ledger.store import ledger_errors, open_for_run
from bulkroute.pacing import Pacer
from bulkroute.retry import full_jitter
from bulkroute.run import Run
from bulkroute.settings import Settings
from bulkroute.summary import Summary
from bulkroute.token import TokenSource


def unwatched(_event: Event) -> None:
    """Watch nothing."""


class Engine:
    """Rebinds called routes at one service. Use as an async context manager, within one event loop."""

    def __init__(self, settings: Settings, *, watch: Watcher = unwatched) -> None:
        """`watch` gets the events of a run as they happen; it must not block."""
        self._settings = settings
        self._watch = watch
        self._exits = contextlib.AsyncExitStack()
        self.current: Run | None = None
        """The run under way: to see how far it is, or to stop it."""
        self.reading = False
        """Whether a manifest is being taken in, which lets nothing else happen; nothing was sent then."""

    async def __aenter__(self) -> Self:
        """Open the connection pool; nothing is sent yet."""
        settings = self._settings
        self._client = Client(
            settings.base_url,
            auth_url=settings.auth_url,
            app_key=settings.credentials.app_key,
            headers=settings.headers,
            timeout_s=settings.timeout_s,
        )
        await self._exits.enter_async_context(self._client)
        self._tokens = TokenSource(
            self._client,
            settings.credentials,
            max_attempts=settings.max_attempts,
            wait=full_jitter(settings.backoff_s, settings.backoff_cap_s),
        )
        self._exits.push_async_callback(self._tokens.close)
        self._pacer = Pacer(settings.rate_per_s)
        self._deadlines = Deadlines(settings.max_duration_s, settings.until)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self._exits.aclose()

    async def run(self, source: Source, *, ledger: str | Path | None = None, format: str | None = None) -> Summary:  # noqa: A002  as in --format
        """Send what of the manifest is not done yet, and return how it ended; the same call again resumes.

        `source` is a path, `-`, or rows: (id, devicetype, deviceId) tuples, mappings or `Row`. The ledger is made
        where there is none; for rows and `-` it must be named. Raises ManifestError, LedgerBusy, LedgerError,
        UsageError; whatever else ends the run is in `Summary.stopped` and `Summary.exit_code`.
        """
        path = Path(ledger) if ledger is not None else intake.default_ledger(source)
        with lock.hold(path), contextlib.ExitStack() as exits:
            self.reading = True
            try:
                connection, batch, changes = self._take_in(source, format, path, exits)
            finally:
                self.reading = False
            self.current = Run(
                self._settings,
                client=self._client,
                tokens=self._tokens,
                pacer=self._pacer,
                ledger=path,
                connection=connection,
                batch=batch,
                changes=changes,
                watch=self._watch,
                deadlines=self._deadlines,
            )
            async with control.serving(path, lambda: self.current, self._notice):
                summary = await self.current.execute()
        self._watch(RunEnded(summary))
        return summary

    def _take_in(
        self, source: Source, format_: str | None, path: Path, exits: contextlib.ExitStack
    ) -> tuple[sqlite3.Connection, Batch, Changes]:
        """Bring the manifest into the ledger and open it for the run; nothing is made where the manifest has faults."""
        connection, batch = None, None
        if path.exists():
            connection = exits.enter_context(contextlib.closing(open_for_run(path)))
            with ledger_errors(path, "read the batch"):
                batch = None if self._settings.fresh else batches.latest(connection)
            if batch is not None and intake.is_known(source, format_, batch):
                return connection, batch, Changes()
        with intake.staged(source, format_, self._notice) as (staging, digest):
            if connection is None:
                connection = exits.enter_context(contextlib.closing(open_for_run(path)))
            return connection, *intake.merge(connection, path, batch, staging, intake.name_of(source), digest)

    def _notice(self, text: str) -> None:
        self._watch(Notice(text))
