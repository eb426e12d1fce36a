"""`bulkroute targets`: which skill queues and IVR flows are there, and what leads to them?"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT, ByFlag, Parsed, connection_options, settings_from
from bulkroute.cli.output_file import output_to
from bulkroute.cli.profile import PREFIX
from bulkroute.errors import ExitCode
from bulkroute.model import NAME_CHARS, DeviceType, printable

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.live.target_routes import ListedTarget
    from bulkroute.output.tables import Table

COLUMNS = ["name", "devicetype", "deviceId", "mediaType", "loaded", "routes", "exists"]

LEAST = 16
"""Characters that a name keeps on one line, if the terminal allows it."""


def _devicetype(text: str) -> int:
    from bulkroute.manifest.spelling import devicetype_of  # here, since help must not wait for it

    return _known(text, devicetype_of(text), "queue or ivr")


def _media_type(text: str) -> int:
    from bulkroute.manifest.spelling import media_type_of  # here, as above

    return _known(text, media_type_of(text), "voice, video or multimedia")


def _known(text: str, meant: int | None, example: str) -> int:
    if meant is None:
        raise ValueError(f"{text!r} is unknown; say {example}, for example")
    return meant


DEVICETYPE = Parsed("type", _devicetype)
MEDIA = Parsed("media type", _media_type)


@click.command(context_settings=CONTEXT)
@click.option(
    "--type", "kind", envvar=f"{PREFIX}TYPE", type=DEVICETYPE, metavar="TYPE", help="Only these: queue or ivr."
)
@click.option("--media", type=MEDIA, metavar="MEDIA", help="Only queues for this: voice, video, multimedia, ...")
@click.option("--find", metavar="TEXT", help="Only those with TEXT in the name, in whatever case, or as their number.")
@click.option("--not-loaded", is_flag=True, help="Only those that no call can enter now.")
@click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print, or write to FILE, one JSON list.")
@output_to(metavar="FILE.csv", help="Write CSV there instead of a table.")
@connection_options
def targets(output: Path | None, force: bool, json_: bool, **options: Any) -> int:
    """List skill queues and IVR flows: name, id, media type, whether loaded, and how many called routes lead there.

    Numbers that routes lead to and that no queue or flow has are listed too. Changes nothing.

    Example: bulkroute targets --find night --base-url https://cc.example.com
    """
    from bulkroute.atomic_file import writing  # here, since help must not wait for these
    from bulkroute.cli.output_file import require_free
    from bulkroute.cli.session import with_engine
    from bulkroute.ledger import export
    from bulkroute.output.tables import show

    if output is not None:
        require_free(output, force=force)
    kind: int | None = options["kind"]

    async def work(engine: "Engine") -> int:
        found = await engine.targets([kind] if kind else list(DeviceType))
        chosen = [listed for listed in found.targets if _is_asked_for(listed, options)]
        if output is not None:
            require_free(output, force=force)  # reading took a while
        if json_:
            with writing(output) as file:
                file.write(json.dumps([listed.to_json() for listed in chosen], ensure_ascii=False) + "\n")
        elif output is not None:
            with writing(output) as file:
                export.write_csv(map(_record, chosen), file, COLUMNS, ["name"])
        else:
            show(_table(chosen), sys.stdout)
        return ExitCode.DONE if found.settled else ExitCode.SOME_FAILED

    return with_engine(settings_from(options), work)


def _is_asked_for(listed: "ListedTarget", options: dict[str, Any]) -> bool:
    target, text = listed.target, options["find"]
    found = not text or text.casefold() in target.name.casefold() or text.strip() == str(target.device_id)
    media = options["media"] in (None, target.media_type)
    return found and media and not (options["not_loaded"] and listed.is_loaded)


def _record(listed: "ListedTarget") -> dict[str, Any]:
    """Return a line of the CSV."""
    record = listed.to_json()
    return record | {name: "yes" if record[name] else "no" for name in ("loaded", "exists")}


def _table(chosen: "list[ListedTarget]") -> "Table":
    from bulkroute.live.route_index import media_text  # here, as above
    from bulkroute.output.tables import Column, Table

    numbers = ("id", "routes")
    names = ("name", "type", "id", "media type", "loaded", "routes")
    columns = [Column(name, right=name in numbers, least=LEAST if name == "name" else 0) for name in names]
    rows: list[tuple[str, ...]] = []
    for target, routes, exists in chosen:
        media = "" if target.media_type is None else media_text(target.media_type)
        kind = str(target.binding).rpartition(" ")[0]
        loaded = ("yes" if target.is_loaded else "no") if exists else "gone"
        name = printable(target.name or (target.file_name and f"ivr-file:{target.file_name}"), NAME_CHARS)
        rows.append((name, kind, str(target.device_id), media, loaded, f"{routes:,}"))
    counts = Counter(listed.target.devicetype for listed in chosen if listed.exists)
    gone = sum(not listed.exists for listed in chosen)
    title = f"{counts[DeviceType.SKILL_QUEUE]:,} skill queues, {counts[DeviceType.IVR]:,} IVR flows"
    lost = f"; {gone:,} that routes lead to are gone" if gone else ""
    routes = sum(listed.routes for listed in chosen)
    return Table(title + lost, columns, rows, foot=("total", "", "", "", "", f"{routes:,}"))
