"""The closing message: what the rows came to, and the command to go on with."""

from dataclasses import replace
from pathlib import Path

import pytest

from bulkroute.errors import ExitCode, StopKind
from bulkroute.ledger.queries import Reason
from bulkroute.output.closing import MOST_REASONS, after_back_out, closing_line, next_commands, outcomes
from bulkroute.output.words import duration, rate
from bulkroute.progress import Summary

SUMMARY = Summary(ledger="x.db", batch=1, run=1, total=9, succeeded=2, unchanged=0, failed=7, pending=0, in_doubt=0)


def test_outcomes_make_the_total() -> None:
    reasons = [Reason("business", f"text {n}", 1, f"{n}") for n in range(MOST_REASONS + 3)]
    found = outcomes(SUMMARY, reasons)
    assert found.rows[-1] == ("failed: others", "3", "", "3 more texts")
    assert found.foot == ("total", "9")
    assert [row[0] for row in outcomes(SUMMARY, []).rows] == ["succeeded", "unchanged"]
    doubtful = outcomes(Summary("x.db", 1, 1, 9, 2, 0, 0, pending=4, in_doubt=3), [])
    assert doubtful.rows[2:] == [("pending", "4"), ("in doubt", "3")]


def test_rows_in_doubt_are_settled_by_reading() -> None:
    summary = Summary("x.db", 1, 1, 9, 2, 0, 0, 0, in_doubt=7, exit_code=ExitCode.SOME_FAILED)
    (advice,) = next_commands(summary, "bulkroute run 'a b.csv' --no-snapshot --rate 5", "x.db")
    assert advice.command == "bulkroute run 'a b.csv' --rate 5 --snapshot"


def test_one_call_is_no_calls() -> None:
    assert "; 1 call in 2.0 s," in closing_line(replace(SUMMARY, attempts=1, seconds=2.0))
    assert "; 2 calls in 2.0 s," in closing_line(replace(SUMMARY, attempts=2, seconds=2.0))


def test_no_advice_onto_a_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for taken, free in (("failed.csv", "failed-2.csv"), ("failed-2.csv", "failed-3.csv")):
        (tmp_path / taken).touch()
        (advice,) = next_commands(SUMMARY, "bulkroute run a.csv", "x.db")
        assert advice.command == f"bulkroute export x.db --status failed -o {free}"


def test_rows_that_are_refused_again_and_again_can_be_accepted() -> None:
    refused = replace(SUMMARY, failed=0, refused=7, failures={"locked": 4, "unknown_id": 2, "conflict": 1})
    refused = replace(refused, exit_code=ExitCode.SOME_FAILED)
    export, accept = next_commands(refused, "bulkroute run a.csv", "x.db")
    assert accept.command == "bulkroute run a.csv --skip locked,unknown_id"
    assert next_commands(refused, "bulkroute run a.csv --skip locked", "x.db") == [export]
    (back,) = next_commands(refused, "bulkroute rollback x.db", "x.db", rollback=True)
    assert back.command == f"{export.command.replace('x.db', 'x.db --rollback')}"
    some = replace(refused, failed=1)
    assert next_commands(some, "bulkroute run a.csv", "x.db")[1].purpose == "try them again"


def test_all_done_is_said_where_the_exit_code_says_so_too() -> None:
    done = replace(SUMMARY, succeeded=9, failed=0, exit_code=ExitCode.DONE)
    assert closing_line(done) == "all done: 9 of 9 rows done, 0 failed, 0 left"
    left_behind = replace(done, exit_code=ExitCode.SOME_FAILED)
    assert closing_line(left_behind) == "ended: 9 of 9 rows done, 0 failed, 0 left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_061, "25 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_rates() -> None:
    assert [rate(None), rate(0.5), rate(20), rate(1234.5)] == ["unlimited", "0.5/s", "20/s", "1234/s"]


def test_after_a_back_out_the_advice_is_to_look_before_it_is_sent_again() -> None:
    commands = "bulkroute run a.csv", "bulkroute verify x.db", "bulkroute rollback x.db"
    whole = replace(SUMMARY, backed_out=5, exit_code=7, stop=StopKind.MAX_FAILURES, stopped="5 rows failed")
    assert closing_line(whole).startswith("backed out, all 5 changed rows are as before: ")
    advice = after_back_out(whole, *commands, unfinished=False, failed=False)
    assert [each.command for each in advice] == ["bulkroute verify x.db", "bulkroute run a.csv"]
    late = after_back_out(replace(whole, stop=StopKind.WINDOW), *commands, unfinished=False, failed=False)
    assert [each.command for each in late] == ["bulkroute verify x.db"], "its window is over"
    window = replace(SUMMARY, failed=0, stop=StopKind.WINDOW, exit_code=4)
    assert window.window_closed
    assert not replace(window, backed_out=5, exit_code=7).window_closed, "--quiet must tell of that"

    part = replace(whole, exit_code=8)
    assert closing_line(part).startswith("not all backed out, 5 changed rows are put back: ")
    (on,) = after_back_out(part, *commands, unfinished=True, failed=True)
    assert on == ("go on putting back", "bulkroute rollback x.db")
    by_hand = after_back_out(part, None, *commands[1:], unfinished=False, failed=True)
    assert [each.command for each in by_hand] == ["bulkroute verify x.db", "bulkroute rollback x.db"]
