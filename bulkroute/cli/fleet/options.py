"""Options that several commands of `fleet` share."""

import click

from bulkroute.cli.database_options import on_database
from bulkroute.cli.options import PATH, ByFlag, ask_nothing, output_options, together

fleet_file = click.argument("fleet", type=PATH)

which_options = together(
    click.option(
        "--first", type=click.IntRange(1), metavar="N", help="Only the first N tenants of the file: the pilots."
    ),
    click.option(
        "--at-once",
        type=click.IntRange(1),
        metavar="N",
        default=100,
        show_default=True,
        help="Tenants worked on at once.",
    ),
)
"""Which tenants, and how many of them at a time."""

as_json = click.option("--json", "json_", cls=ByFlag, is_flag=True, help="Print one JSON object.")

on_hosts = on_database(
    "Work on as many hosts as give this same command and PostgreSQL database, postgresql://host/database."
)

of_hosts = on_database("The PostgreSQL database that the fleet is worked on with, postgresql://host/database.")
"""Of commands that look, steer, or end the copies."""

run_options = together(
    which_options,
    click.option(
        "--max-failed-tenants",
        type=click.IntRange(1),
        metavar="N",
        help="Begin no further tenant once N have ended so that somebody must act; those under way go on.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(1, 64),
        metavar="N",
        default=1,
        show_default=True,
        help="Share the tenants among N processes, for more than one core; one that dies is replaced by the others.",
    ),
    on_hosts,
    ask_nothing,
    output_options,
)
"""Of commands that change routes."""
