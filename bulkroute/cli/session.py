"""Wires a run for the command line: settings, simulator, faces, signals."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import click

from bulkroute.cli.command_line import as_given, going_on, on_ledger
from bulkroute.cli.confirm import confirm_with
from bulkroute.cli.database_options import joined
from bulkroute.cli.hook_options import leave_out_for_rehearsal
from bulkroute.cli.messages import STAMP, log_file, open_log, report_error, streams
from bulkroute.cli.options import settings_from
from bulkroute.cli.profile import unknown_variables
from bulkroute.cli.signals import Interrupts
from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError, LedgerError, NotNow, StopKind, UsageError
from bulkroute.events import WARNING, Event, Notice, OnEvent
from bulkroute.ledger import intake
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.paths import quoted
from bulkroute.ledger.queries import Reason
from bulkroute.ledger.status import ended_by
from bulkroute.manifest import Faults, open_manifest
from bulkroute.output import json_log
from bulkroute.output.closing import Advice, after_back_out, closing_line, next_commands, print_closing
from bulkroute.output.json_log import Records
from bulkroute.output.lines import Lines
from bulkroute.output.words import clock, duration
from bulkroute.progress import Progress, Summary
from bulkroute.run.prepare_rollback import WayBack
from bulkroute.settings import SIMULATOR, Settings

SIMULATED = "simulated"
"""App key and secret of the embedded simulator, which nobody but this process can reach for long."""

LONGEST_NIGHT = timedelta(hours=12)
"""A window up to here needs no word."""

Settle = Callable[[Interrupts, AsyncExitStack], Awaitable[Settings]]
Work = Callable[[Engine], Coroutine[Any, Any, Summary]]


class Face(Protocol):
    """Shows a run to somebody: a terminal, a log, a file of metrics."""

    every_s: float

    def on_event(self, event: Event) -> None:
        """Take note of an event."""

    def tick(self, progress: Progress) -> None:
        """Show how far the run is; called each `every_s` seconds."""

    def close(self) -> None:
        """Leave nothing open and nothing drawn."""


def run_to_the_end(manifest: str, options: dict[str, Any]) -> int:
    """Run, print the summary, return the exit code."""

    async def settings(interrupts: Interrupts, exits: AsyncExitStack) -> Settings:
        return await _settings(manifest, ledger(), options, interrupts, exits)

    def ledger() -> Path:
        named: Path | None = options["ledger"]
        return named or intake.default_ledger(manifest, rehearsal=options["simulate"])

    def work(engine: Engine) -> Coroutine[Any, Any, Summary]:
        return engine.run(manifest, ledger=ledger(), format=options["format_"])

    return work_to_the_end(options, ledger, settings, work, manifest)


def roll_back_to_the_end(ledger: Path, way: WayBack, options: dict[str, Any]) -> int:
    """Roll back, print the summary, return the exit code."""

    async def settings(_interrupts: Interrupts, _exits: AsyncExitStack) -> Settings:
        return settings_from(options, command_line=as_given())

    return work_to_the_end(options, lambda: ledger, settings, lambda engine: engine.rollback(ledger, way), None)


def work_to_the_end(
    options: dict[str, Any], ledger: Callable[[], Path], settings: Settle, work: Work, manifest: str | None
) -> int:
    """Do the work of a run, or of a rollback (which has no manifest), print the summary, return the exit code."""
    interrupts = Interrupts()
    if options["log_file"]:
        open_log(options["log_file"], ledger(), *map(Path, filter(None, (manifest, options["metrics_file"]))))
    metrics = _metrics(options, ledger)
    code = -1
    try:
        with interrupts.taken():
            summary = interrupts.run(_work(options, ledger, interrupts, settings, work, [metrics] if metrics else []))
        code = summary.exit_code or 0
        with contextlib.suppress(OSError):  # as below: there may be no reader
            close_with(summary, options, ledger(), rollback=manifest is None)
    except BulkrouteError as error:
        code = error.exit_code
        if options["json_"]:
            with contextlib.suppress(OSError, UsageError):  # there is no reader, or no ledger is named
                labels = {name: options[name] for name in ("tenant", "note")}
                click.echo(ended_by(error, ledger(), **labels).to_json())
        if not (isinstance(error, NotNow) and options["quiet"]):
            raise
        report_error(error, error.exit_code, quiet=True)
    finally:
        if metrics:
            metrics.ended(code)
    return code


def with_engine(settings: Settings, work: Callable[[Engine], Coroutine[Any, Any, int]]) -> int:
    """Open an engine, do the work, and let signals end it in good order."""
    interrupts = Interrupts()

    async def main() -> int:
        lines = Lines()
        for text in unknown_variables():
            lines.say(text)
        async with Engine(settings, on_event=lines.on_event) as engine:
            interrupts.work = engine
            return await work(engine)

    with interrupts.taken():
        return interrupts.run(main())


def _metrics(options: dict[str, Any], ledger: Callable[[], Path]) -> Any:
    """Return what keeps the metrics, if they are asked for. Raises UsageError for a file that is needed otherwise."""
    if (file := options["metrics_file"]) is None:
        return None
    from bulkroute.output.metrics import Metrics  # here, since only who asks for it needs the library

    return Metrics(file, ledger=ledger(), tenant=options["tenant"])


def faces(options: dict[str, Any]) -> list[Face]:
    """Return who shows the run: on stderr drawn if it is a terminal, else as lines or JSON objects; in the log file."""
    as_json, quiet, log = options["log_format"] == "json", options["quiet"], log_file.get()
    logs: list[Face] = [Records(log) if as_json else Lines(log, stamp=STAMP)] if log else []
    if as_json:
        return [Records(quiet=quiet), *logs]
    if quiet or not can_draw():
        return [Lines(quiet=quiet), *logs]
    from bulkroute.output.terminal import Drawn  # here, since nothing else needs rich while a run goes on

    return [Drawn(), *logs]


def can_draw() -> bool:
    """Tell whether stderr is a terminal that can move its cursor."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")


def close_with(summary: Summary, options: dict[str, Any], ledger: Path, *, rollback: bool) -> None:
    """Say how it ended: the summary on stdout if asked for, and the closing message."""
    if options["json_"]:
        click.echo(summary.to_json())
    reasons = _reasons(summary, ledger)
    advice = _advice(summary, going_on(_useless(summary, options)), ledger, rollback=rollback)
    for stream in streams(quiet=options["quiet"] and (not summary.exit_code or summary.window_closed)):
        with contextlib.suppress(OSError):  # nobody is there to be told
            if options["log_format"] == "text":
                print_closing(summary, reasons, advice, stream)
                continue
            for reason in reasons:
                json_log.write("failure_group", stream, **reason._asdict())
            steps = [each._asdict() for each in advice]
            json_log.write("closing", stream, text=closing_line(summary), next=steps)


def _advice(summary: Summary, again: str, ledger: Path, *, rollback: bool) -> Sequence[Advice]:
    """Return what to do next; `again` is the command that goes on with this one."""
    if summary.backed_out is not None and summary.batch is not None:
        with contextlib.suppress(LedgerError, UsageError), Ledger(ledger).read() as reader:
            back_out = reader.require_batch(summary.batch).back_out()
            unfinished = back_out is not None and back_out.is_unfinished
            failed = not unfinished and reader.pick(summary.batch, rollback=True).counts().failed > 0
            commands = on_ledger("verify", ledger), on_ledger("rollback", ledger)
            send = None if rollback else again
            return after_back_out(summary, send, *commands, unfinished=unfinished, failed=failed)
    return next_commands(summary, again, quoted(ledger), rollback=rollback)


def _long_window(until: datetime | None) -> list[str]:
    """Return a warning of a window longer than a night: a time of day that has just passed means tomorrow's."""
    away = until - datetime.now(UTC) if until else timedelta()
    if until is None or away <= LONGEST_NIGHT:
        return []
    ends = clock(until.timestamp())
    return [f"{WARNING}--until is {duration(away.total_seconds())} away: calls may start until {ends}"]


def _useless(summary: Summary, options: dict[str, Any]) -> set[str]:
    """Return the flags with which the same command would get no further: a window that is over, or that reading fills."""
    until: datetime | None = options["until"]
    flags = {"--until"} if until and until <= datetime.now(UTC) else set()
    return flags | ({"--max-duration"} if summary.stop is StopKind.WINDOW and not summary.attempts else set())


def _reasons(summary: Summary, ledger: Path) -> list[Reason]:
    """Return why rows failed; nothing where the ledger cannot be read now: how it ended is recorded and printed all the same."""
    if not (summary.failed or summary.refused) or summary.batch is None:
        return []
    with contextlib.suppress(LedgerError), Ledger(ledger).read() as reader:
        batch = reader.find_batch(summary.batch)
        return batch.reasons() if batch else []
    return []


async def _work(
    options: dict[str, Any],
    ledger: Callable[[], Path],
    interrupts: Interrupts,
    settle: Settle,
    work: Work,
    extra: Sequence[Face],
) -> Summary:
    async with AsyncExitStack() as exits:
        left_out = leave_out_for_rehearsal(options) if options.get("simulate") else []
        settings = await settle(interrupts, exits)
        shown = [*faces(options), *extra]
        for face in shown:
            exits.callback(face.close)

        warnings: list[str] = []

        def on_event(event: Event) -> None:
            if isinstance(event, Notice) and event.text.startswith(WARNING):
                warnings.append(event.text.removeprefix(WARNING))
            for face in shown:
                with contextlib.suppress(OSError):  # a terminal or pipe that is gone must not end a cutover
                    face.on_event(event)

        for text in (*unknown_variables(), *_long_window(options["until"]), *left_out):
            on_event(Notice(text))
        confirm = confirm_with(options, warnings)
        how = await exits.enter_async_context(joined(options, settings, ledger(), on_event))
        engine = await exits.enter_async_context(
            Engine(settings, on_event=how.on_event, confirm=confirm, limit=how.limit, copy=how.copy)
        )
        how.begun(engine)
        interrupts.work = engine
        tickers = [asyncio.create_task(_tick(engine, face, on_event), name="progress") for face in shown]
        try:
            return await work(engine)
        finally:
            for ticker in tickers:
                ticker.cancel()
            await asyncio.gather(*tickers, return_exceptions=True)


async def _tick(engine: Engine, face: Face, on_event: OnEvent) -> None:
    """Show the run's progress again and again, until cancelled."""
    while True:
        await asyncio.sleep(face.every_s)
        if engine.current is not None:
            try:
                with contextlib.suppress(OSError):  # as above
                    face.tick(engine.current.progress())
            except BulkrouteError as error:
                # A file of metrics that cannot be written now must not end a cutover.
                on_event(Notice(str(error)))


async def _settings(
    manifest: str, ledger: Path, options: dict[str, Any], interrupts: Interrupts, exits: AsyncExitStack
) -> Settings:
    """Return the settings; with --simulate those of a simulator that knows the manifest's ids, and what was rehearsed."""
    if not options["simulate"]:
        # Whoever sits at a terminal is asked, or has said --yes.
        unattended = sys.stdin is None or not sys.stdin.isatty()
        guard = options["require_approval"] and unattended
        return settings_from(options, command_line=as_given(), require_approval=guard)
    from bulkroute.cli.rehearsal import as_left, rehearsed  # here, since only simulations need it
    from bulkroute.simulator import Simulator

    interrupts.blocking = True
    with open_manifest(manifest, options["format_"]) as opened:
        if not opened.rereadable:
            raise UsageError(f"{opened.name}: --simulate reads the manifest twice", hint="give it a file, not a pipe")
        tenant = rehearsed(opened, Faults())  # the run itself reports the faults
    routes = as_left(tenant.routes, ledger)
    interrupts.blocking = False
    simulator = await exits.enter_async_context(
        Simulator(routes, app_key=SIMULATED, app_secret=SIMULATED, skills=tenant.skills, flows=tenant.flows)
    )
    credentials = Credentials(app_key=SIMULATED, app_secret=Secret(SIMULATED))
    return settings_from(
        options,
        base_url=simulator.url,
        credentials=credentials,
        service=SIMULATOR,
        require_approval=False,
        command_line=as_given(),
    )
