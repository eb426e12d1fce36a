"""`bulkroute verify`: is everything as the ledger says?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.options import CONTEXT, PATH, connection_options, of_batch, service_moved, settings_from
from bulkroute.errors import ExitCode
from bulkroute.model import target_json

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.ledger.compare import Difference


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@of_batch
@connection_options
@service_moved
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def verify(ledger: Path, **options: Any) -> int:
    """Read live bindings and compare them with the rows that LEDGER calls done; exit 6 where they differ.

    After a rollback also with the earlier bindings of the rows that were put back.

    Works while a run is going on.

    Example: bulkroute verify cutover.ledger.db --base-url https://cc.example.com
    """
    from bulkroute.cli.session import with_engine  # here, since help must not wait for it

    async def work(engine: "Engine") -> int:
        found = await engine.verify(ledger, batch=options["batch"])
        code = ExitCode.DIFFERENT if found.differences else ExitCode.DONE
        if options["json_"]:
            record = found._asdict() | {"differences": [_difference(each) for each in found.differences]}
            click.echo(json.dumps(record | {"exit_code": int(code)}, ensure_ascii=False))
            return code
        for each in found.differences:
            was, now = each.was or "not recorded", each.now or "not listed"
            click.echo(f"{each.id}: was {was}, wanted {each.wanted}, is {now}")
        right = found.checked - len(found.differences)
        click.echo(f"{right:,} of {found.checked:,} rows done are as the ledger says")
        return code

    return with_engine(settings_from(options), work)


def _difference(each: "Difference") -> dict[str, Any]:
    return {
        "id": each.id,
        "was": target_json(each.was),
        "wanted": target_json(each.wanted),
        "is": target_json(each.now),
    }
