"""Options of waves, shared by the commands that send rows or plan it."""

import click

from bulkroute.cli.options import Parsed, setting, together
from bulkroute.settings import parse_waves

WAVES = Parsed("sizes", parse_waves)

waves = setting(
    "--waves",
    type=WAVES,
    metavar="SIZES",
    help="Send in waves of so many rows, each read back before the next: 1,10,25%,rest for example.",
)

wave_options = together(
    setting(
        "--canary",
        type=click.IntRange(0),
        metavar="N",
        help="Send N rows over all targets, read them back, go on only if all are right: --waves N,rest.",
    ),
    waves,
)
"""In how many steps rows are sent, and what has to say go in between."""
