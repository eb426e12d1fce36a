"""Rows go in waves: each is read back before the next begins, in the order that was settled when the batch began."""

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bulkroute.engine import Engine
from bulkroute.errors import StopKind
from bulkroute.events import Event, Notice, WaveEnded, WaveStarted
from bulkroute.settings import parse_waves
from bulkroute.simulator import Faults, Flow, Simulator
from tests.flow.engine import Told, spend_nights
from tests.harness import Target, bulkroute, exported, ids, serving, targets, write_csv

FAST = ("--rate", "unlimited", "--backoff", "0.01")


def in_waves(sizes: str, **settings: Any) -> dict[str, Any]:
    return {"waves": parse_waves(sizes), **settings}


def told(night: Told, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(wave, name) for name in names) for wave in night.summary.waves]


def states(night: Told) -> list[str]:
    return [state for (state,) in told(night, "state")]


def test_each_wave_is_read_back_before_the_next_and_so_is_the_last(tmp_path: Path) -> None:
    (night,) = spend_nights(tmp_path, targets(ids(40)), in_waves("1,10,25%"))
    assert night.summary.exit_code == 0
    assert night.steps == [1, 10, 10, 19]
    assert told(night, "wave", "rows", "done", "failed", "state") == [
        (1, 1, 1, 0, "done"),
        (2, 10, 10, 0, "done"),
        (3, 10, 10, 0, "done"),
        (4, 19, 19, 0, "done"),
    ]
    waves = [event for event in night.events if isinstance(event, WaveStarted | WaveEnded)]
    assert waves[:3] == [WaveStarted(1, 1, 4), WaveEnded(1, 1, 4, 1, 0), WaveStarted(2, 2, 4)]
    assert waves[-1] == WaveEnded(4, 4, 4, 19, 0)
    assert night.reads_last, "what was sent last was read back too"


@pytest.mark.parametrize("seed", [1, 4])
def test_a_wave_that_is_read_back_wrong_is_the_last(tmp_path: Path, seed: int) -> None:
    night, again = spend_nights(
        tmp_path, targets(ids(40)), *[in_waves("5,10,rest")] * 2, faults=Faults(not_applied_ids=0.2), seed=seed
    )
    assert (night.summary.exit_code, night.summary.stop) == (3, StopKind.CANARY)
    assert "rows read back different" in str(night.summary.stopped)
    wrong = states(night).index("wrong")
    assert states(night) == ["done"] * wrong + ["wrong"] + ["waiting"] * (2 - wrong)
    assert len(night.called) == sum((5, 10, 25)[: wrong + 1])
    assert set(again.called) <= set(night.called), "the same command sends no other rows before these are right"


def test_rows_that_fail_end_the_first_wave_alone(tmp_path: Path) -> None:
    night, again = spend_nights(
        tmp_path, targets(ids(60)), *[in_waves("30,rest")] * 2, faults=Faults(business_ids=0.1), seed=2
    )
    assert (night.summary.exit_code, night.summary.stop) == (3, StopKind.CANARY)
    assert 0 < night.summary.failed == len(set(again.called) & set(night.called))
    assert again.summary.exit_code == 1, "rows that are known to be bad hold up nobody"
    assert again.summary.failed > night.summary.failed, "in a later wave they are for the limits"
    assert states(again) == ["done", "done"]


def test_a_first_wave_of_bad_rows_alone_is_never_passed(tmp_path: Path) -> None:
    nights = spend_nights(tmp_path, targets(ids(20)), *[in_waves("3,rest")] * 3, faults=Faults(business_ids=1))
    assert [night.summary.exit_code for night in nights] == [3, 3, 3]
    assert len({row_id for night in nights for row_id in night.called}) == 3


@pytest.mark.parametrize("then", [in_waves("3,7,rest"), in_waves("9,rest"), {"canary": 4}, {}])
def test_a_run_that_goes_on_keeps_the_waves_it_has(tmp_path: Path, then: dict[str, Any]) -> None:
    first, second = spend_nights(tmp_path, targets(ids(30)), in_waves("3,7,rest", max_rows=6), then)
    assert first.summary.stop is StopKind.MAX_ROWS
    assert told(first, "wave", "rows", "done", "state") == [
        (1, 3, 3, "done"),
        (2, 7, 3, "sending"),
        (3, 20, 0, "waiting"),
    ]
    assert second.steps == [4, 20]
    assert second.summary.exit_code == 0
    other = any("goes on with them, not with" in event.text for event in second.events if isinstance(event, Notice))
    assert other == (then in ({"canary": 4}, in_waves("9,rest")))


def test_a_limit_of_rows_between_two_waves_begins_no_other(tmp_path: Path) -> None:
    first, second = spend_nights(tmp_path, targets(ids(30)), in_waves("3,7,rest", max_rows=3), in_waves("3,7,rest"))
    assert first.summary.stop is StopKind.MAX_ROWS
    assert states(first) == ["reading", "waiting", "waiting"]
    assert second.steps == [7, 20]


def test_waves_may_begin_in_the_middle_of_a_batch_that_has_none(tmp_path: Path) -> None:
    first, second = spend_nights(tmp_path, targets(ids(30)), {"max_rows": 10}, in_waves("5,rest"))
    assert first.summary.waves == []
    assert second.steps == [5, 15]


def test_a_probe_in_an_outage_is_of_the_wave_that_is_sent(tmp_path: Path) -> None:
    faults = Faults(latency_ms=60, outages=("0.2s+60s:503@modify",))
    (night,) = spend_nights(tmp_path, targets(ids(200)), in_waves("20,rest"), faults=faults)
    assert night.summary.exit_code == 0
    first = {row_id for row_id, row in exported(tmp_path / "night.ledger.db").items() if row["wave"] == "1"}
    of_first = [row_id in first for row_id in night.called]
    assert of_first == sorted(of_first, reverse=True)
    assert sum(of_first) > 20, "the outage came too late"


@pytest.mark.parametrize("strict", [False, True])
def test_targets_are_looked_up_again_before_the_wave_that_leads_there(tmp_path: Path, strict: bool) -> None:
    wanted: dict[str, Target] = {row_id: (3, 201 + place // 3) for place, row_id in enumerate(ids(6))}

    async def unload(_engine: Engine, simulator: Simulator, events: list[Event]) -> None:
        while not any(isinstance(event, WaveStarted) for event in events):
            await asyncio.sleep(0.001)
        simulator.tenant.flows[202] = Flow(202, "Night", loaded=False)

    (night,) = spend_nights(
        tmp_path, wanted, in_waves("1,2,rest", strict_targets=strict, rate_per_s=10), meanwhile=unload
    )
    unsound = "Night (ivr 202) is not loaded"
    if strict:
        assert (night.summary.exit_code, night.summary.stop) == (3, StopKind.TARGETS)
        assert unsound in str(night.summary.stopped)
        assert all(wanted[row_id] == (3, 201) for row_id in night.called)
    else:
        assert night.summary.exit_code == 0
        assert any(unsound in event.text for event in night.events if isinstance(event, Notice))


def lines(rows: Iterable[tuple[str, int, str]]) -> str:
    return "\n".join(
        ["id,devicetype,deviceId,wave", *(f"{row_id},1,{queue},{wave}" for row_id, queue, wave in rows), ""]
    )


@pytest.mark.slow
def test_the_manifest_may_say_which_row_goes_in_which_wave(tmp_path: Path) -> None:
    rows = ids(6)
    manifest = tmp_path / "m.csv"
    manifest.write_text(lines(zip(rows, range(101, 107), ("20", "", "10", "20", "10", ""), strict=True)))
    with serving(rows) as service:
        words = ("run", "m.csv", "--base-url", service.url, *FAST, "--json")
        both = bulkroute(*words, "--canary", "1", cwd=tmp_path)
        assert (both.code, service.modified) == (2, 0)
        assert "column `wave`" in both.err
        assert not (tmp_path / "m.ledger.db").exists()
        done = bulkroute(*words, cwd=tmp_path)
        assert done.code == 0, done.err
        called = [call.id for call in service.simulator.calls if call.endpoint == "modifyCalledRoute"]
        waves = [set(called[place : place + 2]) for place in (0, 2, 4)]
        assert waves == [{rows[2], rows[4]}, {rows[0], rows[3]}, {rows[1], rows[5]}]
        assert "in 3 waves: 2, 2 and 2 rows" in done.err
        assert "wave 10 (1 of 3): sending" in done.err
    assert {row_id: row["wave"] for row_id, row in exported(tmp_path / "m.ledger.db").items()} == dict(
        zip(rows, ("20", "21", "10", "20", "10", "21"), strict=True)
    )


@pytest.mark.slow
def test_a_plan_says_which_row_goes_in_which_wave_and_which_numbers_to_dial(tmp_path: Path) -> None:
    wanted = targets(ids(30))
    write_csv(tmp_path / "m.csv", wanted)
    with serving(wanted) as service:
        words = ("m.csv", "--base-url", service.url, *FAST, "--waves", "3,20%,rest")
        plan = json.loads(bulkroute("plan", *words, "--json", "--rows", cwd=tmp_path).out)
        assert plan["waves"] == [{"wave": 1, "rows": 3}, {"wave": 2, "rows": 6}, {"wave": 3, "rows": 21}]
        shown = bulkroute("plan", *words, cwd=tmp_path).out
        assert next(line.split() for line in shown.splitlines() if "wave" in line) == ["3", "in", "wave", "1"]
        sheet = bulkroute("plan", *words, "--test-calls", "2", cwd=tmp_path).out
        lines = list(csv.DictReader(io.StringIO(sheet)))
        assert list(lines[0]) == ["number", "should_reach", "reached_before", "id"]
        per_pair = Counter((line["should_reach"], line["reached_before"]) for line in lines)
        by_pair = {(pair["to"]["deviceId"], pair["from"]["deviceId"]): pair["rows"] for pair in plan["pairs"]}
        assert sorted(per_pair.values()) == sorted(min(2, rows) for rows in by_pair.values())
        routes = service.simulator.routes
        for line in lines:
            assert line["number"] == routes[line["id"]].access_code + routes[line["id"]].ext_code
            assert line["should_reach"].endswith(f" {wanted[line['id']][1]})")
            assert f" {routes[line['id']].device_id}" in line["reached_before"]
        assert bulkroute("plan", *words, "--test-calls", "1", "--json", cwd=tmp_path).code == 2
        assert bulkroute("run", *words, cwd=tmp_path).code == 0
    kept = {row_id: row["wave"] for row_id, row in exported(tmp_path / "m.ledger.db").items()}
    assert kept == {row["id"]: str(row["wave"]) for row in plan["rows"]}
