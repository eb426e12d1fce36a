"""README and help say the same; every flag and every exit code is in both."""

import re
import subprocess
import sys

import click

from bulkroute.cli import COMMANDS, cli
from tests.readme_tables import README, TABLE, options, renewed


def test_the_tables_are_those_of_the_code() -> None:
    text = README.read_text()
    assert renewed(text) == text, "run: .venv/bin/python -m tests.readme_tables"


def test_every_command_with_flags_of_its_own_has_its_table() -> None:
    tables = {found["name"] for found in TABLE.finditer(README.read_text())}
    own = {f"options of {name}" for name in COMMANDS if len(options(name).splitlines()) > 2}
    assert {"commands", "exit codes", *own} == tables


def test_every_help_has_an_example() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help
        assert re.search(rf"Example:\s+bulkroute {name}", command.help), name


def test_commands_of_the_readme_exist() -> None:
    used = set(re.findall(r"^(?:\$ )?bulkroute (\w+)", README.read_text(), re.MULTILINE))
    assert used
    assert used <= set(COMMANDS)


def test_module_and_script_are_the_same() -> None:
    done = subprocess.run([sys.executable, "-m", "bulkroute", "--help"], capture_output=True, text=True, check=True)
    for name, line in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout
