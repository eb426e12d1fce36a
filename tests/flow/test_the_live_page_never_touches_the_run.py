"""The live page's server: what it tells, whom it lets in, and that it never touches the run."""

import json
import signal
import socket
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.harness import bulkroute, ids, serving, started, targets, write_csv
from tests.ledgers import made, written
from tests.watching import Watch, watching

JSON = {"Content-Type": "application/json"}
PAUSE = json.dumps({"verb": "pause", "value": "for the test"})


def test_nobody_listens_beyond_loopback_without_a_token(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=3)
    done = bulkroute("watch", "l.db", "--listen", "0.0.0.0:0", cwd=tmp_path)
    assert done.code == 2
    assert "--private" in done.err
    with watching(tmp_path / "l.db", "--listen", "0.0.0.0:0", "--private") as watch:
        assert len(watch.token) >= 32
        assert watch.ask("GET", "/").status == 403
        assert watch.ask("GET", f"/?token={watch.token}").status == 200


def test_what_is_no_ledger_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_text("these are not the rows you are looking for")
    assert bulkroute("watch", "l.db", "--listen", "127.0.0.1:0", cwd=tmp_path).code == 5
    assert bulkroute("watch", "l.db", "--listen", "8765", cwd=tmp_path).code == 2


def test_only_the_page_itself_may_control(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=3)
    with watching(tmp_path / "l.db", "--control") as watch:
        first = watch.ask("GET", f"/?token={watch.token}")
        cookie = first.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        own = f"http://127.0.0.1:{watch.port}"
        good = {**JSON, "Cookie": cookie.split(";")[0], "Origin": own}

        def status(headers: dict[str, str], body: str = PAUSE, path: str = "/control", method: str = "POST") -> int:
            return watch.ask(method, path, headers, body).status

        assert status(good) == 409  # let in; no run goes on
        assert status({name: good[name] for name in good if name != "Origin"}) == 403
        assert status({**good, "Origin": "null"}) == 403
        assert status({**good, "Origin": f"http://localhost:{watch.port}"}) == 403
        assert status({**good, "Sec-Fetch-Site": "same-site"}) == 403
        assert status({**good, "Host": "evil.example", "Origin": "http://evil.example"}) == 421
        assert status({**good, "Content-Type": "text/plain"}) == 415
        assert status({**good, "Cookie": good["Cookie"][:-1]}) == 403
        assert status({**JSON, "Origin": own}) == 403
        assert status(good, method="GET") == 405
        assert status(good, '{"verb": "status"}') == 400
        assert status(good, '{"verb": "rate", "value": ["1"]}') == 400
        assert status(good, "{" * 100) == 400
        assert status(good, PAUSE + " " * 5000) == 413
        assert watch.ask("GET", "/events", {"Cookie": "x=y"}).status == 403
        for host in ("[::1", "127.0.0.1@evil.example", "127.0.0.1.evil.example", "localhost:x", ""):
            assert watch.ask("GET", "/", {"Host": host, "Cookie": good["Cookie"]}).status in {400, 421}, host
        assert watch.ask("GET", "/failed", {"Host": "evil.example", "Cookie": good["Cookie"]}).status == 421


def test_every_answer_carries_the_policy_and_none_opens_to_other_sites(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=10, failed=2)
    with watching(tmp_path / "l.db") as watch:
        for path, expected in (
            ("/", 200),
            ("/failed", 200),
            ("/failed.csv", 200),
            ("/page.js", 200),
            ("/nothing", 404),
            ("/failed?limit=x", 400),
        ):
            answer = watch.ask("GET", path)
            assert answer.status == expected, path
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert not any(name.lower().startswith("access-control") for name in answer.headers)
        assert watch.ask("POST", "/control", {**JSON, "Origin": f"http://127.0.0.1:{watch.port}"}, PAUSE).status == 404


def test_failed_rows_are_searched_and_come_as_a_manifest(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=6000, failed=5000)
    with watching(tmp_path / "l.db") as watch:
        found = json.loads(watch.ask("GET", "/failed?text=FLOW%203&kind=business&offset=700&limit=50").body)
        assert found["total"] == sum(place % 7 == 3 for place in range(5000))
        assert len(found["rows"]) == found["total"] - 700
        assert json.loads(watch.ask("GET", "/failed?kind=server").body)["total"] == 0
        assert len(json.loads(watch.ask("GET", "/failed?limit=99999").body)["rows"]) == 1000
        (tmp_path / "failed.csv").write_text(watch.ask("GET", "/failed.csv").body)
        assert len(watch.ask("GET", "/failed.txt?text=flow%203").body.split()) == found["total"]
    assert "5,000 rows" in bulkroute("check", "failed.csv", cwd=tmp_path).out


@pytest.mark.slow
def test_a_browser_that_takes_its_time_keeps_no_run_from_its_checkpoints(tmp_path: Path) -> None:
    ledger = made(tmp_path / "l.db", rows=200_000, failed=200_000, text=lambda _: "in use")
    with watching(ledger) as watch, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", watch.port))
        slow.sendall(b"GET /failed.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        slow.settimeout(30)
        assert slow.recv(12) == b"HTTP/1.1 200"
        with closing(written(ledger)) as writer:
            writer.execute("UPDATE row SET attempts = 2 WHERE row = 1")
            assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


@pytest.mark.slow
def test_it_waits_for_a_ledger_and_tells_of_it_once_it_is_there(tmp_path: Path) -> None:
    with watching(tmp_path / "l.db") as watch:
        assert "no such ledger" in watch.snapshot()["error"]
        assert watch.ask("GET", "/failed").status == 503
        made(tmp_path / "l.db", rows=30, failed=4)
        while "error" in (snapshot := watch.snapshot()):
            pass
        assert snapshot["counts"]["failed"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ending_the_server_does_not_touch_the_run(tmp_path: Path, number: signal.Signals) -> None:
    wanted = targets(ids(200))
    write_csv(tmp_path / "night.csv", wanted)
    command = ("run", "night.csv", "--no-snapshot", "--rate", "100", "--json", "--base-url")
    with serving(wanted) as service, watching(tmp_path / "night.ledger.db", "--control") as watch:
        with started(*command, service.url, cwd=tmp_path) as run:
            while service.modified < 20:
                assert run.poll() is None
            cookie = watch.ask("GET", f"/?token={watch.token}").headers["Set-Cookie"].split(";")[0]
            snapshot = watch.snapshot({"Cookie": cookie})
            assert snapshot["state"]["state"] == "running"
            watch.process.send_signal(number)
            ended = watch.process.wait(20)
            out, _ = run.communicate(timeout=60)
        assert ended == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        assert run.returncode == 0
        assert json.loads(out)["succeeded"] == 200
        assert dict(service.bindings) == wanted
        assert service.modified == 200


def until(watch: Watch, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first snapshot that something holds of: one may be some seconds old."""
    deadline_s = time.monotonic() + 30
    while not holds(found := watch.snapshot()):
        assert time.monotonic() < deadline_s, found
    return found


@pytest.mark.slow
def test_while_a_rollback_goes_on_and_after_it_the_page_is_about_that(tmp_path: Path) -> None:
    wanted = targets(ids(150))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    with serving(wanted) as service, watching(ledger) as watch:
        at = ("--base-url", service.url)
        assert bulkroute("run", "night.csv", *at, "--rate", "unlimited", cwd=tmp_path).code == 0
        changed = service.modified
        assert until(watch, lambda found: found.get("batch") == 1)["parent"] is None
        foreign = [row_id for row_id in wanted if service.simulator.calls_per_id[row_id]][:7]
        for row_id in foreign:
            service.simulator.rebind(row_id, 1, 999)
        with started("rollback", ledger.name, *at, "--rate", "40", "--json", cwd=tmp_path) as rollback:
            while service.modified < changed + 40:
                assert rollback.poll() is None
            going = until(watch, lambda found: found["batch"] == 2 and found["counts"]["succeeded"] >= 33)
            out, _ = rollback.communicate(timeout=60)
        summary = json.loads(out)
        assert (going["batch"], going["parent"], going["state"]["state"]) == (2, 1, "running")
        assert going["counts"]["total"] == changed
        assert going["counts"]["succeeded"] < changed - 7
        assert going["counts"]["refused"] == 7
        assert going["live"]["state"] == "running"
        assert (going["pace"] or 0) >= 0, "what the batch before it had settled is no pace"
        over = until(watch, lambda found: found["state"]["state"] == "ended")
        assert (over["batch"], over["parent"]) == (2, 1)
        assert over["counts"] == {name: summary[name] for name in over["counts"]}
        assert over["calls"]["all"] == changed - 7
        listed = json.loads(watch.ask("GET", "/failed").body)
        assert sorted(row[0] for row in listed["rows"]) == sorted(foreign)
        assert watch.ask("GET", "/failed.txt").body.split() == [row[0] for row in listed["rows"]]
        assert bulkroute("report", ledger.name, "-o", "back.html", cwd=tmp_path).code == 0
        assert bulkroute("report", ledger.name, "-o", "there.html", "--batch", 1, cwd=tmp_path).code == 0
        back, there = ((tmp_path / name).read_text() for name in ("back.html", "there.html"))
        assert f"{changed - 7:,} of {changed:,} rows done, 0 failed, 7 refused, 0 left." in back
        assert f"{changed - 7:,} left." in there
        none = bulkroute("report", ledger.name, "-o", "none.html", "--batch", 3, cwd=tmp_path)
        assert none.code == 2
        assert "no batch 3" in none.err
        assert bulkroute("run", "night.csv", *at, "--rate", "unlimited", cwd=tmp_path).code == 0
        assert until(watch, lambda found: found["batch"] == 3)["counts"]["refused"] == 0


@pytest.mark.slow
def test_the_target_follows_what_is_asked_for_while_the_run_goes_on_and_after_it(tmp_path: Path) -> None:
    wanted = targets(ids(800))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    command = ("run", "night.csv", "--no-snapshot", "--rate", "60", "--base-url")

    def chart(snapshot: dict[str, Any]) -> list[float | None]:
        found: list[float | None] = snapshot["timeline"]["target"]
        return found

    with (
        serving(wanted) as service,
        watching(ledger) as watch,
        started(*command, service.url, cwd=tmp_path) as run,
    ):
        while service.modified < 130:
            assert run.poll() is None
        assert chart(until(watch, lambda found: "timeline" in found and bool(chart(found))))[0] == 60
        assert bulkroute("ctl", ledger.name, "rate", "30", cwd=tmp_path).code == 0
        while service.modified < 220:
            assert run.poll() is None
        going = until(watch, lambda found: chart(found)[-1] == 30)
        assert (chart(going)[0], chart(going)[-1]) == (60, 30)
        assert [change["asked"] for change in going["paces"]] == [30]
        assert bulkroute("ctl", ledger.name, "rate", "unlimited", cwd=tmp_path).code == 0
        assert run.wait(60) == 0
        over = until(watch, lambda found: found["state"]["state"] == "ended")
        assert [change["asked"] for change in over["paces"]] == [30, None]
        assert chart(over)[0] == 60
        assert 30 in chart(over)
