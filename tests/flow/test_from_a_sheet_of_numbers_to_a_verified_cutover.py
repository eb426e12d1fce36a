"""From a sheet with 800 numbers to a verified cutover: a handful of commands, none of them outside of bulkroute.

Through the real command line, against a service on a real socket; also when it is killed while it looks for its numbers.
"""

import csv
import io
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bulkroute.simulator import Faults, Flow, Route, Skill
from tests.harness import Service, bulkroute, exported, serving, started

NUMBERS = 800
QUEUES = [Skill(101, "Billing"), Skill(102, "客服"), Skill(900, "Old queue")]
FLOWS = [Flow(3001, "Old menu"), Flow(3015, "Night"), Flow(3016, "夜间值班")]
NEW = {"Billing": (1, 101), "queue:客服": (1, 102), "ivr:Night": (3, 3015), "夜间值班#3016": (3, 3016)}
FAST = ("--rate", "unlimited", "--concurrency", "32", "--backoff", "0.05")


def made(dice: random.Random) -> list[Route]:
    """Return routes of which eight have one access code, and every tenth number stands for voice and for video."""
    routes = []
    for place in range(NUMBERS):
        code, ext = str(4008000000 + place // 8), "" if place % 8 == 0 else str(place % 8)
        old = dice.choice([(1, 900), (3, 3001)])
        routes.append(Route(str(1125397061153369092 + 7919 * place), *old, access_code=code, ext_code=ext))
        if place % 10 == 0:
            routes.append(Route(str(2 * 10**18 + place), 1, 900, access_code=code, ext_code=ext, mediatype_id=19))
    dice.shuffle(routes)
    return routes


def sheet(routes: list[Route], dice: random.Random) -> tuple[str, dict[str, tuple[int, int]]]:
    """Return the sheet, as a spreadsheet saves it, and where it leads each route."""
    table = io.StringIO()
    writer = csv.writer(table, delimiter=";")
    writer.writerow(["Access Code", "Extension Code", "Channel", "Destination", "Branch"])
    wanted = {}
    for route in [route for route in routes if route.mediatype_id == 5]:
        name = dice.choice(list(NEW))
        wanted[route.id] = NEW[name]
        grouped = f"{route.access_code[:3]}-{route.access_code[3:]}"
        writer.writerow([grouped, route.ext_code, "voice", name, "any"])
    return "sep=;\r\n" + table.getvalue(), wanted


@contextmanager
def at_service(
    folder: Path, faults: Faults | None = None
) -> Iterator[tuple[Service, dict[str, tuple[int, int]], list[str]]]:
    """Serve the tenant and write the sheet; give where its routes are to lead, and the flags of every command."""
    dice = random.Random(1)
    routes = made(dice)
    text, wanted = sheet(routes, dice)
    (folder / "sheet.csv").write_text(text, encoding="utf-8")
    with serving(routes, faults, skills=QUEUES, flows=FLOWS) as service:
        yield service, wanted, ["--base-url", service.url, *FAST]


@pytest.mark.slow
def test_eight_hundred_numbers(tmp_path: Path) -> None:
    with at_service(tmp_path) as (service, wanted, flags):
        before = dict(service.bindings)
        checked = bulkroute("check", "sheet.csv", cwd=tmp_path)
        assert checked.out.startswith("sheet.csv: 800 rows, no faults")
        planned = bulkroute("plan", "sheet.csv", *flags, "--rows", cwd=tmp_path)
        assert planned.out.startswith("      800 to change\n")
        assert "from Old menu (ivr 3001) to 客服 (skill_queue 102)" in planned.out
        assert "line 3: 4008000" in planned.out
        ran = bulkroute("run", "sheet.csv", *flags, "--canary", 5, "--expect", 800, "--json", cwd=tmp_path)
        assert (ran.code, ran.summary["succeeded"]) == (0, 800), ran.err
        assert dict(service.bindings) == {**before, **wanted}
        verified = bulkroute("verify", "sheet.ledger.db", *flags, cwd=tmp_path)
        assert verified.out == "800 of 800 rows done are as the ledger says\n"

        rows = exported(tmp_path / "sheet.ledger.db")
        assert {row["target"] for row in rows.values()} == {"Billing", "客服", "Night", "夜间值班"}
        foreign = next(route for route in service.simulator.routes.values() if route.id in wanted and route.ext_code)
        service.simulator.rebind(foreign.id, 1, 999)
        wrong = bulkroute("verify", "sheet.ledger.db", *flags, "--rows", cwd=tmp_path)
        assert f"{foreign.access_code} ext {foreign.ext_code} (id {foreign.id}): " in wrong.out
        found = bulkroute(
            "export", "sheet.ledger.db", "--find", f"{foreign.access_code} ext {foreign.ext_code}", cwd=tmp_path
        )
        assert [row["id"] for row in csv.DictReader(io.StringIO(found.out))] == [foreign.id]
        back = bulkroute("rollback", "sheet.ledger.db", *flags, cwd=tmp_path)
        assert f"refused: 1 conflict: {foreign.access_code} ext {foreign.ext_code} (id {foreign.id})" in back.err
        assert dict(service.bindings) == {**before, foreign.id: (1, 999)}


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 11])
def test_a_kill_while_numbers_are_looked_for_leaves_nothing_that_is_in_the_way(tmp_path: Path, calls: int) -> None:
    with at_service(tmp_path, Faults(latency_ms=30)) as (service, wanted, flags):
        before = dict(service.bindings)
        run = ("run", "sheet.csv", *flags, "--concurrency", 1)
        with started(*run, cwd=tmp_path) as process:
            endpoints = service.simulator.calls_per_endpoint
            while endpoints.total() - endpoints["tokenByAkSk"] < calls:
                assert process.poll() is None
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        service.all_received()
        sent = service.modified
        again = bulkroute("run", "sheet.csv", *flags, "--json", cwd=tmp_path)
        assert again.code == 0, again.err
        assert dict(service.bindings) == {**before, **wanted}
        assert service.modified - sent <= NUMBERS


@pytest.mark.slow
def test_a_kill_in_the_middle_goes_on_with_the_ids_that_were_found(tmp_path: Path) -> None:
    with at_service(tmp_path, Faults(latency_ms=5)) as (service, wanted, flags):
        before = dict(service.bindings)
        with started("run", "sheet.csv", *flags, cwd=tmp_path) as process:
            while service.modified < 200:
                assert process.poll() is None
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        service.all_received()
        moved = next(row_id for row_id in wanted if service.bindings[row_id] == before[row_id])
        route = service.simulator.routes[moved]
        service.simulator.tenant.alter(Route(moved, route.devicetype, route.device_id, access_code="12345"))
        again = bulkroute("run", "sheet.csv", *flags, "--json", cwd=tmp_path)
        assert (again.code, again.summary["failures"]) == (1, {"moved": 1}), again.err
        assert f"refused: 1 moved: {route.access_code}" in again.err
        assert dict(service.bindings) == {**before, **wanted, moved: before[moved]}
