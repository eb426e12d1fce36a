"""The command line: one file a command; each parses, wires and returns an exit code."""

import gc
import sys
from collections.abc import Sequence
from typing import Any

import click

from bulkroute.cli.lazy_group import LazyGroup
from bulkroute.cli.messages import report_error
from bulkroute.cli.profile import config_options, take_config
from bulkroute.cli.streams import ReaderGone, flush, help_width, open_closed, print_errors_named
from bulkroute.errors import EXIT_MEANINGS, BulkrouteError, ExitCode
from bulkroute.version import __version__

COMMANDS = {
    "check": "Check a manifest; nothing is sent.",
    "run": "Send what is not done yet; the same command again resumes.",
    "plan": "Show what a run would change; nothing is changed.",
    "show": "Print a saved plan and its fingerprint; no service is called.",
    "verify": "Compare live bindings with what a ledger says was done.",
    "rollback": "Put back the earlier bindings of rows that a ledger's batch changed.",
    "snapshot": "Write the live bindings as a manifest.",
    "select": "Write a manifest that leads the routes of one target to another.",
    "targets": "List skill queues and IVR flows, and how many routes lead there.",
    "status": "Show how a ledger stands.",
    "ctl": "Pause, slow down, speed up or stop a run that is going on.",
    "export": "Write the rows of a ledger as CSV or JSON lines.",
    "report": "Write one page for people about how a batch went.",
    "watch": "Serve that page live while a run goes on.",
    "fleet": "The same for many tenants at once.",
    "simulate": "Serve an imitation of the vendor's service.",
}
"""Each command with its line in the help."""

FLEET = {
    "check": "Check the fleet file, every manifest and every credentials file; nothing is sent.",
    "plan": "Show what a run would change, tenant by tenant; nothing is changed.",
    "run": "Send what is not done yet of all tenants; the same command again resumes.",
    "status": "Show how each tenant stands, a line each; also while the fleet is run.",
    "watch": "Serve one page for all tenants, live, and below it each tenant's own.",
    "ctl": "Pause, slow down, speed up or stop the runs of all tenants, or of some.",
    "verify": "Compare live bindings with what the ledgers say was done.",
    "rollback": "Put back the earlier bindings of rows that the latest batches changed.",
    "report": "Write a page about all tenants, and a report of each beside it.",
    "detach": "End the copies of ledgers in PostgreSQL; they are here then, and up to date.",
}
"""Each command of `bulkroute fleet`."""


class AllCommands(LazyGroup):
    """The commands of `bulkroute`."""

    def make_context(self, *given: Any, **options: Any) -> click.Context:
        """Parse the command line; `--help` and `--version` print here."""
        with print_errors_named():
            return super().make_context(*given, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with print_errors_named():
            return super().invoke(ctx)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help."""
        ctx.terminal_width = ctx.terminal_width or help_width(ctx.max_content_width or 80)
        return super().get_help(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, and how they end."""
        super().format_commands(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in EXIT_MEANINGS.items()])


@click.group(
    cls=AllCommands,
    package="bulkroute.cli",
    lines=COMMANDS,
    context_settings={"auto_envvar_prefix": "BULKROUTE", "max_content_width": 100},
)
@click.version_option(__version__, prog_name="bulkroute")
@config_options()
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Rebind thousands of called routes of Huawei Cloud CEC: paced, resumable, and on record.

    Every option can also be set as BULKROUTE_<OPTION> in the environment, or in bulkroute.toml.
    """
    take_config(ctx)


def known_options() -> dict[str, str]:
    """Return the flags of all commands, without dashes and with `_`, and the name of the parameter that each sets."""
    options = [
        each for command in cli.all_commands().values() for each in command.params if isinstance(each, click.Option)
    ]
    return {
        flag.removeprefix("--").replace("-", "_"): option.name
        for option in options
        for flag in option.opts
        if flag.startswith("--") and option.name and option.expose_value
    }


def main(arguments: Sequence[str] | None = None) -> Any:
    """Run the command line and exit with the code that says how it went."""
    open_closed()
    gc.set_threshold(100_000)  # what is imported stays: looking it through as it grows takes a 20th of a run's start
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(given, prog_name="bulkroute", standalone_mode=False, obj=["bulkroute", *given])
    except (click.exceptions.Abort, ReaderGone):
        code = ExitCode.STOPPED
    except Exception as error:  # noqa: BLE001 -- the last stop: Python's own exit code for a traceback would read "some rows failed"
        code = _code_of(error)
        report_error(error, code)
    flush()
    gc.freeze()  # all is closed: Python's last look for cycles would take a 10th of a short command, and find nothing
    sys.exit(int(code or 0))


def _code_of(error: Exception) -> ExitCode:
    if isinstance(error, BulkrouteError):
        return error.exit_code
    return ExitCode.USAGE if isinstance(error, click.ClickException) else ExitCode.BUG
