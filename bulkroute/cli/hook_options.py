"""Options for the operator's own commands and pings around a run or rollback."""

from typing import Any

import click
from click.core import ParameterSource

from bulkroute.cli.options import Parsed, setting, together
from bulkroute.settings import parse_command, parse_exit_codes

COMMAND = Parsed("command", parse_command)
CODES = Parsed("codes", parse_exit_codes)

hook_options = together(
    setting(
        "--before-run",
        type=COMMAND,
        metavar="CMD",
        help="Ask this shell command before anything is read or sent: exit code 0 is go, 75 not now, all else no."
        " Not asked before a back-out is gone on with.",
    ),
    setting(
        "--on-event",
        type=COMMAND,
        metavar="CMD",
        help="Tell this shell command when a run has started, waits for more than 60 s or for a gate, stops and has ended.",
    ),
    setting(
        "--ping-url",
        metavar="URL",
        help="Ping this monitor: URL/start, then URL, or URL/<exit code> for an alarm.",
    ),
    setting(
        "--ping-ok",
        type=CODES,
        metavar="CODES",
        show_default="0,4",
        help="Exit codes that are no alarm for the monitor.",
    ),
)
"""Whom a command that changes routes asks and tells."""

OUTWARD = ("before_run", "on_event", "ping_url", "gate_command")


def leave_out_for_rehearsal(options: dict[str, Any]) -> list[str]:
    """Take the hooks and pings of the settings file out of a rehearsal's options; say so.

    They are meant for the real thing: a monitor must not hear that the night went well. Those that are given by hand stay.
    """
    ctx = click.get_current_context()
    taken = [
        name
        for name in OUTWARD
        if options[name] is not None and ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP
    ]
    options.update(dict.fromkeys(taken))
    flags = ", ".join("--" + name.replace("_", "-") for name in taken)
    return [f"a rehearsal leaves out what the settings file says of {flags}"] if taken else []
