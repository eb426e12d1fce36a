"""A hostile service hands every secret back in some hundred shapes, and none can be made out in anything written."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from bulkroute.simulator import Flow, Route, Skill
from tests.disguises import DISGUISES, Hostile, made_out
from tests.harness import TOKEN as SIMULATORS_TOKEN
from tests.harness import bulkroute, ids, serving, started, targets, write_csv

pytestmark = [pytest.mark.usefixtures("uncounted_commands"), pytest.mark.slow]

SECRET, HEADER = 'hush"app\\secret/of+the night', "hush-header=of+the/night"
TOKEN = "eyJhbGciOi.hush-token-of-the-night_123"
ENV = {"BULKROUTE_APP_KEY": "key", "BULKROUTE_APP_SECRET": SECRET, "BULKROUTE_HEADER": f"X-Tenant-Token: {HEADER}"}
HEARD = f"{TOKEN} {SECRET} {HEADER}"

Answer = Callable[[str], web.Response]


def said(status: int, **fields: object) -> web.Response:
    return web.json_response(fields, status=status)


PLACES: dict[str, Answer] = {
    "description": lambda heard: said(200, returnCode="77", description=heard),
    "code": lambda heard: said(200, returnCode=heard[:300]),
    "page": lambda heard: web.Response(status=400, body=f"<html>{heard}", content_type="text/html"),
}
ODD: dict[str, Answer] = {
    "nested": lambda heard: said(200, returnCode="77", description={"heard": [heard, {heard: heard}]}),
    "gateway": lambda heard: said(400, error_code=f"APIG.{heard}", error_msg=heard),
    "both codes": lambda heard: said(400, returnCode=heard, error_code=heard, message=heard),
    "reason": lambda heard: web.Response(status=404, reason=heard, text=heard),
    "redirect": lambda heard: web.Response(
        status=302, headers={"Location": f"/?{heard}", "X-Heard": heard}, text=heard
    ),
    "cookie": lambda heard: web.Response(
        status=400, headers={"Set-Cookie": heard, "Retry-After": heard, "Date": heard}
    ),
    "far in": lambda heard: web.Response(status=400, text=" " * 1990 + heard),
    "at the cut": lambda heard: web.Response(status=400, text="x" * 480 + heard),
    "cut short": lambda heard: web.Response(status=400, text=json.dumps({"description": heard})[:-3]),
    "GBK": lambda heard: web.Response(status=400, body=f"应用 {heard} 无效".encode("gbk")),
    "declared GBK": lambda heard: web.Response(
        status=400, body=f"应用 {heard}".encode("gbk"), headers={"Content-Type": "text/plain; charset=gbk"}
    ),
    "UTF-16": lambda heard: web.Response(status=400, body=heard.encode("utf-16")),
    "UTF-16 as UTF-8": lambda heard: web.Response(
        status=400, body=heard.encode("utf-16-be"), headers={"Content-Type": "text/plain; charset=utf-8"}
    ),
}
SHAPES = [
    *((place, disguise) for place in PLACES for disguise in DISGUISES),
    *((place, "as it is") for place in ODD),
]


def test_a_service_that_echoes_secrets_in_every_shape(tmp_path: Path) -> None:
    """One run, a row for each shape; then everything that shows the ledger."""
    shape_of = dict(zip(ids(len(SHAPES)), SHAPES, strict=True))
    given: set[tuple[str, str]] = set()

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        if request.path.endswith("tokenByAkSk"):
            return web.json_response({"AccessToken": TOKEN, "Expires": "600"})
        heard = (request.headers["Authorization"], body["id"], request.headers["X-Tenant-Token"])
        assert heard == (f"Bearer {TOKEN}", body["id"], HEADER)
        place, disguise = shape_of[body["id"]]
        given.add((place, disguise))
        return (PLACES | ODD)[place](DISGUISES[disguise](HEARD))

    write_csv(tmp_path / "night.csv", targets(list(shape_of)))
    server = Hostile(echo)
    try:
        files = ("--log-file", "night.log", "--log-format", "json", "--metrics-file", "night.prom")
        limits = ("--max-attempts", 1, "--max-consecutive-failures", 1000, "--concurrency", 1, "--rate", "unlimited")
        done = bulkroute(
            "run",
            "night.csv",
            "--base-url",
            server.url,
            "--no-snapshot",
            *files,
            *limits,
            "--json",
            cwd=tmp_path,
            env=ENV,
        )
    finally:
        server.close()
    assert done.code == 1, done.err
    assert given == set(SHAPES)
    assert len(SHAPES) >= 60
    shown = done.out + done.err
    for asked in (("status",), ("status", "--json"), ("export", "--format", "jsonl"), ("export",)):
        result = bulkroute(*asked, "night.ledger.db", cwd=tmp_path)
        assert result.code == 0, result.err
        shown += result.out + result.err
    assert bulkroute("report", "night.ledger.db", "-o", "night.html", cwd=tmp_path).code == 0
    assert result.out.count("***") >= len(SHAPES) * 0.9, "the echo never arrived: this test shows nothing"
    assert not leaks(tmp_path, shown)


def leaks(folder: Path, shown: str, *more: str) -> list[tuple[str, str]]:
    """Return where a secret can be made out: in what was printed, or in a file of the folder, the ledger included."""
    texts = {path.name: path.read_bytes().decode("latin-1") for path in folder.iterdir() if path.is_file()}
    secrets = (TOKEN, SECRET, HEADER, HEADER[:-1], *more)
    return [
        (name, secret) for name, text in {**texts, "": shown}.items() for secret in secrets if made_out(text, secret)
    ]


def test_a_service_whose_lists_hold_secrets_in_every_shape(tmp_path: Path) -> None:
    """Numbers, descriptions, names of queues and flows: what is read, planned, saved and compared."""
    wanted = targets(ids(len(DISGUISES)))
    secrets = [disguise(f"{SIMULATORS_TOKEN} {HEADER}") for disguise in DISGUISES.values()]
    routes = [
        Route(row_id, 1, 9000 + place, secret, secret[:200], secret[:200], editable=secret)
        for place, (row_id, secret) in enumerate(zip(wanted, secrets, strict=True))
    ]
    stranger = Route(DISGUISES["in JSON's escapes"](HEADER), 1, 102)
    skills = [Skill(101 + place, secret, description=secret) for place, secret in enumerate(secrets)]
    flows = [Flow(201 + place, secret, file_name=secret, access_code=secret) for place, secret in enumerate(secrets)]
    write_csv(tmp_path / "night.csv", wanted)
    env = {"BULKROUTE_TOKEN": SIMULATORS_TOKEN, "BULKROUTE_HEADER": f"X-Tenant-Token: {HEADER}"}
    shown = ""
    with serving([*routes, stranger], skills=skills, flows=flows) as service:
        at = ("--base-url", service.url, "--rate", "unlimited")
        for asked, code in (
            (("targets", "--json"), 0),
            (("plan", "night.csv"), 0),
            (("snapshot", "-o", "live.csv"), 0),
            (("run", "night.csv", "--log-file", "night.log"), 0),
            (("verify", "night.ledger.db"), 0),
        ):
            result = bulkroute(*asked, *at, cwd=tmp_path, env=env)
            assert result.code == code, result.err
            shown += result.out + result.err
        assert {row_id: service.bindings[row_id] for row_id in wanted} == wanted
    assert shown.count("***") > len(DISGUISES), "the names never arrived: this test shows nothing"
    assert not leaks(tmp_path, shown + bulkroute("export", "night.ledger.db", cwd=tmp_path).out, SIMULATORS_TOKEN)


def test_a_run_that_waits_shows_no_secret_to_who_asks_it_why(tmp_path: Path) -> None:
    asked = 0

    async def throttle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if request.path.endswith("tokenByAkSk"):
            return web.json_response({"AccessToken": TOKEN, "Expires": "600"})
        heard = DISGUISES["in HTML within HTML"](HEARD)
        return web.json_response({"error_msg": heard}, status=429, headers={"Retry-After": "600"})

    write_csv(tmp_path / "night.csv", targets(ids(3)))
    server = Hostile(throttle)
    try:
        run = ("run", "night.csv", "--base-url", server.url, "--no-snapshot", "--log-format", "json")
        with started(*run, cwd=tmp_path, env=ENV) as process:
            while asked < 2:
                assert process.poll() is None
                time.sleep(0.01)
            status = bulkroute("ctl", "night.ledger.db", "status", cwd=tmp_path)
            assert bulkroute("ctl", "night.ledger.db", "stop", cwd=tmp_path).code == 0
            out, err = (text.decode() for text in process.communicate(timeout=30))
    finally:
        server.close()
    assert process.returncode == 4, err
    assert "***" in status.out + err
    assert not leaks(tmp_path, status.out + status.err + out + err)
