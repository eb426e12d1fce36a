"""Options that say which saved plans may be run, and a guard against all else."""

import os

import click

from bulkroute.cli.options import DURATION, Parsed, setting, together
from bulkroute.cli.profile import PREFIX
from bulkroute.settings import parse_fingerprint

FINGERPRINT = Parsed("fingerprint", parse_fingerprint)


def _or_by_environment(_context: click.Context, option: click.Parameter, value: bool) -> bool:
    """Return whether a guard is on: any place that can set it may switch it on, and none can switch it off."""
    text = os.environ.get(f"{PREFIX}{str(option.name).upper()}", "")
    return value or bool(text and click.BOOL.convert(text, option, None))


approval_options = together(
    setting(
        "--approved",
        type=FINGERPRINT,
        metavar="FINGERPRINT",
        help="Run no other saved plan than this one: the first 12 digits of its fingerprint, or more.",
    ),
    setting("--plan-max-age", type=DURATION, metavar="T", show_default="24h", help="Run no saved plan that is older."),
    click.option(
        "--require-approval",
        is_flag=True,
        allow_from_autoenv=False,
        callback=_or_by_environment,
        show_default=False,
        help="Without a terminal, run nothing but a saved plan that --approved names. For the settings file: no flag and no"
        " variable takes it back.",
    ),
)
"""Which saved plans may be run."""
