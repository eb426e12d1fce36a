"""The story of a route in words: number first, then each batch, then each call."""

import io
from typing import Any

from bulkroute.ledger.stories import CallRecord, Found, RouteStory, RowStory
from bulkroute.model import NamedTarget, Status
from bulkroute.output.stories import MOST_CALLS, print_found, print_nothing_found

OLD, NEW = NamedTarget(3, 3001, "Old"), NamedTarget(3, 3002, "Night")
AT = 1_774_750_000.0  # long ago, so that a moment has its date
CALL = CallRecord(1, 1, AT, 81.4, "done", 200, "0", "data update success")


def row(batch: int = 1, **facts: Any) -> RowStory:
    usual: dict[str, Any] = {
        "parent": None,
        "manifest": "night.csv",
        "line": 7,
        "listed": True,
        "wanted": NEW,
        "before": OLD,
        "status": Status.SUCCEEDED,
        "error": None,
        "description": None,
        "attempts": 1,
        "drifted": False,
        "finished_at": None,
        "put_back_by": None,
        "calls": [],
    }
    return RowStory(batch=batch, **{**usual, **facts})


def told(
    *rows: RowStory, total: int = 1, without_number: int = 0, media: int | None = 5, several: bool = False
) -> list[str]:
    story = RouteStory("1125397061153369092", "4008001234", "2", media, list(rows))
    stream = io.StringIO()
    found = Found([story] if rows else [], total, without_number)
    print_found(found, "night.ledger.db", stream, one_of_several=several)
    return stream.getvalue().splitlines()


def test_number_first_then_what_became_of_it() -> None:
    lines = told(row(calls=[CALL]), row(2, parent=1, wanted=OLD, before=NEW, status=Status.FAILED, error="conflict"))
    assert lines[0] == "4008001234 ext 2 (id 1125397061153369092), voice"
    assert lines[1] == "  batch 1  night.csv, line 7: from Old (ivr 3001) to Night (ivr 3002): succeeded"
    assert lines[2].startswith("    run 1  ")
    assert lines[2].endswith(", try 1: done, HTTP 200, 0, data update success, 81 ms")
    assert lines[3] == "  batch 2  rollback of batch 1: from Night (ivr 3002) to Old (ivr 3001): failed: conflict"


def test_each_standing_has_its_words() -> None:
    def last(**facts: Any) -> str:
        return told(row(**facts), media=None)[1].partition(": ")[2]

    assert last(status=Status.PENDING, before=None) == "to Night (ivr 3002): still to be sent"
    assert last(before=None).endswith("to Night (ivr 3002) (where it led before is not on record): succeeded")
    assert last(status=Status.SENT).endswith(": its call is in flight, or in doubt after a crash")
    assert last(status=Status.UNCHANGED).endswith(": unchanged: it led there already")
    assert last(status=Status.SKIPPED, error="locked").endswith(": skipped: locked")
    failed = last(status=Status.FAILED, error="server", description="busy", attempts=4, finished_at=AT)
    assert ": failed: server after 4 tries, busy, 2026-" in failed
    assert last(drifted=True).endswith(": succeeded; another hand had changed it since it was done")
    assert told(row(listed=False))[1].startswith("  batch 1  night.csv, line 7, no longer in the manifest: from ")


def test_a_row_that_was_put_back_is_not_just_pending() -> None:
    (_route, line) = told(row(status=Status.PENDING, put_back_by=2))
    assert line.endswith("to Night (ivr 3002): put back since by batch 2")


def test_of_many_calls_the_last_ones_are_shown() -> None:
    lines = told(row(calls=[CALL._replace(number=number) for number in range(MOST_CALLS + 5)]))
    assert lines[2].strip() == "5 earlier calls; --json has all"
    assert len(lines) == 3 + MOST_CALLS
    assert f"try {MOST_CALLS + 4}:" in lines[-1]


def test_what_is_not_shown_is_said() -> None:
    stream = io.StringIO()
    print_nothing_found("2", "night.ledger.db", stream)
    assert stream.getvalue() == "night.ledger.db: no number, id or target's name holds '2'\n"
    assert told(total=0) == []
    assert told(row(), total=70)[-1] == "1 of 70 shown; a longer text finds fewer, --json has more"
    assert told(total=0, without_number=3)[-1] == (
        "night.ledger.db: 3 routes are on record without a number; search them by id"
    )
    assert len(told(row(), without_number=3)) == 2


def test_of_several_ledgers_each_is_named() -> None:
    assert told(row(), several=True)[0] == "4008001234 ext 2 (id 1125397061153369092), voice, in night.ledger.db"
    assert told(total=0, without_number=3, several=True) == []
