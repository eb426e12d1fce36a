"""`bulkroute rollback`: back to the bindings there were before."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bulkroute.cli.database_options import database_options
from bulkroute.cli.hook_options import hook_options
from bulkroute.cli.options import (
    CONTEXT,
    PATH,
    ask_nothing,
    connection_options,
    limit_options,
    service_moved,
    settings_from,
    strict_targets,
    telling_options,
    wait_for_lock,
    window_options,
)
from bulkroute.errors import ExitCode
from bulkroute.output.pairs import pair_lines

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.run.prepare_rollback import Preview


@click.command(context_settings=CONTEXT)
@click.argument("ledger", type=PATH)
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Undo this batch. [default: the latest]")
@click.option("--since", type=click.IntRange(1), metavar="N", help="Undo this batch and all later ones.")
@click.option("--only", type=PATH, metavar="FILE", help="Put back only these: a manifest, or an id or number a line.")
@click.option("--wave", type=click.IntRange(0), metavar="N", help="Put back only rows of this wave of the batch.")
@click.option("--dry-run", is_flag=True, help="Show what would be put back, and change nothing.")
@connection_options
@limit_options
@window_options
@strict_targets
@service_moved
@wait_for_lock
@database_options
@ask_nothing
@hook_options
@telling_options
def rollback(
    ledger: Path,
    batch: int | None,
    since: int | None,
    only: Path | None,
    wave: int | None,
    dry_run: bool,
    **options: Any,
) -> int:
    """Put back the recorded earlier bindings of rows that LEDGER's batch changed; the same command again goes on.

    A row whose live binding is no longer what was written is left alone and reported as `conflict` (exit 1). Rows
    that are put back are pending again: `bulkroute run` sends them once more, in a batch of its own. Nothing to put
    back is exit 2, with the batches that changed something. The back-out of a run that was cut off is gone on with, as
    that run would (exit 7 or 8).

    Example: bulkroute rollback cutover.ledger.db --base-url https://cc.example.com
    """
    from bulkroute.cli.session import roll_back_to_the_end, with_engine  # here, since help must not wait for it
    from bulkroute.run.prepare_rollback import WayBack

    way = WayBack(batch, since, only, wave)
    if not dry_run:
        return roll_back_to_the_end(ledger, way, options)

    async def work(engine: "Engine") -> int:
        preview = await engine.preview_rollback(ledger, way)
        (_print_json if options["json_"] else _print)(preview)
        return ExitCode.DONE

    return with_engine(settings_from(options), work)


def _print(preview: "Preview") -> None:
    click.echo(f"{preview.to_put_back:>9,} to put back")
    click.echo(f"{preview.already_back:>9,} as they were already")
    for error, rows in preview.refused.items():
        click.echo(f"{rows:>9,} refused: {error}")
    if preview.left_behind:
        click.echo(f"{preview.left_behind:>9,} without a recorded earlier binding")
    for rows, text in pair_lines(preview.pairs, all_by="rollback --dry-run --json"):
        click.echo(f"{rows:>9,} {text}")


def _print_json(preview: "Preview") -> None:
    pairs = [pair.to_json() for pair in preview.pairs]
    click.echo(json.dumps(preview._asdict() | {"pairs": pairs}, ensure_ascii=False))
