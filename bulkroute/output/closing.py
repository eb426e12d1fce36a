"""The closing message: what happened, why rows failed, and the exact next command."""

import itertools
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from bulkroute.errors import ExitCode, StopKind
from bulkroute.ledger.back_outs import BackOut
from bulkroute.ledger.paths import quoted
from bulkroute.ledger.queries import Reason
from bulkroute.ledger.runs import RunRecord, RunState
from bulkroute.ledger.status import BatchStatus
from bulkroute.model import REFUSED, grouped, route_text
from bulkroute.output.tables import Column, Table, advise, say, show
from bulkroute.output.words import clock, duration, labels, rate
from bulkroute.progress import Summary
from bulkroute.settings import SKIPPABLE

MOST_REASONS = 20

ID_CHARACTERS = 20
"""Of the vendor's ids, with the bracket that closes after one."""


def outcomes(summary: Summary, reasons: Sequence[Reason]) -> Table:
    """Return how many rows stand where, and why the failed ones failed."""
    columns = [Column("outcome"), Column("rows", right=True)]
    if reasons:
        said = any(reason.description for reason in reasons)
        columns += [Column("for example", least=ID_CHARACTERS), Column("what the service said" if said else "")]
    rows: list[tuple[str, ...]] = [(name, f"{getattr(summary, name):,}") for name in ("succeeded", "unchanged")]
    if summary.skipped:
        rows.append(("skipped", f"{summary.skipped:,}"))
    rows += [
        (
            f"{'refused' if reason.error in REFUSED else 'failed'}: {reason.error}",
            f"{reason.rows:,}",
            route_text(reason.example_id, reason.example_number),
            reason.description or "",
        )
        for reason in reasons[:MOST_REASONS]
    ]
    if rest := reasons[MOST_REASONS:]:
        rows.append(("failed: others", f"{sum(reason.rows for reason in rest):,}", "", f"{len(rest):,} more texts"))
    for name, label in (("pending", "pending"), ("in_doubt", "in doubt")):
        if getattr(summary, name):
            rows.append((label, f"{getattr(summary, name):,}"))
    plan = f", plan {grouped(summary.plan)}" if summary.plan else ""
    title = f"batch {summary.batch} in {summary.ledger}{plan}"
    return Table(title, columns, rows, foot=("total", f"{summary.total:,}"))


def waves(summary: Summary) -> Table:
    """Return how far each wave is."""
    columns = [Column("wave", right=True), *(Column(name, right=True) for name in ("rows", "done", "failed"))]
    rows = [(*(f"{number:,}" for number in each[:4]), each.state.replace("_", " ")) for each in summary.waves]
    return Table("waves", [*columns, Column("state")], rows)


def runs(records: Sequence[RunRecord], state: RunState | None) -> Table:
    """Return when each run was, how many calls it made, and how it ended; `state` is what the last one is doing."""
    columns = [Column("run"), Column("started"), *(Column(name, right=True) for name in ("took", "calls", "exit"))]
    rows: list[tuple[str, ...]] = []
    for run in records:
        started = datetime.fromtimestamp(run.started_at, UTC).astimezone()
        rows.append(
            (
                f"{run.run} {run.command}" if run.command != "run" else f"{run.run}",
                f"{started:%Y-%m-%d %H:%M:%S %Z}",
                duration(run.seconds) if run.seconds is not None else "",
                f"{run.attempts:,}" if run.attempts is not None else "",
                f"{run.exit_code}" if run.exit_code is not None else "",
                _how(run, state if run is records[-1] else RunState.KILLED),
            )
        )
    return Table("runs", [*columns, Column("how it ended")], rows)


def _how(run: RunRecord, state: RunState | None) -> str:
    """Return how a run ended; `state` is what it is doing if that is not recorded."""
    if run.exit_code is not None:
        return run.stopped or "went through"
    if state is RunState.RUNNING:
        return "goes on"
    if state is RunState.ELSEWHERE:
        return f"has not ended: it goes on at {run.host}, or was killed there"
    return "broke off"


def print_status(found: BatchStatus) -> None:
    """Print how a ledger stands on stdout."""
    show(outcomes(found.summary, found.reasons), sys.stdout)
    if found.summary.waves:
        show(waves(found.summary), sys.stdout)
    show(runs(found.runs, found.state), sys.stdout)
    ledger = quoted(found.summary.ledger)
    if found.back_out:
        say(_back_out(found.back_out, ledger, goes_on=found.is_held), sys.stdout)
    if found.rolled_back:
        say(f"there is a rollback of it: `bulkroute status {ledger} --rollback` shows how that stands", sys.stdout)


def _back_out(back_out: BackOut, ledger: str, *, goes_on: bool) -> str:
    """Return how a back-out stands; `goes_on`: somebody is at work on the ledger."""
    if not back_out.is_unfinished:
        return f"backed out: {back_out.back:,} of {back_out.rows or 0:,} changed rows were proven to be as before"
    text = f"backing out since {clock(back_out.decided_at)}: {back_out.back:,} rows are put back so far"
    return text if goes_on else f"{text}, and nobody is at it; `bulkroute rollback {ledger}`, or the same run, goes on"


def status_line(found: BatchStatus) -> str:
    """Return how a ledger stands in one line, for whoever looks at several."""
    summary, last = found.summary, found.runs[-1] if found.runs else None
    if found.state is RunState.RUNNING:  # a call in the air is not in doubt while its run goes on
        summary = replace(summary, pending=summary.pending + summary.in_doubt, in_doubt=0)
    how = f"run {last.run}: {_how(last, found.state)}" if last else "no run yet"
    return f"{summary.ledger}{labels(summary.tenant or '', summary.note or '')}: {_counts(summary)}; {how}"


def closing_line(summary: Summary) -> str:
    """Return what happened in one line."""
    all_done = summary.done == summary.total and not summary.exit_code  # of a rollback, rows may be left behind
    how = "stopped" if summary.stopped else "all done" if all_done else "ended"
    if summary.exit_code == ExitCode.BACKED_OUT:
        how = f"backed out, all {summary.backed_out:,} changed rows are as before"
    elif summary.exit_code == ExitCode.NOT_BACKED_OUT:
        how = f"not all backed out, {summary.backed_out:,} changed rows are put back"
    text = f"{how}: {_counts(summary)}"
    if summary.attempts:
        calls = "1 call" if summary.attempts == 1 else f"{summary.attempts:,} calls"
        text += f"; {calls} in {duration(summary.seconds)}, {rate(summary.rate)} on average"
    return f"{text}; {summary.stopped}" if summary.stopped else text


def _counts(summary: Summary) -> str:
    left = summary.pending + summary.in_doubt
    text = f"{summary.done:,} of {summary.total:,} rows done"
    if summary.skipped:
        text += f" ({summary.skipped:,} of them skipped)"
    text += f", {summary.failed:,} failed"
    if summary.refused:
        text += f", {summary.refused:,} refused"
    text += f", {left:,} left"
    if summary.in_doubt:
        text += f", {summary.in_doubt:,} of them in doubt"
    return text


class Advice(NamedTuple):
    """A command to run next, exactly as it is to be typed, and what for."""

    purpose: str
    command: str


def next_commands(summary: Summary, command_line: str, ledger: str, *, rollback: bool = False) -> list[Advice]:
    """Return what to do next: only what makes progress, and never onto a file that is there.

    `command_line` and `ledger` are quoted for a shell; `rollback`: it is one that ended.
    """
    advice = []
    if summary.failed or summary.refused:
        of_rollback = " --rollback" if rollback else ""
        export = f"bulkroute export {ledger}{of_rollback} --status failed -o {_free_name('failed', '.csv')}"
        advice.append(Advice(f"see the {'failed' if summary.failed else 'refused'} rows", export))
    if summary.exit_code == ExitCode.SOME_FAILED:
        if summary.in_doubt:
            # They left the manifest, so they are not sent again; without a snapshot nothing shows whether they landed.
            words = [word for word in shlex.split(command_line) if word != "--no-snapshot"]
            advice.append(Advice("settle the rows in doubt", shlex.join([*words, "--snapshot"])))
        if summary.failed or summary.pending:
            advice.append(Advice("try them again", command_line))
        elif (kinds := summary.failures.keys() & SKIPPABLE) and not rollback and "--skip" not in command_line:
            # The same command would find them refused again.
            skipping = f"{command_line} --skip {','.join(sorted(kinds))}"
            advice.append(Advice("accept them as they are", skipping))
    elif summary.exit_code not in (ExitCode.DONE, None):
        advice.append(Advice("go on", command_line))
    return advice


def after_back_out(
    summary: Summary, again: str | None, verify: str, rollback: str, *, unfinished: bool, failed: bool
) -> list[Advice]:
    """Return what to do once a run has taken back what it changed: `again` is its own command, if it is known.

    `unfinished`: rows are still to be put back. `failed`: calls to do so have failed.
    """
    if unfinished:
        return [Advice("go on putting back", rollback)]
    advice = [Advice("see again that all is as before", verify)]
    if summary.exit_code == ExitCode.NOT_BACKED_OUT:
        advice = [Advice("see which rows are not as before", verify)]
        if failed:
            advice.append(Advice("put them back after all", rollback))
    if again and summary.stop is not StopKind.WINDOW:  # which would be over, or too short again
        advice.append(Advice("send all of it again, once its cause is mended", again))
    return advice


def _free_name(stem: str, suffix: str) -> str:
    """Return the name of a file that is not there yet, in this folder: `failed.csv`, else `failed-2.csv` and so on."""
    names = (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}" for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def print_closing(summary: Summary, reasons: Sequence[Reason], advice: Sequence[Advice], stream: TextIO) -> None:
    """Print the closing message."""
    if reasons:
        show(outcomes(summary, reasons), stream)
    say(closing_line(summary), stream)
    width = max((len(each.purpose) for each in advice), default=0)
    for each in advice:
        advise(each.purpose, each.command, width, stream)
