"""The live page's server: what it tells, whom it lets in, and that it never touches the run."""

import json
import signal
from pathlib import Path

import pytest

from tests.harness import bulkroute, ids, serving, started, targets, write_csv
from tests.ledgers import made
from tests.watching import watching

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
