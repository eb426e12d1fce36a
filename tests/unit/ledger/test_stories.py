"""Routes of a ledger by number, id and name, however they are written; each with all that batches and calls made of it."""

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
NUMBERS = [
    ("+551140028922", "", 5),
    ("400 800-1234", "2", 19),
    ("4008001234", "22", 5),
    ("*99#", "", None),
    ("", "", None),
    ("0800682479", "", 5),
]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Make a ledger: batch 1 with six rows, of which the first has failed; batch 2 puts the second one back."""
    path = made(tmp_path / "night.ledger.db", rows=6, failed=1)
    with closing(sqlite3.connect(path)) as connection, connection:
        for row, number in enumerate(NUMBERS, start=1):
            connection.execute(
                "UPDATE row SET access_code = ?, ext_code = ?, media_type = ? WHERE row = ?", (*number, row)
            )
        connection.execute("UPDATE row SET before_devicetype = 3, before_device_id = 3001 WHERE row < 5")
        connection.execute("INSERT INTO target VALUES (1, 1, 101, 'Äpfel'), (1, 3, 3001, '夜间')")
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
        ("+55 11 4002-8922", [0]),
        ("551140028922", [0]),
        ("4002", [0]),
        ("4008001234", [1, 2]),
        ("400800-1234 ext 2", [1]),
        ("4008001234 EXT. 22", [2]),
        ("4008001234 ext 3", []),
        ("40080012342", [1, 2]),
        ("400800123422", [2]),
        ("*99", [3]),
        ("９９#", [3]),
        ("08 00 6", [5]),
        (IDS[4], [4]),
        (IDS[4][3:], [4]),
        ("äPFEL", range(6)),
        ("夜", range(4)),
        ("nothing", []),
        ("%", []),
        ("' OR 1 --", []),
    ],
)
def test_a_route_is_found_however_it_is_written(ledger: Path, text: str, places: list[int]) -> None:
    found = find(ledger, text)
    assert {story.id for story in found.routes} == {IDS[place] for place in places}
    assert found.total == len(places)


def test_routes_stand_by_number_and_no_more_than_are_wanted(ledger: Path) -> None:
    found = find(ledger, "äpfel", limit=3)
    assert [story.route for story in found.routes] == [
        IDS[4],
        f"*99# (id {IDS[3]})",
        f"+551140028922 (id {IDS[0]})",
    ]
    assert found.total == 6
    assert found.without_number == 1


def test_the_whole_story(ledger: Path) -> None:
    (story,) = find(ledger, IDS[1]).routes
    assert (story.access_code, story.ext_code, story.media_type) == ("400 800-1234", "2", 19)
    first, second = story.rows
    assert (first.batch, first.parent, first.manifest, first.line) == (1, None, "night.csv", 3)
    assert (first.wanted, first.before) == (NamedTarget(1, 101, "Äpfel"), NamedTarget(3, 3001, "夜间"))
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
    """A batch that found no live bindings may not know the number; the id finds its row."""
    assert [row.batch for row in find(ledger, IDS[1], batch=2).routes[0].rows] == [2]
    assert find(ledger, IDS[0], batch=2).total == 0
    assert [row.batch for row in find(ledger, "4008001234 ext 2", batch=1).routes[0].rows] == [1]


def test_what_a_rollback_put_back_is_told_of_every_batch_it_undid(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE row SET status = 'pending' WHERE row = 2")
    assert [row.put_back_by for row in find(ledger, IDS[1]).routes[0].rows] == [None, None]
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE row SET status = 'succeeded' WHERE row = 7")
        for batch, parent in ((3, None), (4, 1), (5, None)):  # a second night, a rollback since the first, a third one
            connection.execute(
                "INSERT INTO batch (batch, created_at, manifest, digest, parent) VALUES (?, 5, 'night.csv', '', ?)",
                (batch, parent),
            )
            connection.execute(
                "INSERT INTO row (batch, id, line, devicetype, device_id, status) VALUES (?, ?, 3, 3, 3001, ?)",
                (batch, IDS[1], "pending" if parent is None else "unchanged"),
            )
    assert [row.put_back_by for row in find(ledger, IDS[1]).routes[0].rows] == [2, None, 4, None, None]
    assert [row.put_back_by for row in find(ledger, IDS[1], batch=3).routes[0].rows] == [4]


def test_as_json(ledger: Path) -> None:
    (story,) = find(ledger, IDS[0]).routes
    record = json.loads(json.dumps(story.to_json()))
    assert [record[name] for name in ("accessCode", "extCode", "mediaType", "id")] == ["+551140028922", "", 5, IDS[0]]
    (row,) = record["rows"]
    assert row["wanted"] == {"devicetype": 1, "deviceId": 101, "name": "Äpfel"}
    assert row["finished_at"].endswith("Z")
    assert row["calls"][1]["started_at"] == "1970-01-01T00:00:07.000Z"


@pytest.mark.parametrize("version", [1, 2])
def test_ledgers_of_earlier_formats_are_searched_by_id(tmp_path: Path, version: int) -> None:
    found = find(of_format(version, tmp_path / "old.db"), "1125397061153369092")
    assert [story.id for story in found.routes] == ["1125397061153369092"]
    assert found.without_number > 0
