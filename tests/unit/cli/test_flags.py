"""A flag is one setting wherever it stands: `bulkroute.toml` and the environment know it by its name alone."""

from collections import defaultdict

import click

from bulkroute.cli import cli


def test_a_flag_sets_the_same_parameter_in_each_command() -> None:
    names: dict[str, set[str]] = defaultdict(set)
    for title, command in cli.all_commands().items():
        for option in command.params:
            if isinstance(option, click.Option) and option.name and option.expose_value and title != "fleet ctl":
                for flag in option.opts:
                    names[flag].add(option.name)
    assert {flag: parameters for flag, parameters in names.items() if len(parameters) > 1} == {}
