"""`bulkroute select`: a manifest of what leads to a target now, to lead it to another one."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT, PATH, TEXT, ByFlag, allow_unloaded, connection_options, settings_from
from bulkroute.cli.output_file import output_to
from bulkroute.cli.profile import PREFIX
from bulkroute.cli.targets import MEDIA
from bulkroute.errors import ExitCode, StopKind, UsageError
from bulkroute.model import NAME_CHARS, NamedTarget, printable

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.ledger.live_bindings import LiveRoute
    from bulkroute.live.selection import Selection, StillLeading

COLUMNS = ["accessCode", "extCode", "mediaType", "before_target", "target", "id", "devicetype", "deviceId",
           "before_devicetype", "before_deviceId"]  # fmt: skip
FREE_TEXT = ["accessCode", "extCode", "before_target", "target"]
REASON = "reason"
IN_WORDS = {"noAgents": "no agents", "timeOut": "timeout"}
"""What `skillParam` calls otherwise than people do."""
MOST_QUEUES = 20
"""So many are named in a sentence."""


@click.command(context_settings=CONTEXT)
@click.option(
    "--from",
    "source",
    envvar=f"{PREFIX}FROM",
    metavar="TARGET",
    help="Routes that lead there now: ivr:Old, queue:Sales, ivr:#3001.",
)
@click.option("--to", metavar="TARGET", required=True, help="Where the manifest leads them.")
@click.option(
    "--access-code",
    type=TEXT,
    multiple=True,
    metavar="PATTERN",
    help="Only these; % stands for any digits. Repeatable.",
)
@click.option(
    "--ext-code", type=TEXT, multiple=True, metavar="PATTERN", help="Likewise; '' is no extension. Repeatable."
)
@click.option("--media", type=MEDIA, multiple=True, metavar="MEDIA", help="voice, video, multimedia, ... Repeatable.")
@click.option(
    "--except",
    "excepted",
    envvar=f"{PREFIX}EXCEPT",
    type=PATH,
    metavar="FILE",
    help="Not these: a manifest, or an id or number a line.",
)
@click.option("--expect", type=click.IntRange(1), metavar="N", help="Write nothing unless it comes to N rows.")
@allow_unloaded
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print one JSON object.")
@output_to(metavar="FILE.csv", required=True, help="The manifest to write. Routes left out: FILE.left-out.csv.")
@connection_options
def select(output: Path, force: bool, json_: bool, **options: Any) -> int:
    """Write the routes that lead to one target now as a manifest that leads them to another; nothing is sent.

    All filters that are given must hold. Routes that are locked, excepted or right already are left out and listed
    beside the manifest. It also tells which skill queues still hand calls on to the target that the routes leave.

    Example: bulkroute select --from ivr:Old --to ivr:New -o old-to-new.csv
    """
    from bulkroute.atomic_file import is_standard_output, is_stream  # here, since help must not wait for these
    from bulkroute.cli.output_file import require_csv_name, require_free
    from bulkroute.cli.session import with_engine
    from bulkroute.live.selection import Filters

    require_csv_name(output)
    if json_ and is_stream(output) and is_standard_output(output):
        raise UsageError("the manifest and --json cannot both go to standard output", hint="name a file with -o")
    files = [output, *filter(None, [beside(output)])]
    for file in files:
        require_free(file, force=force)
    filters = Filters(options["source"] or "", options["access_code"], options["ext_code"], options["media"])

    async def work(engine: "Engine") -> int:
        found = await engine.select(options["to"], filters, excepted=options["excepted"])
        _require_rows(found, options["expect"])
        for file in files:
            require_free(file, force=force)  # reading took a while
        write_manifest(found, output)
        if json_:
            click.echo(json.dumps(_as_json(found, output), ensure_ascii=False))
        else:
            _tell(found, output)
        return ExitCode.DONE

    return with_engine(settings_from(options), work)


def beside(output: Path) -> Path | None:
    """Return the file for the routes that are left out; None beside what is no regular file."""
    from bulkroute.atomic_file import is_stream  # here, as above

    return None if is_stream(output) else output.with_name(f"{output.stem}.left-out.csv")


def _require_rows(found: "Selection", expected: int | None) -> None:
    """Raise UsageError, with the exit code of a faulty manifest, for no row at all and for another number of rows."""
    rows = len(found.routes)
    if not rows:
        why = f"all {found.found:,} that do are left out ({_reasons(found)})" if found.found else "none is like this"
        hint = "look at --from and the filters; `bulkroute targets` shows how many routes lead where"
        raise UsageError(f"no route is selected: {why}; nothing was written", hint=hint, stop=StopKind.MANIFEST)
    if expected not in (None, rows):
        raise UsageError(
            f"{rows:,} rows are selected, not {expected:,} as --expect says; nothing was written",
            hint="look at what has changed, then give the right number",
            stop=StopKind.EXPECT,
        )


def write_manifest(found: "Selection", output: Path) -> None:
    """Write the manifest, and first what is left out; the latter also in place of an older one if that is empty now."""
    from bulkroute.atomic_file import writing  # here, as above
    from bulkroute.ledger.export import write_csv

    other = beside(output)
    if other is not None and (found.left_out or other.exists()):
        with writing(other) as file:
            records = ({**_record(route, found), REASON: reason.value} for route, reason in found.left_out)
            write_csv(records, file, [*COLUMNS, REASON], FREE_TEXT)
    with writing(output) as file:
        write_csv(_records(found), file, COLUMNS, FREE_TEXT)


def _records(found: "Selection") -> Iterator[dict[str, Any]]:
    return (_record(route, found) for route in found.routes)


def _record(route: "LiveRoute", found: "Selection") -> dict[str, Any]:
    return {
        "accessCode": route.access_code,
        "extCode": route.ext_code,
        "mediaType": route.media_type,
        "before_target": route.device_desc,
        "target": found.wanted.name,
        "id": route.id,
        "devicetype": int(found.wanted.devicetype),
        "deviceId": found.wanted.device_id,
        "before_devicetype": route.devicetype,
        "before_deviceId": route.device_id,
    }


def _tell(found: "Selection", output: Path) -> None:
    """Tell what was written and what was not: on stdout, unless the manifest went there."""
    import sys  # here, as above

    from bulkroute.output.tables import say

    other = beside(output)
    stream = sys.stderr if other is None else sys.stdout
    listed = f", listed in {other}" if other else ""
    left_out = f"; {len(found.left_out):,} left out ({_reasons(found)}{listed})" if found.left_out else ""
    written = f"{len(found.routes):,} written to {output}, to lead to {found.wanted}"
    say(f"{_meant(found)}: {written}{left_out}", stream)
    if found.still_leading:
        queues = "skill queue" if len(found.still_leading) == 1 else "skill queues"
        say(
            f"still leading to {found.source}, not changed by bulkroute: {queues} {_queues(found.still_leading)}",
            stream,
        )
    for warning in found.warnings:
        say(f"warning: {warning}", stream)


def _meant(found: "Selection") -> str:
    """Say which routes were found."""
    routes = "1 route" if found.found == 1 else f"{found.found:,} routes"
    if found.source is None:
        return routes
    if found.not_selected:
        return f"{found.found:,} of {found.found + found.not_selected:,} routes that lead to {found.source}"
    return f"{routes} {'leads' if found.found == 1 else 'lead'} to {found.source}"


def _queues(leading: "Sequence[StillLeading]") -> str:
    """Name queues with the cases in which they hand calls on; with its number one that shares its name."""
    names = Counter(each.queue.name for each in leading)
    named = []
    for queue, reasons in leading[:MOST_QUEUES]:
        name = printable(queue.name, NAME_CHARS)
        if names[queue.name] > 1 or not name:
            name += f"#{queue.device_id}"
        named.append(f"{name} ({', '.join(IN_WORDS.get(reason, reason) for reason in reasons)})")
    more = [f"{len(leading) - MOST_QUEUES:,} more; --json has all"] if len(leading) > MOST_QUEUES else []
    return ", ".join([*named, *more])


def _reasons(found: "Selection") -> str:
    counts = Counter(reason for _route, reason in found.left_out)
    return ", ".join(f"{rows:,} {reason.value.replace('_', ' ')}" for reason, rows in counts.most_common())


def _as_json(found: "Selection", output: Path) -> dict[str, Any]:
    leading = found.still_leading
    return {
        "output": str(output),
        "from": _target(found.source),
        "to": _target(found.wanted),
        "found": found.found,
        "written": len(found.routes),
        "left_out": [
            {
                "id": route.id,
                "accessCode": route.access_code,
                "extCode": route.ext_code,
                "mediaType": route.media_type,
                "reason": reason.value,
            }
            for route, reason in found.left_out
        ],
        "not_selected": found.not_selected,
        "still_leading": None
        if leading is None
        else [{**(_target(each.queue) or {}), "reasons": list(each.reasons)} for each in leading],
        "warnings": found.warnings,
    }


def _target(target: Any) -> dict[str, Any] | None:
    return None if target is None else NamedTarget(target.devicetype, target.device_id, target.name).to_json()
