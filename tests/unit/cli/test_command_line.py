"""The command as it is shown: whatever may be a secret stands as stars, and what is advised goes on."""

import shlex

import click
import pytest

from bulkroute.cli.command_line import as_given, going_on


def given(line: str) -> click.Context:
    return click.Context(click.Command("run"), obj=shlex.split(line))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("bulkroute run x.csv --header 'X-A: hush'", "bulkroute run x.csv --header 'X-A: ***'"),
        ("bulkroute run x.csv '--header=X-A: hush'", "bulkroute run x.csv '--header=X-A: ***'"),
        ("bulkroute run x.csv --header hush", "bulkroute run x.csv --header '***'"),
        ("bulkroute run x.csv --ping-url https://m/hush --yes", "bulkroute run x.csv --ping-url '***' --yes"),
        ("bulkroute run x.csv --ping-url=https://m/hush", "bulkroute run x.csv '--ping-url=***'"),
        ("bulkroute run x.csv --before-run './ask a'", "bulkroute run x.csv --before-run './ask a'"),
    ],
)
def test_what_is_shown(line: str, shown: str) -> None:
    with given(line):
        assert shlex.split(as_given()) == shlex.split(shown)


def test_what_goes_on() -> None:
    with given("bulkroute run x.csv --fresh --until 04:00 --max-rows=3 --yes"):
        assert going_on({"--until", "--max-rows"}) == "bulkroute run x.csv --yes"
