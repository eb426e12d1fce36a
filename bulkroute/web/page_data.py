"""Everything a page shows of a ledger, as one JSON object: for the report once, for the live page again and again."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

from bulkroute.errors import ExitCode
from bulkroute.ledger import lock
from bulkroute.ledger.batches import PLAN, Which
from bulkroute.ledger.chart_queries import FailedRow, Search, Wait
from bulkroute.ledger.pair_queries import Pairs
from bulkroute.ledger.queries import Counts, Reason
from bulkroute.ledger.reader import LedgerReader
from bulkroute.ledger.runs import RunRecord, RunState
from bulkroute.ledger.status import state_of
from bulkroute.ledger.wanted import target
from bulkroute.model import REFUSED, Binding, grouped
from bulkroute.version import __version__
from bulkroute.web.row_counts import RowCounts
from bulkroute.web.timeline import Timeline, distribution, percentiles
from bulkroute.web.wave_rows import WaveRows

MOST_WAITS = 200
MOST_RUNS = 200
MOST_REASONS = 100
MOST_REMARKS = 100
"""Lines a table of the page holds; how many there are in all is said beside it."""


DRAWN_EVERY_S = (2.0, 10.0)
"""How often charts and runs are made anew while a run goes on: as often as a bucket fills, within these bounds."""


class Snapshots:
    """Reads one open ledger again and again; what was counted already is not counted again.

    A part that has not changed since the last reading is the same object.
    """

    def __init__(self, ledger: LedgerReader) -> None:
        self._ledger = ledger
        self._timeline: Timeline
        self._row_counts: RowCounts
        self._wave_rows: WaveRows
        self._counted: int | None = None
        """The batch that these are of."""
        self._drawn: dict[str, Any] = {}
        self._drawn_for: object = None
        self._draw_at_s = 0.0

    def read(self, which: Which | int = Which.SHOWN, *, failed_rows: int = 0) -> dict[str, Any]:
        """Return the figures of a batch in one consistent view, with the first `failed_rows` failed rows.

        Raises UsageError if there is no batch of that number, and LedgerError.
        """
        before = lock.holder(self._ledger.path)
        with self._ledger.at_one_moment():
            batch = self._ledger.require_batch(which)
            if batch.number != self._counted:
                self._timeline, self._row_counts = Timeline(batch), RowCounts(self._ledger, batch)
                self._wave_rows = WaveRows(self._ledger, batch)
            self._counted = batch.number
            runs = batch.runs()
            stage = (batch.number, len(runs), bool(runs) and runs[-1].exit_code)
            counts, reasons, pairs = self._row_counts.read(stage)
            waves = self._wave_rows.read()
            remarks, names = batch.remarks(MOST_REMARKS), batch.names()
            waits = batch.waits(MOST_WAITS)
            running = state_of(runs, self._ledger.path, before)
            state = describe_state(runs, running, waits, counts)
            self._timeline.advance(runs, time.time() if running is RunState.RUNNING else None)
            failed = list(batch.failed_rows(Search(), limit=failed_rows))
        stretches = self._timeline.stretches
        return {
            "made_at": time.time(),
            "version": __version__,
            "ledger": self._ledger.path.name,
            "batch": batch.number,
            "parent": batch.parent,
            "manifest": batch.manifest,
            "origin": {**_origin(runs), "plan": batch.facts.plan and f"plan {grouped(batch.facts.plan)}"},
            "pairs": _pairs(pairs, names),
            "waves": waves,
            "remarks": [remark._asdict() for remark in remarks],
            "counts": counts._asdict(),
            "calls": {
                "all": sum(stretch.calls for stretch in stretches.values()),
                "retries": sum(stretch.retries for stretch in stretches.values()),
                "throttled": sum(stretch.throttled for stretch in stretches.values()),
                "seconds": sum(stretch.seconds for stretch in stretches.values()),
            },
            "state": state,
            "reasons": {"total": len(reasons), "rows": [_reason(each) for each in reasons[:MOST_REASONS]]},
            "waits": [wait._asdict() for wait in waits],
            "paces": [change._asdict() for change in self._timeline.changes],
            "failed": packed(failed, counts.failed + counts.refused),
            **self._draw(runs, state, stage),
        }

    def _draw(self, runs: list[RunRecord], state: dict[str, Any], stage: object) -> dict[str, Any]:
        """Return charts and runs, made anew when it is time: that is most of the work, here and in the browsers."""
        now_s = time.monotonic()
        if now_s >= self._draw_at_s or (stage, state["state"]) != self._drawn_for:
            least_s, most_s = DRAWN_EVERY_S
            self._draw_at_s = now_s + min(most_s, max(least_s, self._timeline.width_s))
            self._drawn_for = (stage, state["state"])
            latencies_ms = self._timeline.latencies_ms
            last = runs[-MOST_RUNS:]
            self._drawn = {
                "timeline": self._timeline.series(),
                "latency": {"bars": distribution(latencies_ms), **percentiles(latencies_ms)},
                "runs": {"total": len(runs), "rows": [self._run(run, run is runs[-1], state) for run in last]},
            }
        return self._drawn

    def _run(self, run: RunRecord, last: bool, state: dict[str, Any]) -> dict[str, Any]:
        """Return a run; of one that has not ended the figures are those of its calls so far."""
        stretch = self._timeline.stretches[run.run]
        unended = state["text"] if last else "broke off"
        return {
            "run": run.run,
            "command": run.command,
            "started_at": run.started_at,
            "seconds": stretch.seconds if run.seconds is None else run.seconds,
            "rate": run.rate,
            "calls": stretch.calls,
            "retries": stretch.retries,
            "throttled": stretch.throttled,
            "exit_code": run.exit_code,
            "ending": unended if run.exit_code is None else state["text"] if last else ended(run),
            "where": _where(run),
        }


def _where(run: RunRecord) -> str:
    """Return how a run was started, by whom and with which manifest: what a change record asks for."""
    kind, _colon, sha256 = (run.digest or "").rpartition(":")
    what = f"plan {grouped(sha256)}" if f"{kind}:" == PLAN else f"manifest's SHA-256 {sha256[:12]}..."
    manifest = f", {what}" if sha256 and run.command == "run" else ""
    by = f"{run.who or run.host}, pid {run.pid}, {run.service}, version {run.version}"
    return f"{run.command_line or run.command}; {by}{manifest}"


def _origin(runs: list[RunRecord]) -> dict[str, str]:
    """Return whose routes the last run changes, what for, and who started it."""
    if not runs:
        return dict.fromkeys(("service", "tenant", "note", "who"), "")
    last = runs[-1]
    return {"service": last.service, "tenant": last.tenant, "note": last.note, "who": last.who}


def _reason(reason: Reason) -> dict[str, Any]:
    return {**reason._asdict(), "refused": reason.error in REFUSED}


def _pairs(pairs: Pairs, names: Mapping[Binding, str]) -> dict[str, Any]:
    """Return where rows led and are to lead, the commonest first, and how far they are."""

    def shown(devicetype: int | None, device_id: int | None) -> str:
        found = target(devicetype, device_id, None)
        return str(found.named_by(names)) if found else ""

    lines = [
        {"before": shown(*key[:2]), "after": shown(*key[2:]), **each._asdict()} for key, each in pairs.counts.items()
    ]
    return {"total": pairs.total, "rows": lines}


def describe_state(runs: list[RunRecord], state: RunState | None, waits: list[Wait], counts: Counts) -> dict[str, Any]:
    """Return what the batch is doing: `state` is none, running, killed, unknown or ended; `text` says it in words.

    `tone` is "wait" while the run waits.
    """
    if state is None:
        return {"state": "none", "text": "nothing was sent yet"}
    shown: dict[str, Any] = {"state": state.value}
    run = runs[-1]
    if state is RunState.ENDED:
        return shown | {"text": ended(run, counts)}
    if state is RunState.ELSEWHERE:
        return shown | {"text": f"has not ended: it goes on at {run.host}, or was killed there"}
    if state is RunState.KILLED:
        return shown | {"text": "broke off without a word; the same command again resumes"}
    reasons = [wait.reason for wait in waits if wait.run == run.run and wait.ended_at is None]
    return shown | ({"tone": "wait", "text": f"waiting: {'; '.join(reasons)}"} if reasons else {"text": "running"})


def ended(run: RunRecord, counts: Counts | None = None) -> str:
    """Return how a run ended, in words; of a batch's last one with the `counts` of its rows."""
    if run.stopped:
        return f"stopped: {run.stopped}"
    if run.exit_code == ExitCode.DONE:
        return "went through, every row is done"
    if counts is None:
        return "went through, some rows are not done"
    left = counts.pending + counts.in_doubt
    parts = ((counts.failed, "failed"), (counts.refused, "refused"), (left, "left"))
    return f"went through: {', '.join(f'{rows:,} {what}' for rows, what in parts if rows) or 'some rows cannot be put back'}"


def packed(rows: Iterable[FailedRow], total: int) -> dict[str, Any]:
    """Return failed rows with their columns named once, and each text of the service once: thousands of rows say the same.

    A row's description is its place among the texts.
    """
    texts: dict[str | None, int] = {}
    place = FailedRow._fields.index("description")
    lines = [[*row[:place], texts.setdefault(row.description, len(texts)), *row[place + 1 :]] for row in rows]
    return {"total": total, "columns": FailedRow._fields, "texts": list(texts), "rows": lines}
