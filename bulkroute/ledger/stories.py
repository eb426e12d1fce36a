"""The whole story of called routes in a ledger, found by number, id or name: each batch, and each call. Reads only."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from bulkroute.ledger import lifecycle
from bulkroute.ledger.queries import TRIES
from bulkroute.ledger.search import NAMES, add_functions, condition
from bulkroute.ledger.wanted import target
from bulkroute.model import NamedTarget, Status, iso, number_text, route_text


class CallRecord(NamedTuple):
    """One call of a row that was answered or given up."""

    run: int
    """Of which run."""
    number: int
    """The row's try in that run, from 1."""
    started_at: float
    """Seconds since the epoch."""
    latency_ms: float
    """How long it took."""
    verdict: str
    """`done`, a failure kind, `throttled` or `refused`."""
    http_status: int | None
    """Of the answer; None where none came."""
    return_code: str | None
    """The service's code."""
    description: str | None
    """The service's words, or what went wrong."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON writes it."""
        return {**self._asdict(), "started_at": iso(self.started_at), "latency_ms": round(self.latency_ms, 1)}


class RowStory(NamedTuple):
    """What one batch did with a route."""

    batch: int
    """Its number."""
    parent: int | None
    """Of a rollback: the batch whose rows it puts back."""
    manifest: str
    """Its manifest's name."""
    line: int
    """Where the row stands in it."""
    listed: bool
    """False for a row that has left the manifest since."""
    wanted: NamedTarget
    """Where it was to lead."""
    before: NamedTarget | None
    """Where it led before; None where that is not on record."""
    status: Status
    """Where it stands."""
    error: str | None
    """Why it failed, or was skipped."""
    description: str | None
    """The service's last words, or what went wrong."""
    attempts: int
    """Tries used up."""
    drifted: bool
    """Whether it was done and found changed by another hand."""
    finished_at: float | None
    """When it got its outcome, in seconds since the epoch."""
    put_back_by: int | None
    """The rollback that has put the route back since, by its batch's number; None if none has."""
    calls: list[CallRecord]
    """All of them, the first one first."""

    def to_json(self) -> dict[str, object]:
        """Return it as JSON writes it."""
        return {
            **self._asdict(),
            "wanted": self.wanted.to_json(),
            "before": self.before and self.before.to_json(),
            "finished_at": None if self.finished_at is None else iso(self.finished_at),
            "calls": [call.to_json() for call in self.calls],
        }


class RouteStory(NamedTuple):
    """All that a ledger knows of one called route."""

    id: str
    """The called route's id."""
    access_code: str
    """What callers dial; empty where it is not known."""
    ext_code: str
    """What they dial after it; may be empty."""
    media_type: int | None
    """A `MediaType`; None where it is not known."""
    rows: list[RowStory]
    """What each batch did with it, the first one first."""

    @property
    def route(self) -> str:
        """The called route as people know it: `4008001234 ext 2 (id 1125397061153369092)`."""
        return route_text(self.id, number_text(self.access_code, self.ext_code))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON writes it."""
        return {
            "accessCode": self.access_code,
            "extCode": self.ext_code,
            "mediaType": self.media_type,
            "id": self.id,
            "rows": [row.to_json() for row in self.rows],
        }


class Found(NamedTuple):
    """The routes that a search found."""

    routes: list[RouteStory]
    """The first ones, by number."""
    total: int
    """How many there are in all."""
    without_number: int
    """Routes of the ledger whose number is not on record, so that no number finds them."""


def find(connection: sqlite3.Connection, text: str, batch: int | None, limit: int) -> Found:
    """Return the first routes whose number, id or target's name holds `text`, of one batch or of all."""
    add_functions(connection)
    where, parameters = condition(text)
    of_batch = "" if batch is None else " AND row.batch = :batch"
    ids: list[str] = []
    total = 0
    for (route_id,) in connection.execute(
        f"SELECT row.id FROM row {NAMES} WHERE {where}{of_batch}"
        " GROUP BY row.id ORDER BY max(row.access_code), max(row.ext_code), row.id",
        {**parameters, "batch": batch},
    ):
        total += 1
        if total <= limit:
            ids.append(route_id)
    (unknown,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM row GROUP BY id HAVING max(access_code) = '')"
    ).fetchone()
    return Found(_stories(connection, ids, batch), total, unknown)


def _stories(connection: sqlite3.Connection, ids: Iterable[str], batch: int | None) -> list[RouteStory]:
    """Return the stories of these routes, in this order."""
    stories = {route_id: RouteStory(route_id, "", "", None, []) for route_id in ids}
    chosen = {"ids": json.dumps([*stories])}
    where = "row.id IN (SELECT value FROM json_each(:ids))"
    calls: dict[int, list[CallRecord]] = {}
    columns = ", ".join(f"attempt.{name}" for name in CallRecord._fields)
    for row, *call in connection.execute(
        f"SELECT attempt.row, {columns} FROM attempt JOIN row USING (row) WHERE {where} ORDER BY attempt", chosen
    ):
        calls.setdefault(row, []).append(CallRecord(*call))
    for route_id, access_code, ext_code, media_type, key, *facts in connection.execute(
        "SELECT row.id, row.access_code, row.ext_code, row.media_type, row.row, row.batch, batch.parent, batch.manifest,"
        " row.line, row.listed, row.devicetype, row.device_id, wanted.name, row.before_devicetype, row.before_device_id,"
        f" earlier.name, row.status, row.error, row.description, {TRIES}, row.drifted, row.finished_at"
        f" FROM row JOIN batch USING (batch) {NAMES} WHERE {where} ORDER BY row.batch",
        chosen,
    ):
        story = stories[route_id]
        if access_code:  # what the latest batch has of it
            story = story._replace(access_code=access_code, ext_code=ext_code, media_type=media_type)
        stories[route_id] = story
        story.rows.append(_row(facts, calls.get(key, [])))
    for story in stories.values():
        rows = [row._replace(put_back_by=_put_back_by(row, story.rows)) for row in story.rows]
        story.rows[:] = [row for row in rows if batch in (None, row.batch)]
    return list(stories.values())


def _put_back_by(row: RowStory, rows: Iterable[RowStory]) -> int | None:
    """Return the first rollback that put back what this row did: of its batch, or since an earlier one."""
    if row.parent is not None or row.status is not Status.PENDING:
        return None
    undone = (
        each.batch
        for each in rows
        if each.parent is not None and each.parent <= row.batch < each.batch and each.status in lifecycle.DONE
    )
    return next(undone, None)


def _row(facts: list[Any], calls: list[CallRecord]) -> RowStory:
    number, parent, manifest, line, listed, devicetype, device_id, name, *before = facts[:11]
    status, error, description, attempts, drifted, finished_at = facts[11:]
    wanted = NamedTarget(devicetype, device_id, name or "")
    return RowStory(
        number, parent, manifest, line, bool(listed), wanted, target(*before),
        Status(status), error, description, attempts, bool(drifted), finished_at, None, calls,
    )  # fmt: skip
