"""What any batch of a ledger changed can be put back, or is named, through the real command line."""

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.launcher import Launcher
from tests.harness import Result, Service, Target, ids, serving, write_csv
from tests.watching import watching

pytestmark = pytest.mark.slow

ROWS = ids(6)
NIGHT: Target = (3, 102)
HOLIDAY: Target = (1, 103)


class Nights:
    """Two batches: all rows to NIGHT, then the first two to HOLIDAY."""

    def __init__(self, folder: Path, service: Service, launcher: Launcher) -> None:
        self.launcher = launcher
        self.folder = folder
        self.service = service
        self.before = dict(service.bindings)
        write_csv(folder / "night.csv", dict.fromkeys(ROWS, NIGHT))
        assert self.give("run", "night.csv").code == 0
        write_csv(folder / "night.csv", dict.fromkeys(ROWS[:2], HOLIDAY))
        assert self.give("run", "night.csv").code == 0
        self.after = dict(service.bindings)
        assert self.after == dict.fromkeys(ROWS, NIGHT) | dict.fromkeys(ROWS[:2], HOLIDAY)

    def give(self, *words: str) -> Result:
        return self.look(*words, "--base-url", self.service.url, "--rate", "unlimited", "--backoff", "0.01")

    def look(self, *words: object) -> Result:
        return self.launcher.run(*words, cwd=self.folder).result

    def back(self, *words: str) -> Result:
        return self.give("rollback", "night.ledger.db", *words)

    def ledger(self) -> list[str]:
        with closing(sqlite3.connect(self.folder / "night.ledger.db")) as connection:
            return list(connection.iterdump())


@pytest.fixture
def nights(tmp_path: Path, launcher: Launcher) -> Iterator[Nights]:
    with serving(ROWS) as service:
        yield Nights(tmp_path, service, launcher)


def test_the_latest_batch_goes_back_and_says_what_earlier_ones_leave(nights: Nights) -> None:
    back = nights.back()
    assert back.code == 0, back.err
    assert dict(nights.service.bindings) == dict.fromkeys(ROWS, NIGHT)
    assert (
        "6 rows that earlier batches changed stand after this: `bulkroute rollback night.ledger.db --since 1`"
        in back.err
    )
    more = nights.back("--since", "1")
    assert more.code == 0, more.err
    assert dict(nights.service.bindings) == nights.before
    nothing = nights.back("--since", "2")
    assert nothing.code == 2
    assert "nothing to put back" in nothing.err


def test_since_goes_back_over_all_batches_but_for_what_another_hand_set(nights: Nights) -> None:
    nights.service.simulator.rebind(ROWS[1], 1, 999)
    back = nights.back("--since", "1", "--json")
    assert back.code == 1, back.err
    assert back.summary["failures"] == {"conflict": 1}
    assert dict(nights.service.bindings) == nights.before | {ROWS[1]: (1, 999)}
    calls = nights.service.modified
    assert nights.back("--since", "1").code == 1
    assert nights.service.modified == calls


def test_a_service_that_moved_is_known_for_all_batches_that_went_back(nights: Nights) -> None:
    with serving(ROWS) as moved:
        moved.rebind(nights.after)
        nights.service = moved
        assert "--service-moved if it is the same service" in nights.back("--since", "1").err
        back = nights.back("--since", "1", "--service-moved")
        assert back.code == 0, back.err
        assert dict(moved.bindings) == nights.before
        for number in ("1", "2"):
            assert "nothing to put back" in nights.back("--batch", number).err


def test_an_earlier_batch_goes_back_where_no_later_one_wrote(nights: Nights) -> None:
    back = nights.back("--batch", "1", "--json")
    assert back.code == 1, back.err
    assert back.summary["failures"] == {"conflict": 2}
    assert dict(nights.service.bindings) == nights.before | dict.fromkeys(ROWS[:2], HOLIDAY)
    assert nights.back("--since", "1").code == 0
    assert dict(nights.service.bindings) == nights.before


def test_a_preview_tells_the_pairs_and_changes_nothing(nights: Nights) -> None:
    ledger, calls = nights.ledger(), nights.service.modified
    shown = nights.back("--since", "1", "--dry-run", "--json")
    assert shown.code == 0, shown.err
    assert (shown.summary["to_put_back"], shown.summary["refused"]) == (6, {})
    assert sum(pair["rows"] for pair in shown.summary["pairs"]) == 6
    assert {pair["from"]["deviceId"] for pair in shown.summary["pairs"]} == {NIGHT[1], HOLIDAY[1]}
    text = nights.back("--dry-run")
    assert text.code == 0, text.err
    assert "2 to put back" in text.out
    assert (nights.ledger(), nights.service.modified) == (ledger, calls)


@pytest.mark.parametrize("name", ["only.csv", "ids.txt", "numbers.txt"])
def test_only_some_rows_go_back_and_the_rest_later(nights: Nights, name: str) -> None:
    listed = [ROWS[0], ROWS[3]]
    if name == "numbers.txt":
        routes = [nights.service.simulator.tenant.routes[row_id] for row_id in listed]
        (nights.folder / name).write_text("".join(f"{route.access_code} {route.ext_code}\n" for route in routes))
    elif name == "only.csv":
        write_csv(nights.folder / name, dict.fromkeys(listed, NIGHT))
    else:
        (nights.folder / name).write_text("id\n" + "\n\n".join(listed) + "\n")
    part = nights.back("--since", "1", "--only", name)
    assert part.code == 0, part.err
    assert dict(nights.service.bindings) == nights.after | {row_id: nights.before[row_id] for row_id in listed}
    rest = nights.back("--since", "1", "--json")
    assert rest.summary["succeeded"] == 4
    assert dict(nights.service.bindings) == nights.before


def test_nothing_to_put_back_is_an_error_that_names_the_batches(nights: Nights) -> None:
    (nights.folder / "only.txt").write_text(f"{ROWS[5]}\n")
    ledger = nights.ledger()
    nothing = nights.back("--only", "only.txt")
    assert nothing.code == 2
    assert "6 rows by batch 1, 2 rows by batch 2" in nothing.err
    assert "`bulkroute rollback night.ledger.db --batch 1`" in nothing.err
    assert nights.ledger() == ledger
    both = nights.back("--batch", "1", "--since", "1")
    assert (both.code, nights.back("--batch", "7").code) == (2, 2)


def test_a_fresh_batch_warns_of_what_its_rollback_does_not_put_back(nights: Nights) -> None:
    fresh = nights.give("run", "night.csv", "--fresh")
    assert fresh.code == 0, fresh.err
    (command,) = [text for text in fresh.err.split("`") if text.startswith("bulkroute rollback")]
    assert "warning: batch 2 changed 2 routes that only" in fresh.err
    assert nights.back().code == 2
    assert nights.give(*shlex.split(command)[1:]).code == 0
    assert dict(nights.service.bindings) == dict.fromkeys(ROWS, NIGHT)


def test_after_a_rollback_the_earlier_bindings_are_verified(nights: Nights) -> None:
    (nights.folder / "only.txt").write_text(f"{ROWS[0]}\n")
    assert nights.back("--since", "1", "--only", "only.txt").code == 0
    both = nights.give("verify", "night.ledger.db", "--json")
    assert (both.code, both.summary["checked"]) == (0, 2), both.err
    assert nights.look("status", "night.ledger.db", "--batch", "1", "--json").summary["total"] == 6
    assert len(nights.look("export", "night.ledger.db", "--batch", "1").out.splitlines()) == 7
    nights.service.simulator.rebind(ROWS[0], 1, 999)
    changed = nights.give("verify", "night.ledger.db", "--json")
    assert changed.code == 6
    assert [each["id"] for each in changed.summary["differences"]] == [ROWS[0]]


def test_each_batch_can_be_watched(nights: Nights) -> None:
    ledger = nights.folder / "night.ledger.db"
    with watching(ledger, "--batch", 1) as watch:
        seen = watch.snapshot()
        assert (seen["batch"], seen["counts"]["total"]) == (1, 6)
        assert watch.ask("GET", "/failed").status == 200
        assert watch.ask("GET", "/failed.csv").body.startswith("id,devicetype,deviceId,")
    with watching(ledger) as watch:
        assert watch.snapshot()["batch"] == 2
    refused = nights.look("watch", ledger.name, "--batch", 7)
    assert (refused.code, refused.out) == (2, "")
    assert "there is no batch 7; leave --batch out for the latest" in refused.err


def test_a_wave_of_the_manifest_goes_back_and_the_rest_later(nights: Nights) -> None:
    lines = [f"{row_id},3,104,{wave}" for row_id, wave in zip(ROWS, ("1", "1", "2", "2", "2", ""), strict=True)]
    (nights.folder / "night.csv").write_text("\n".join(["id,devicetype,deviceId,wave", *lines, ""]))
    assert nights.give("run", "night.csv").code == 0
    shown = nights.back("--wave", "2", "--dry-run", "--json")
    assert shown.summary["to_put_back"] == 3, shown.err
    back = nights.back("--wave", "2")
    assert back.code == 0, back.err
    there: dict[str, Target] = dict.fromkeys(ROWS, (3, 104))
    assert dict(nights.service.bindings) == there | {row_id: nights.after[row_id] for row_id in ROWS[2:5]}
    proven = nights.give("verify", "night.ledger.db")
    assert (proven.code, proven.out) == (0, "6 of 6 rows put back or done (3 and 3) are as the ledger says\n")
    nothing = nights.back("--wave", "7")
    assert nothing.code == 2
    assert "nothing to put back: of the rows asked for, none was changed by batch 3" in nothing.err
    assert nights.back("--wave", "1", "--since", "1").code == 2
    assert nights.back("--json").summary["succeeded"] == 3
    assert dict(nights.service.bindings) == nights.after
