"""The metrics of a fleet's run in one file: the series of each tenant's run with its name, and tenants by their state.

The file is made ready in a thread of its own: thousands of series would keep the runs waiting.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from bulkroute.errors import UsageError
from bulkroute.events import Event
from bulkroute.fleet.tenants import Fleet
from bulkroute.fleet.views import TO_COME, TenantView, totals_of
from bulkroute.model import escaped
from bulkroute.output.metrics import STATES, WRITTEN, RunMetrics
from bulkroute.output.metrics_file import MetricsFile

STANDING = ("to_come", "preparing", *STATES[:-1], "done", "stopped", "failed")
"""What a tenant may be: see `TenantView.word`."""


class FleetMetrics:
    """Writes `file` at most every `every_s` seconds and at the end."""

    every_s = 5.0

    def __init__(self, file: Path, fleet: Fleet, tell: Callable[[str], None]) -> None:
        """Take the file and write it. Raises UsageError where that may not be; `tell` what goes wrong later."""
        self._file = MetricsFile(file, [tenant.ledger for tenant in fleet.tenants])
        self._runs = {each.name: RunMetrics(self._file.of_ledger(each.ledger, each.name)) for each in fleet.tenants}
        made = self._file.labelled({"fleet": escaped(str(fleet.path.absolute()))})
        self._tenants = made.gauge("bulkroute_fleet_tenants", "Tenants of the fleet by state.", "state")
        self._written = made.gauge(*WRITTEN)
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._tell = tell
        self._told = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._writing: Future[None] | None = None
        self._write([TenantView(each.name, TO_COME) for each in fleet.tenants])

    def on_event(self, tenant: str, event: Event) -> None:
        """Nothing to do: what is written is how tenants stand."""

    def tick(self, views: Sequence[TenantView]) -> None:
        """Write how far all are, unless that is under way."""
        if self._writing is None or self._writing.done():
            self._say_what_was_wrong()
            self._writing = self._thread.submit(self._write, views)

    def ended(self, views: Sequence[TenantView]) -> None:
        """Write how all ended."""
        self._writing = self._thread.submit(self._write, views)
        self._say_what_was_wrong()

    def close(self) -> None:
        """Leave no thread behind."""
        self._thread.shutdown()

    def _say_what_was_wrong(self) -> None:
        """Tell, once, why the file cannot be written: that must not end a cutover."""
        error = self._writing.exception() if self._writing is not None else None
        if error is not None and not isinstance(error, UsageError):
            raise error
        if error is not None and str(error) != self._told:
            self._told = str(error)
            self._tell(self._told)

    def _write(self, views: Sequence[TenantView]) -> None:
        for view in views:
            if view.tenant not in self._ended:
                self._take(self._runs[view.tenant], view)
        states = totals_of(views).states
        for state in STANDING:
            self._tenants.labels(state).set(states.get(state.replace("_", " "), 0))
        self._written.set(time.time())
        self._file.write()

    def _take(self, run: RunMetrics, view: TenantView) -> None:
        if view.state != TO_COME and view.tenant not in self._begun:
            run.begin()
            self._begun.add(view.tenant)
        if view.progress is not None:
            run.take(view.progress)
        if view.summary is not None:
            run.take_end(view.summary)
        if view.exit_code is not None:
            run.end(view.exit_code)
            self._ended.add(view.tenant)
