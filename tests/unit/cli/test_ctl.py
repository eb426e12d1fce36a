"""A run's status in words: rows that were refused are no failures of the service."""

import time

import click
import pytest

from bulkroute.cli.ctl import describe, describe_shortly, verb_of
from bulkroute.progress import Pause
from tests.unit.output.test_words import PROGRESS


def test_refused_rows_stand_apart_from_failed_ones() -> None:
    refused = PROGRESS._replace(refused=26).fields()
    assert describe(refused)[1] == "rows      1,234 of 8,000 done, 3 failed, 26 refused, 6,737 left"
    assert "; 1,234 of 8,000 done, 3 failed, 26 refused, 6,737 left; 19/s of 20/s" in describe_shortly(refused)
    assert "refused" not in " ".join([*describe(PROGRESS.fields()), describe_shortly(PROGRESS.fields())])


def test_how_long_a_back_out_would_take_and_by_when_it_must_begin() -> None:
    assert "back-out" not in " ".join(describe(PROGRESS.fields()))
    changed = PROGRESS._replace(back_out_rows=1540, back_out_s=1560.0)
    assert "back-out  would take 26 min 0 s now (1,540 changed rows)" in describe(changed.fields())
    ahead = changed._replace(back_out_by=time.time() + 60)
    (line,) = (line for line in describe(ahead.fields()) if line.startswith("back-out"))
    assert "; latest start " in line
    assert "(too late)" not in line
    (line,) = (line for line in describe(ahead._replace(back_out_by=1.0).fields()) if line.startswith("back-out"))
    assert line.endswith("(too late)")


def test_a_run_that_backs_out_is_in_a_state_of_its_own_until_it_stops() -> None:
    backing_out = PROGRESS._replace(backing_out="batch 1 is backed out of: 5 rows failed")
    assert backing_out.state == "backing_out"
    assert backing_out.reason == "batch 1 is backed out of: 5 rows failed"
    assert describe(backing_out.fields())[0] == "run 1: backing out: batch 1 is backed out of: 5 rows failed"
    down = backing_out._replace(pauses=[Pause("down", "service down", None, 1.0)])
    assert (down.state, down.reason) == ("backing_out", "service down")
    assert describe(down.fields())[0] == "run 1: backing out: down: service down"
    assert backing_out._replace(stopping="by the operator").state == "stopping"


@pytest.mark.parametrize("verb", ["pause", "no-go"])
def test_a_reason_is_as_many_words_as_it_takes(verb: str) -> None:
    assert verb_of([verb, "calls", "are", "dropped"]) == (verb, "calls are dropped")


@pytest.mark.parametrize("words", [("no-go",), ("rate",), ("rate", "20", "30"), ("stop", "now")])
def test_what_is_no_verb_with_its_value_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        verb_of(words)
