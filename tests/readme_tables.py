"""The README's tables, made from the code: `python -m tests.readme_tables` writes them, a test holds them to it.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bulkroute.cli import COMMANDS, cli
from bulkroute.errors import EXIT_MEANINGS

README = Path(__file__).resolve().parent.parent / "README.md"
TABLE = re.compile(r"<!-- table: (?P<name>[\w ]+) -->\n.*?<!-- end -->", re.DOTALL)


def _commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    return {name: command for name, command in commands.items() if command is not None}


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def commands() -> str:
    rows = []
    for name, command in _commands().items():
        arguments = [str(one.metavar or one.name).upper() for one in command.params if isinstance(one, click.Argument)]
        rows.append((f"`{' '.join([name, *arguments])}`", COMMANDS[name]))
    return _table(("command", "does"), rows)


def _records(name: str) -> list[tuple[str, str]]:
    """Return flag and help of each option of a command."""
    command = _commands()[name]
    context = click.Context(command, **command.context_settings)
    records = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    return [record for record in records if record]


def options(name: str) -> str:
    """Return the options of a command; those it shares with `run` stand there."""
    shared = [] if name == "run" else _records("run")
    return _table(
        ("flag", "meaning"), [(f"`{flag}`", text) for flag, text in _records(name) if (flag, text) not in shared]
    )


def exit_codes() -> str:
    return _table(("code", "means"), [(str(int(code)), meaning) for code, meaning in EXIT_MEANINGS.items()])


def table(name: str) -> str:
    makers: dict[str, Callable[[], str]] = {"commands": commands, "exit codes": exit_codes}
    maker = makers.get(name)
    return maker() if maker else options(name.removeprefix("options of "))


def renewed(text: str) -> str:
    """Return the README's text with every table made anew."""
    return TABLE.sub(lambda found: f"<!-- table: {found['name']} -->\n{table(found['name'])}\n<!-- end -->", text)


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
