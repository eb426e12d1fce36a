"""The story of called routes as people read it: number first, then what each batch did, then each call."""

from collections.abc import Iterator
from typing import TextIO

from bulkroute.ledger.stories import CallRecord, Found, RouteStory, RowStory
from bulkroute.live.route_index import media_text
from bulkroute.model import Status
from bulkroute.output.tables import say, say_each
from bulkroute.output.words import clock

MOST_ROUTES = 50
"""So many are shown to people."""

MOST_IN_JSON = 1000
"""So many are written as JSON; who wants all rows takes the export."""

MOST_CALLS = 20
"""So many of the last calls of a row."""

_STANDS = {
    Status.PENDING: "still to be sent",
    Status.SENT: "its call is in flight, or in doubt after a crash",
    Status.SUCCEEDED: "succeeded",
    Status.UNCHANGED: "unchanged: it led there already",
}


def print_nothing_found(text: str, where: str, stream: TextIO) -> None:
    """Write that a search came to nothing; `where` names the ledger, or how many there are."""
    say(f"{where}: no number, id or target's name holds {text!r}", stream)


def print_found(found: Found, where: str, stream: TextIO, *, one_of_several: bool) -> None:
    """Write what a search came to; `where` names the ledger, which is told with each route if it is `one_of_several`."""
    for story in found.routes:
        _tell(story, f", in {where}" if one_of_several else "", stream)
    if len(found.routes) < found.total:
        say(f"{len(found.routes):,} of {found.total:,} shown; a longer text finds fewer, --json has more", stream)
    if found.without_number and not found.total and not one_of_several:
        rows = "1 route is" if found.without_number == 1 else f"{found.without_number:,} routes are"
        say(f"{where}: {rows} on record without a number; search them by id", stream)


def _tell(story: RouteStory, where: str, stream: TextIO) -> None:
    media = "" if story.media_type is None else f", {media_text(story.media_type)}"
    say(f"{story.route}{media}{where}", stream)
    facts: list[tuple[str, str]] = []
    for row in story.rows:
        facts.append((f"  batch {row.batch}", _row(row)))
        facts += _calls(row.calls)
    say_each(facts, stream)


def _row(row: RowStory) -> str:
    """Say what one batch did with the route."""
    place = f"rollback of batch {row.parent}" if row.parent is not None else f"{row.manifest}, line {row.line}"
    gone = "" if row.listed else ", no longer in the manifest"
    before = f"from {row.before} " if row.before else ""
    unknown = "" if row.before or row.status is Status.PENDING else " (where it led before is not on record)"
    stands = _STANDS.get(row.status) or f"{row.status.value}: {row.error}"
    if row.put_back_by is not None:
        stands = f"put back since by batch {row.put_back_by}"
    tries = f" after {row.attempts} tries" if row.attempts > 1 else ""
    said = f", {row.description}" if row.description and row.status is Status.FAILED else ""
    drifted = "; another hand had changed it since it was done" if row.drifted else ""
    when = f", {clock(row.finished_at)}" if row.finished_at is not None else ""
    return f"{place}{gone}: {before}to {row.wanted}{unknown}: {stands}{tries}{said}{when}{drifted}"


def _calls(calls: list[CallRecord]) -> Iterator[tuple[str, str]]:
    """Yield a line for each of the last calls."""
    if len(calls) > MOST_CALLS:
        yield "", f"{len(calls) - MOST_CALLS:,} earlier calls; --json has all"
    for call in calls[-MOST_CALLS:]:
        status = None if call.http_status is None else f"HTTP {call.http_status}"
        said = [text for text in (call.verdict, status, call.return_code, call.description) if text]
        yield (
            f"    run {call.run}",
            f"{clock(call.started_at)}, try {call.number}: {', '.join(said)}, {call.latency_ms:.0f} ms",
        )
