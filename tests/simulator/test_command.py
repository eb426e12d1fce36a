"""`bulkroute simulate` as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bulkroute.simulator import contact_centre

COMMAND = [sys.executable, "-c", "from bulkroute.cli.simulate import simulate; simulate()"]


@contextmanager
def simulating(*flags: str, stop: signal.Signals = signal.SIGTERM) -> Iterator[str]:
    """Yield the URL it prints; then stop it and see that it went quietly."""
    with subprocess.Popen(
        [*COMMAND, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BULKROUTE_SIMULATOR_TOKEN": "open"},
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            yield line.removeprefix("listening on ").strip()
            process.send_signal(stop)
            out, err = process.communicate(timeout=10)
        except BaseException:
            process.kill()
            raise
        assert (process.returncode, out, err) == (0, "", "")


def fetch(url: str, body: Any = None) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer open"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_serves_routes_and_ends_quietly(stop: signal.Signals) -> None:
    with simulating("--routes", "7", "--seed", "3", stop=stop) as url:
        state = fetch(f"{url}/_simulator/state")
        assert len(state["bindings"]) == 7
        body = {"id": next(iter(state["bindings"])), "devicetype": 1, "deviceId": 101}
        path = "/apiaccess/rest/cc-management/v1/calledRoute/modifyCalledRoute"
        assert fetch(url + path, body)["returnCode"] == "0"
        state = fetch(f"{url}/_simulator/state")
        assert state["bindings"][body["id"]] == [1, 101]
        assert state["calls"] == {"modifyCalledRoute": 1}


def test_serves_the_ids_and_targets_of_a_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "routes.csv"
    manifest.write_text("id,devicetype,deviceId\n0123,skill_queue,777\n1125397061153369092,ivr,888\n0123,1,777\n")
    with simulating("--manifest", str(manifest), "--unloaded-flow", "888") as url:
        bindings = fetch(f"{url}/_simulator/state")["bindings"]
        assert set(bindings) == {"0123", "1125397061153369092"}
        assert bindings["0123"] != [1, 777]
        management = f"{url}/apiaccess/rest/cc-management/v1"
        assert fetch(f"{management}/skill/querySkills", {"skillIds": ["777"]})["total"] == 1
        flows = fetch(f"{management}/ivrFlow/queryIVRFlowList", {})["result"]
        assert {flow["id"] for flow in flows if not flow["isLoad"]} == {888}


@pytest.mark.slow
def test_serves_a_made_up_contact_centre(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    flags = ("--routes", "120", "--seed", "3", "--unloaded-flow", "3001", "--write-token", str(token_file))
    with simulating(*flags) as url:
        made = contact_centre(120, 3)
        assert set(fetch(f"{url}/_simulator/state")["bindings"]) == {route.id for route in made.routes}
        assert token_file.read_text() == "open\n"
        flows = fetch(f"{url}/apiaccess/rest/cc-management/v1/ivrFlow/queryIVRFlowList", {})["result"]
        assert {flow["id"] for flow in flows if not flow["isLoad"]} == {
            3001,
            *(flow.id for flow in made.flows if not flow.loaded),
        }


@pytest.mark.slow
def test_the_port_closes_and_opens_under_the_fast_loop() -> None:
    with simulating("--outage", "0s+300ms:refused", "--routes", "1") as url:
        path = "/apiaccess/rest/cc-management/v1/ivrFlow/queryIVRFlowList"
        refused = 0
        while True:
            try:
                assert fetch(url + path, {})["retCode"] == "0"
                break
            except (urllib.error.URLError, ConnectionError) as error:
                refused += isinstance(getattr(error, "reason", None), ConnectionRefusedError)
        assert refused


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--fail-500", "0.7", "--reset", "0.7"], "sum to more than 1"),
        (["--fail-500", "2"], "not in the range"),
        (["--routes", "1", "--manifest", "x.csv"], "exclude each other"),
        (["--throttle-burst", "5"], "needs --throttle"),
        (["--host", "192.0.2.1"], "cannot listen on"),
    ],
)
def test_wrong_usage_is_said_in_a_line(flags: list[str], message: str) -> None:
    done = subprocess.run([*COMMAND, *flags], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
