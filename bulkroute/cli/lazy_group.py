"""A group of commands, one module each, which is imported when its command is called: help must come at once."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Finds the command `name` as `package.name.name`."""

    def __init__(self, *, package: str, lines: Mapping[str, str], **given: Any) -> None:
        """`lines`: each command with its line in the help, in the order of use."""
        super().__init__(**given)
        self._package = package
        self._lines = lines

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of use."""
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        return self._import(cmd_name) if cmd_name in self._lines else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))

    def all_commands(self) -> dict[str, click.Command]:
        """Import and return all commands; those of a group within by both names."""
        found: dict[str, click.Command] = {}
        for name in self._lines:
            command = self._import(name)
            if isinstance(command, LazyGroup):
                found |= {f"{name} {verb}": each for verb, each in command.all_commands().items()}
            else:
                found[name] = command
        return found

    def _import(self, name: str) -> click.Command:
        command: click.Command = getattr(importlib.import_module(f"{self._package}.{name}"), name)
        return command
