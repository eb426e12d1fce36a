"""The closing table: what a service says stays text, at any width."""

import io

import pytest
from rich.console import Console

from bulkroute.console.closing import outcome_table
from bulkroute.console.words import duration, rate
from bulkroute.ledger.reading import Reason
from bulkroute.summary import Summary

SUMMARY = Summary(
    ledger="[bold]x.db", batch=1, run=1, total=9, succeeded=2, unchanged=0, failed=7, pending=0, in_doubt=0
)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_markup_of_the_service_stays_text(width: int) -> None:
    text = "[red]no[/red] [link=https://example.com]here[/link] :smile: [/]"
    reasons = [Reason("business", text, 7, "[blink]1125397061153369092")]
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system="truecolor").print(
        outcome_table(SUMMARY, reasons)
    )
    shown = file.getvalue()
    assert "\x1b[31m" not in shown
    assert "\x1b]8" not in shown
    assert all(part in shown for part in ("[red]", ":smile:", "[blink]", "[bold]x.db"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_061, "25 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates() -> None:
    assert [rate(None), rate(0.5), rate(20), rate(1234.5)] == ["unlimited", "0.5/s", "20/s", "1234/s"]
