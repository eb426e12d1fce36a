"""Every kind of answer, through the whole engine against a server that gives exactly that answer."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import ExitCode
from bulkroute.ledger.ledger import Ledger
from bulkroute.progress import Summary
from bulkroute.settings import Settings
from tests.harness import bulkroute, ids, targets, write_csv
from tests.virtual_time import run_virtual

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

OK = '{"returnCode":"0","description":"data update success"}'


def reply(status: int = 200, text: str = OK, **headers: str) -> Answer:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def reset(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silence(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def half(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"returnCode":"0"')
    assert request.transport is not None
    request.transport.close()
    return response


def one_row(folder: Path, answers: list[Answer]) -> tuple[Summary, dict[str, object], int]:
    """Send one row to a server that gives `answers` in turn, the last one for ever; return what came of it."""
    calls = 0

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal calls
        await request.read()
        calls += 1
        return await answers[min(calls, len(answers)) - 1](request)

    async def scenario() -> Summary:
        server = web.Server(handle)
        socket = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        settings = Settings(
            base_url=f"http://127.0.0.1:{socket.sockets[0].getsockname()[1]}",
            credentials=Credentials(token=Secret("any")),
            rate_per_s=None,
            max_attempts=3,
            max_throttle_wait_s=100,
            max_outage_wait_s=0,  # what the row alone would come to
            snapshot=False,
        )
        async with Engine(settings) as engine:
            summary = await engine.run([("1125397061153369092", 1, 101)], ledger=folder / "one.ledger.db")
        socket.close()
        await server.shutdown(0)
        return summary

    summary = run_virtual(scenario())
    with Ledger(folder / "one.ledger.db").read() as ledger:
        (row,) = ledger.require_batch().export()
    return summary, row, calls


@pytest.mark.parametrize(
    ("answers", "status", "error", "calls"),
    [
        ([reply()], "succeeded", None, 1),
        ([reply(text='{"returnCode":0}')], "succeeded", None, 1),
        ([reply(text='{"returnCode":"170001","description":"no such skill"}')], "failed", "business", 1),
        ([reply(text="not JSON")], "failed", "bad_answer", 3),
        ([reply(text='{"description":"fine"}')], "failed", "bad_answer", 3),
        ([reply(text="x"), reply()], "succeeded", None, 2),
        ([reply(500, '{"returnCode":"9"}')], "failed", "server", 3),
        ([reply(500), reply(500), reply()], "succeeded", None, 3),
        ([reply(502)], "failed", "server", 3),
        ([reply(504), reply()], "succeeded", None, 2),
        ([reply(503)], "failed", "server", 3),
        ([*[reply(503, **{"Retry-After": "1"})] * 5, reply()], "succeeded", None, 6),
        ([*[reply(429, **{"Retry-After": "2"})] * 9, reply()], "succeeded", None, 10),
        ([*[reply(429)] * 6, reply()], "succeeded", None, 7),
        ([reply(400)], "failed", "bad_request", 1),
        ([reply(404)], "failed", "not_found", 1),
        ([reply(422)], "failed", "bad_request", 1),
        ([reply(302, Location="/elsewhere")], "failed", "bad_answer", 1),
        ([reset], "failed", "connection", 3),
        ([reset, reply()], "succeeded", None, 2),
        ([half], "failed", "connection", 3),
        ([silence], "failed", "timeout", 3),
        ([reply(text=f'{{"returnCode":"0","description":"{"x" * (1 << 20)}"}}')], "failed", "bad_answer", 3),
    ],
)
def test_the_verdict(tmp_path: Path, answers: list[Answer], status: str, error: str | None, calls: int) -> None:
    summary, row, received = one_row(tmp_path, answers)
    assert (row["status"], row["error"], received) == (status, error, calls)
    assert summary.exit_code == (ExitCode.DONE if status == "succeeded" else ExitCode.SOME_FAILED)
    assert summary.failures == ({error: 1} if error else {})


def test_throttling_uses_up_no_attempt(tmp_path: Path) -> None:
    summary, row, _ = one_row(tmp_path, [*[reply(429)] * 6, reply()])
    assert row["attempts"] == 1
    assert (summary.attempts, summary.throttled, summary.retries) == (7, 6, 0)


def test_the_services_own_words_are_kept(tmp_path: Path) -> None:
    _, row, _ = one_row(tmp_path, [reply(500, '{"returnCode":"170001","description":"no such skill"}')])
    assert (row["http_status"], row["return_code"], row["description"]) == (500, "170001", "no such skill")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_leave_the_row_pending(tmp_path: Path, status: int) -> None:
    summary, row, _ = one_row(tmp_path, [reply(status)])
    assert (row["status"], summary.exit_code) == ("pending", ExitCode.REFUSED)


def test_throttled_for_ever_stops_when_patience_ends(tmp_path: Path) -> None:
    summary, row, _ = one_row(tmp_path, [reply(429, **{"Retry-After": "30"})])
    assert (row["status"], summary.exit_code) == ("pending", ExitCode.STOPPED)
    assert "throttled for 100 s" in (summary.stopped or "")


@pytest.mark.slow
def test_a_service_that_is_not_there_is_unreachable_and_no_row_failed(tmp_path: Path) -> None:
    result = bulkroute(
        "run", write_csv(tmp_path / "m.csv", targets(ids(40))).name, "--base-url", "http://127.0.0.1:9", "--no-snapshot",
        "--rate", "unlimited", "--backoff", "0.01", "--json", cwd=tmp_path, env={"BULKROUTE_TOKEN": "any"},
    )  # fmt: skip
    assert result.code == ExitCode.UNREACHABLE
    assert result.summary["pending"] == 40
    assert "cannot connect to 127.0.0.1:9" in result.err
