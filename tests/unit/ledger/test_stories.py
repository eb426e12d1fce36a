"""Routes of a ledger by id; each with all that batches and calls made of it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.stories import Found
from bulkroute.model import NamedTarget, Status
from tests.ledgers import made, of_format

IDS = [str(1125397061153369092 + 10 * place) for place in range(6)]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Make a ledger: batch 1 with six rows, of which the first has failed; batch 2 puts the second one back."""
    path = made(tmp_path / "night.ledger.db", rows=6, failed=1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE row SET before_devicetype = 3, before_device_id = 3001 WHERE row < 5")
        connection.execute(
            "INSERT INTO batch (batch, created_at, manifest, digest, parent) VALUES (2, 5, 'night.csv', '', 1)"
        )
        connection.execute(
            "INSERT INTO row (row, batch, id, line, devicetype, device_id, status) VALUES (7, 2, ?, 3, 3, 3001, 'pending')",
            (IDS[1],),
        )
        connection.execute(
            "INSERT INTO attempt (row, run, number, started_at, latency_ms, verdict) VALUES (1, 1, 2, 7, 8, 'timeout')"
        )
    return path


def find(path: Path, text: str, batch: int | None = None, limit: int = 100) -> Found:
    with Ledger(path).read() as reader:
        return reader.find_routes(text, batch, limit)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (IDS[4], [4]),
        (IDS[4][3:], [4]),
        ("nothing", []),
        ("%", []),
        ("' OR 1 --", []),
    ],
)
def test_a_route_is_found_by_its_id_or_a_part_of_it(ledger: Path, text: str, places: list[int]) -> None:
    found = find(ledger, text)
    assert {story.id for story in found.routes} == {IDS[place] for place in places}
    assert found.total == len(places)


def test_no_more_than_are_wanted(ledger: Path) -> None:
    found = find(ledger, IDS[0][:10], limit=3)
    assert [story.route for story in found.routes] == IDS[:3]
    assert found.total == 6
    assert found.without_number == 6


def test_the_whole_story(ledger: Path) -> None:
    (story,) = find(ledger, IDS[1]).routes
    first, second = story.rows
    assert (first.batch, first.parent, first.manifest, first.line) == (1, None, "night.csv", 3)
    assert (first.wanted, first.before) == (NamedTarget(1, 101, ""), NamedTarget(3, 3001, ""))
    assert (first.status, first.attempts) == (Status.SUCCEEDED, 1)
    assert [call.verdict for call in first.calls] == ["done"]
    assert (second.batch, second.parent, second.status, second.calls) == (2, 1, Status.PENDING, [])
    assert (second.wanted, second.before) == (NamedTarget(3, 3001, ""), None)


def test_calls_stand_as_they_were_made(ledger: Path) -> None:
    (story,) = find(ledger, IDS[0]).routes
    assert story.rows[0].error == "business"
    assert [(call.run, call.number, call.verdict) for call in story.rows[0].calls] == [
        (1, 1, "business"),
        (1, 2, "timeout"),
    ]
    assert story.rows[0].calls[1].http_status is None


def test_one_batch_alone(ledger: Path) -> None:
    assert [row.batch for row in find(ledger, IDS[1], batch=2).routes[0].rows] == [2]
    assert find(ledger, IDS[0], batch=2).total == 0
    assert [row.batch for row in find(ledger, IDS[1], batch=1).routes[0].rows] == [1]


def test_as_json(ledger: Path) -> None:
    (story,) = find(ledger, IDS[0]).routes
    record = json.loads(json.dumps(story.to_json()))
    assert [record[name] for name in ("accessCode", "extCode", "mediaType", "id")] == ["", "", None, IDS[0]]
    (row,) = record["rows"]
    assert row["wanted"] == {"devicetype": 1, "deviceId": 101, "name": ""}
    assert row["finished_at"].endswith("Z")
    assert row["calls"][1]["started_at"] == "1970-01-01T00:00:07.000Z"


@pytest.mark.parametrize("version", [1, 2])
def test_ledgers_of_earlier_formats_are_searched_by_id(tmp_path: Path, version: int) -> None:
    found = find(of_format(version, tmp_path / "old.db"), "1125397061153369092")
    assert [story.id for story in found.routes] == ["1125397061153369092"]
    assert found.without_number > 0
