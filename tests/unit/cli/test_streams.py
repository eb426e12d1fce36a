"""Help is as wide as click would make it, found without the module that click would import for it."""

import shutil

import pytest
from click import HelpFormatter

from bulkroute.cli.streams import help_width


@pytest.mark.parametrize("columns", ["", "10", "70", "99", "500", "-3", "wide"])
@pytest.mark.parametrize("most", [80, 100])
def test_width_of_help(columns: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert help_width(most) == HelpFormatter(max_width=most).width


def test_width_of_help_where_nothing_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert help_width(200) == shutil.get_terminal_size().columns - 2
