"""Wires the work on a fleet for the command line: tenants, faces, the question, signals, the closing message."""

import asyncio
import contextlib
import resource
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from bulkroute.cli.command_line import going_on
from bulkroute.cli.confirm import ask, somebody_sits_there
from bulkroute.cli.fleet.fleet_of import fleet_of
from bulkroute.cli.messages import STAMP, log_file, open_log, streams
from bulkroute.cli.session import can_draw
from bulkroute.cli.signals import Interrupts
from bulkroute.errors import BulkrouteError, StoppedEarly, UsageError
from bulkroute.events import Event
from bulkroute.fleet.closing import FleetEnd, closing_line, never_begun, print_closing
from bulkroute.fleet.faces import FleetFace, FleetLines, FleetRecords
from bulkroute.fleet.ground import Here
from bulkroute.fleet.one_process import OneProcess, Order, Verb
from bulkroute.fleet.tenants import Fleet, check_manifests
from bulkroute.fleet.walk import TenantWork, Walk, Work
from bulkroute.fleet.workforce import Workforce
from bulkroute.output import json_log
from bulkroute.output.lines import Lines
from bulkroute.output.words import rate

T = TypeVar("T")

if TYPE_CHECKING:
    from bulkroute.fleet.metrics import FleetMetrics

QUESTIONS = {Verb.RUN: "Send now?", Verb.ROLLBACK: "Put back now?"}

DESCRIPTORS_BESIDE = 8
"""Of a tenant, beside its connections: ledger, lock, control socket, temporary databases."""

DESCRIPTORS_SPARE = 64


class Checked(NamedTuple):
    """A fleet whose files are all without a fault."""

    fleet: Fleet
    rows: dict[str, int]
    """Of each tenant's manifest."""
    notices: list[str]
    """What somebody should know of them."""


def run_fleet(path: Path, options: dict[str, Any]) -> int:
    """Run all tenants, print how they ended, return the exit code."""
    return work_to_the_end(lambda: check(path, options["first"]), path, options, Verb.RUN)


def roll_fleet_back(path: Path, options: dict[str, Any]) -> int:
    """Roll all tenants back, print how they ended, return the exit code."""
    return work_to_the_end(lambda: opened(path, options["first"]), path, options, Verb.ROLLBACK)


def work_to_the_end(checked: Callable[[], Checked], path: Path, options: dict[str, Any], verb: Verb) -> int:
    """Do the work that changes routes for all tenants, print how they ended, return the exit code."""
    interrupts = Interrupts()
    if options["log_file"]:
        open_log(options["log_file"], None, path, *filter(None, [options["metrics_file"]]))
    try:
        with interrupts.taken():
            interrupts.blocking = True
            found = checked()
            if not options["on"]:
                _require_one_pace(found.fleet, options["processes"])
            interrupts.blocking = False
            end = interrupts.run(_work(found, options, interrupts, verb))
    except BulkrouteError as error:
        if options["json_"]:
            with contextlib.suppress(OSError):  # as below
                click.echo(never_begun(error))
        raise
    with contextlib.suppress(OSError):  # nobody is there to be told
        _close(end, options)
    return end.exit_code


def look(checked: Callable[[], Checked], at_once: int, work: Work[T]) -> Sequence[TenantWork[T]]:
    """Do work that changes nothing for all tenants; return what was found of each. What else is told goes to stderr."""
    interrupts = Interrupts()
    lines = Lines()
    face = FleetLines(lines)

    async def main(found: Checked) -> Sequence[TenantWork[T]]:
        for text in found.notices:
            lines.say(text)
        at_most = within_descriptors(found.fleet, at_once)
        walk = Walk(
            found.fleet,
            work,
            at_once=at_most,
            ground=Here(found.fleet.limits),
            on_event=lambda each, event: face.on_event(each.name, event),
        )
        interrupts.work = walk
        await walk.go()
        return walk.works

    with interrupts.taken():
        interrupts.blocking = True
        found = checked()
        interrupts.blocking = False
        return interrupts.run(main(found))


def opened(path: Path, first: int | None) -> Checked:
    """Check a fleet file, and the credentials that it names, but no manifest. Raises ManifestError."""
    notices: list[str] = []
    fleet = fleet_of(path, notices)
    return Checked(fleet._replace(tenants=fleet.tenants[:first]), {}, notices)


def check(path: Path, first: int | None) -> Checked:
    """Check a fleet file, and the credentials and manifests that it names. Raises ManifestError."""
    found = opened(path, first)
    rows = check_manifests(found.fleet, lambda tenant, text: found.notices.append(f"{tenant.name}: {text}"))
    return found._replace(rows=rows)


def _require_one_pace(fleet: Fleet, processes: int) -> None:
    """Refuse several processes where tenants share a rate: each would go at it. Raises UsageError."""
    shared = Counter(tenant.limit for tenant in fleet.tenants if tenant.limit)
    if processes > 1 and (several := [name for name, tenants in shared.items() if tenants > 1]):
        what = f"tenants share the limit {several[0]}, which several processes on their own do not keep together"
        raise UsageError(what, where=str(fleet.path), hint="leave --processes out, or give --on")


async def _work(checked: Checked, options: dict[str, Any], interrupts: Interrupts, verb: Verb) -> FleetEnd:
    async with AsyncExitStack() as exits:
        metrics = _metrics(options, checked.fleet)
        shown = [*_faces(options), *([metrics] if metrics else [])]
        for face in shown:
            exits.callback(face.close)
        await _agree(checked, options, verb)

        def on_event(tenant: str, event: Event) -> None:
            for face in shown:
                with contextlib.suppress(OSError):  # a terminal or pipe that is gone must not end a cutover
                    face.on_event(tenant, event)

        workforce = interrupts.work = _workforce(checked, options, verb, on_event)
        tickers = [asyncio.create_task(_tick(workforce, face), name="progress") for face in shown]
        try:
            await workforce.go()
        finally:
            for ticker in tickers:
                ticker.cancel()
            await asyncio.gather(*tickers, return_exceptions=True)
        if metrics:
            metrics.ended(workforce.views())
        return FleetEnd(workforce.ends())


def _workforce(
    checked: Checked, options: dict[str, Any], verb: Verb, on_event: Callable[[str, Event], None]
) -> Workforce:
    """Return who does the work."""
    at_once = within_descriptors(checked.fleet, options["at_once"])
    order = Order(checked.fleet, verb, at_once, checked.rows, options["max_failed_tenants"], options["on"])
    if options["processes"] == 1:
        return OneProcess(order, on_event)
    from bulkroute.fleet.processes import Processes  # here, since only who asks for it needs them

    return Processes(options["processes"], order, on_event)


async def _tick(workforce: Workforce, face: FleetFace) -> None:
    """Show how far all are again and again, until cancelled."""
    while True:
        await asyncio.sleep(face.every_s)
        with contextlib.suppress(OSError):  # as above
            face.tick(workforce.views())


def _metrics(options: dict[str, Any], fleet: Fleet) -> "FleetMetrics | None":
    """Return what keeps the metrics, if they are asked for. Raises UsageError for a file that is needed otherwise."""
    if (file := options["metrics_file"]) is None:
        return None
    from bulkroute.fleet.metrics import FleetMetrics  # here, since only who asks for it needs the library

    return FleetMetrics(file, fleet, lambda text: click.echo(f"warning: {text}", err=True))


def _faces(options: dict[str, Any]) -> list[FleetFace]:
    """Return who shows the run, as for a single one."""
    as_json, quiet, log = options["log_format"] == "json", options["quiet"], log_file.get()
    logs: list[FleetFace] = []
    if log:
        logs = [FleetRecords(log) if as_json else FleetLines(Lines(log, stamp=STAMP), in_full=True)]
    if as_json:
        return [FleetRecords(quiet=quiet), *logs]
    if quiet or not can_draw():
        return [FleetLines(Lines(quiet=quiet)), *logs]
    from bulkroute.fleet.drawn import FleetDrawn  # here, since nothing else needs rich while a run goes on

    return [FleetDrawn(), *logs]


async def _agree(checked: Checked, options: dict[str, Any], verb: Verb) -> None:
    """Ask whoever sits there, once for all tenants. Raises StoppedEarly for a no."""
    if options["yes"] or not somebody_sits_there():
        return
    fleet, rows = checked.fleet, checked.rows
    services = {tenant.settings.service_name for tenant in fleet.tenants}
    limits = [f"{name} {rate(per_s)}" for name, per_s in fleet.limits.items()]
    facts = [
        ("fleet", str(fleet.path)),
        ("tenants", f"{len(fleet.tenants):,}, at {len(services):,} services, {options['at_once']} at once"),
        *((("rows", f"{sum(rows.values()):,} in their manifests"),) if rows else ()),
        *((("limits", ", ".join(limits)),) if limits else ()),
        *(("warning", text) for text in checked.notices),
    ]
    if not await ask(facts, QUESTIONS[verb]):
        raise StoppedEarly.declined()


def within_descriptors(fleet: Fleet, at_once: int) -> int:
    """Raise this process's limit of open files, and return how many tenants fit below it at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(tenant.settings.concurrency for tenant in fleet.tenants) + DESCRIPTORS_BESIDE
    wanted = min(at_once, len(fleet.tenants)) * needed + DESCRIPTORS_SPARE
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(at_once, (soft - DESCRIPTORS_SPARE) // needed))


def _close(end: FleetEnd, options: dict[str, Any]) -> None:
    """Say how it ended: the object on stdout if asked for, and the closing message."""
    if options["json_"]:
        click.echo(end.to_json())
    for stream in streams(quiet=options["quiet"] and not end.exit_code):
        with contextlib.suppress(OSError):  # nobody is there to be told
            if options["log_format"] == "text":
                print_closing(end, going_on(), stream)
            else:
                next_ = [{"purpose": "go on", "command": going_on()}] if end.exit_code else []
                json_log.write("closing", stream, text=closing_line(end), next=next_)
