"""The closing table: what a service says stays text, at any width."""

import io
import sys

import pytest
from rich.console import Console

from bulkroute.events import Summary
from bulkroute.ledger.queries import Reason
from bulkroute.output.closing import outcome_table, show, title_of
from bulkroute.output.words import duration, rate

SUMMARY = Summary(
    ledger="[bold]x.db", batch=1, run=1, total=9, succeeded=2, unchanged=0, failed=7, pending=0, in_doubt=0
)


@pytest.mark.parametrize("width", [80, 120, 200])
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
    assert all(part in shown for part in ("[red]", ":smile:", "[blink]"))


def test_without_a_terminal_a_table_is_plain_columns(capsys: pytest.CaptureFixture[str]) -> None:
    text = "a text of the service that is wider than any terminal " * 5
    reasons = [Reason("business", text.strip(), 5, "1125397061153369092"), Reason("server", None, 2, "队列")]
    show(title_of(SUMMARY), outcome_table(SUMMARY, reasons), sys.stdout)
    assert capsys.readouterr().out.splitlines() == [
        "batch 1 in [bold]x.db",
        "outcome           rows  for example          what the service said",
        "succeeded            2",
        "unchanged            0",
        f"failed: business     5  1125397061153369092  {text.strip()}",
        "failed: server       2  队列",
        "total                9",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_061, "25 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates() -> None:
    assert [rate(None), rate(0.5), rate(20), rate(1234.5)] == ["unlimited", "0.5/s", "20/s", "1234/s"]
