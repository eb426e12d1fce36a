"""The live page's server: what it tells, whom it lets in, and that it never touches the run."""

import json
import os
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


@pytest.mark.parametrize("where", ["127.0.0.1:0", "0.0.0.0:0", "localhost:0"])
def test_only_who_has_the_link_gets_in_wherever_it_listens(tmp_path: Path, where: str) -> None:
    made(tmp_path / "l.db", rows=3, failed=1)
    with watching(tmp_path / "l.db", "--listen", where) as watch:
        assert len(watch.token) >= 32
        shell = watch.ask("GET", "/", {})
        assert shell.status == 200
        assert "night.csv" not in shell.body, "of the ledger, the page itself holds nothing"
        for path in ("/events", "/failed", "/failed.csv", "/failed.txt", "/nothing", "/control"):
            for headers in ({}, {"Authorization": f"Bearer {watch.token[:-1]}"}, {"Authorization": watch.token}):
                refused = watch.ask("GET", path, headers)
                assert refused.status == 401, path
                assert "open the link" in refused.body
        assert watch.ask("GET", f"/failed?token={watch.token}", {"Cookie": f"token={watch.token}"}).status == 401
        assert watch.ask("GET", "/failed").status == 200


def test_a_public_page_lets_everybody_look_and_nobody_control(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=3, failed=1)
    with watching(tmp_path / "l.db", "--public", "--listen", "0.0.0.0:0") as watch:
        assert watch.token == ""
        assert json.loads(watch.ask("GET", "/failed", {}).body)["total"] == 1
        assert watch.ask("POST", "/control", {**JSON, "Origin": f"http://127.0.0.1:{watch.port}"}, PAUSE).status == 404
    refused = bulkroute("watch", "l.db", "--public", "--control", cwd=tmp_path)
    assert refused.code == 2
    assert "leave one of them out" in refused.err


def test_the_link_is_in_no_process_list_and_no_file_that_others_may_read(tmp_path: Path) -> None:
    """Whatever stands for the browser writes down what others could see of it, then what it may read itself."""
    made(tmp_path / "l.db", rows=3)
    browser = tmp_path / "browser"
    browser.write_text(
        '#!/bin/sh\necho "$0 $*" >args\npage=${1#file://}\nstat -c %a "$page" "${page%/*}" >modes\ncat "$page" >page.new\nmv page.new page\n'
    )
    browser.chmod(0o755)
    with open(tmp_path / "watch.log", "w") as log:
        os.fchmod(log.fileno(), 0o644)
        with started(
            "watch",
            "l.db",
            "--open",
            "--listen",
            "127.0.0.1:0",
            cwd=tmp_path,
            env={"BROWSER": str(browser)},
            stdout=log,
        ) as process:
            while not (tmp_path / "page").exists():
                assert process.poll() is None
            link = (tmp_path / "watch.log").read_text().split()[-1]
            token = link.partition("#token=")[2]
            handed = Path((tmp_path / "args").read_text().split()[1].removeprefix("file://"))
            assert token not in (tmp_path / "args").read_text()
            assert (tmp_path / "modes").read_text().split() == ["600", "700"]
            assert f"url={link}" in (tmp_path / "page").read_text()
            Watch(link, process).snapshot()
            while handed.parent.exists():
                assert process.poll() is None, "it is removed once the page was opened"
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=20)
    assert "chmod 600" in err.decode()
    assert token not in err.decode()


def test_what_is_no_ledger_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_text("these are not the rows you are looking for")
    assert bulkroute("watch", "l.db", "--listen", "127.0.0.1:0", cwd=tmp_path).code == 5
    assert bulkroute("watch", "l.db", "--listen", "8765", cwd=tmp_path).code == 2


def test_only_the_page_itself_may_control(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=3)
    with watching(tmp_path / "l.db", "--control") as watch:
        own = f"http://127.0.0.1:{watch.port}"
        good = {**JSON, **watch.key, "Origin": own}

        def status(headers: dict[str, str], body: str = PAUSE, path: str = "/control", method: str = "POST") -> int:
            return watch.ask(method, path, headers, body).status

        assert status(good) == 409  # let in; no run goes on
        assert status({name: good[name] for name in good if name != "Origin"}) == 403
        assert status({**good, "Origin": "null"}) == 403
        assert status({**good, "Origin": f"http://localhost:{watch.port}"}) == 403
        assert status({**good, "Sec-Fetch-Site": "same-site"}) == 403
        assert status({**good, "Host": "evil.example", "Origin": "http://evil.example"}) == 421
        assert status({**good, "Content-Type": "text/plain"}) == 415
        assert status({**good, "Authorization": good["Authorization"][:-1]}) == 401
        assert status({**JSON, "Origin": own}) == 401
        assert status(good, method="GET") == 405
        assert status(good, '{"verb": "status"}') == 400
        assert status(good, '{"verb": "rate", "value": ["1"]}') == 400
        assert status(good, "{" * 100) == 400
        assert status(good, "[" * 4000) == 400
        assert status({**good, "Content-Type": "application/json; charset=nonsense"}) == 409
        assert status(good, PAUSE + " " * 5000) == 413
        for host in ("[::1", "127.0.0.1@evil.example", "127.0.0.1.evil.example", "localhost:x", ""):
            assert watch.ask("GET", "/", {**watch.key, "Host": host}).status in {400, 421}, host
        assert watch.ask("GET", "/failed", {**watch.key, "Host": "evil.example"}).status == 421


def test_every_answer_carries_the_policy_and_none_opens_to_other_sites(tmp_path: Path) -> None:
    made(tmp_path / "l.db", rows=10, failed=2)
    with watching(tmp_path / "l.db") as watch:
        for path, expected in (
            ("/", 200),
            ("/failed", 200),
            ("/failed.csv", 200),
            ("/nothing", 404),
            ("/failed?limit=x", 400),
        ):
            answer = watch.ask("GET", path)
            assert answer.status == expected, path
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert not any(name.lower().startswith(("access-control", "set-cookie")) for name in answer.headers)
        assert (
            watch.ask(
                "POST", "/control", {**JSON, **watch.key, "Origin": f"http://127.0.0.1:{watch.port}"}, PAUSE
            ).status
            == 404
        )


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
        slow.sendall(watch.request("/failed.csv"))
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
            snapshot = watch.snapshot()
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
