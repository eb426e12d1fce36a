"""Options of waves, shared by the commands that send rows or plan it."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from bulkroute.cli.hook_options import COMMAND
from bulkroute.cli.options import DURATION, Parsed, setting, together
from bulkroute.errors import UsageError
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
    setting(
        "--gate-command",
        type=COMMAND,
        metavar="CMD",
        help="Ask this shell command after each wave but the last: exit code 0 is go, 75 not yet, all else no.",
    ),
    setting("--gate-interval", type=DURATION, metavar="T", help="Ask it again so long after a 75."),
    setting("--gate-wait", type=DURATION, metavar="T", help="Wait so long after each wave but the last."),
    setting(
        "--gate-hold",
        is_flag=True,
        help="Wait after each wave but the last until a person says go: `bulkroute ctl LEDGER go`, or `no-go REASON`.",
    ),
    setting(
        "--gate-timeout",
        type=DURATION,
        metavar="T",
        help="All gates after a wave must have said go within so long; else it is a no.",
    ),
)
"""In how many steps rows are sent, and what has to say go in between."""


def require_somebody(options: Mapping[str, Any]) -> None:
    """Refuse a hold that nobody may ever answer: without a terminal it needs an end. Raises UsageError."""
    is_watched = sys.stdin is not None and sys.stdin.isatty()
    if options["gate_hold"] and options["gate_timeout"] is None and not is_watched:
        raise UsageError(
            "--gate-hold waits for a person, and without a terminal there may be none",
            hint="say with --gate-timeout how long to wait, 1h for example",
        )
