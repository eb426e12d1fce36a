"""The client's own part: what goes out, and how aiohttp's errors come back as values."""

import inspect
import json
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import client_exceptions
from aioresponses import CallbackResult, aioresponses

from bulkroute.client import SERVICE_PATH, TOKEN_PATH, Client, describe
from bulkroute.model import FailureKind, Row
from bulkroute.retry import NoReply

BASE = "https://cc.example.com:28443"
MODIFY = BASE + SERVICE_PATH + "calledRoute/modifyCalledRoute"
ROW = Row(2, "1125397061153369092", 1, 101)


def recording(seen: list[dict[str, Any]]) -> Callable[..., CallbackResult]:
    """Note what goes out, and break the connection: aioresponses cannot make answers for this aiohttp."""

    def record(url: object, **request: Any) -> CallbackResult:
        seen.append({"url": str(url), **request})
        raise aiohttp.ServerDisconnectedError

    return record


async def test_what_modify_sends() -> None:
    seen: list[dict[str, Any]] = []
    with aioresponses() as service:
        service.post(MODIFY, callback=recording(seen))
        async with Client(BASE + "/", app_key="the-key", headers=[("X-TenantSpaceID", "t1")]) as client:
            await client.modify(ROW, "the-token")
    assert seen[0]["data"] == b'{"id":"1125397061153369092","devicetype":1,"deviceId":101}'
    assert seen[0]["headers"] == {
        "Content-Type": "application/json",
        "X-APP-Key": "the-key",
        "X-TenantSpaceID": "t1",
        "Authorization": "Bearer the-token",
        "Accept": "application/json",
        "User-Agent": "bulkroute",
    }
    assert seen[0]["allow_redirects"] is False


@pytest.mark.parametrize("row_id", ["0123", 'quo"te', "back\\slash", "naïve-号"])
async def test_an_id_goes_out_as_the_text_it_is(row_id: str) -> None:
    seen: list[dict[str, Any]] = []
    with aioresponses() as service:
        service.post(MODIFY, callback=recording(seen))
        async with Client(BASE) as client:
            await client.modify(ROW._replace(id=row_id), "t")
    assert json.loads(seen[0]["data"])["id"] == row_id


async def test_the_token_call_asks_for_the_longest_life() -> None:
    seen: list[dict[str, Any]] = []
    with aioresponses() as service:
        service.post("https://auth.example.com" + TOKEN_PATH, callback=recording(seen))
        async with Client(BASE, auth_url="https://auth.example.com") as client:
            await client.fetch_token("key", "hush")
    assert json.loads(seen[0]["data"]) == {"app_key": "key", "app_secret": "hush"}
    assert seen[0]["headers"]["X-Token-Expire"] == "3600"
    assert "Authorization" not in seen[0]["headers"]


@pytest.mark.parametrize(
    ("error", "kind", "sent"),
    [
        (aiohttp.ConnectionTimeoutError("x"), FailureKind.CONNECTION, False),
        (aiohttp.SocketTimeoutError("x"), FailureKind.TIMEOUT, True),
        (TimeoutError(), FailureKind.TIMEOUT, True),
        (aiohttp.ServerDisconnectedError(), FailureKind.CONNECTION, True),
        (aiohttp.ClientPayloadError("x"), FailureKind.CONNECTION, True),
        (ConnectionResetError(104, "Connection reset by peer"), FailureKind.CONNECTION, True),
        (aiohttp.ClientConnectionError(), FailureKind.CONNECTION, True),
    ],
)
async def test_errors_come_back_as_values(error: Exception, kind: FailureKind, sent: bool) -> None:
    with aioresponses() as service:
        service.post(MODIFY, exception=error)
        async with Client(BASE) as client:
            answer = await client.modify(ROW, "t")
    assert isinstance(answer, NoReply)
    assert (answer.kind, answer.sent) == (kind, sent)
    assert answer.description


def test_every_error_of_the_transport_is_one_that_the_client_catches() -> None:
    """A new aiohttp must not bring an error that ends a run with a traceback."""
    errors = [
        value for _, value in inspect.getmembers(client_exceptions, inspect.isclass) if issubclass(value, Exception)
    ]
    assert len(errors) > 20
    caught = (TimeoutError, aiohttp.ClientError, OSError, ValueError)
    assert [error for error in errors if not issubclass(error, caught)] == [
        aiohttp.WSMessageTypeError  # of web sockets only
    ]


def test_a_broken_certificate_is_named() -> None:
    key = aiohttp.client_reqrep.ConnectionKey("cc.example.com", 443, True, True, None, None, None)
    text = describe(aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("expired")))
    assert "certificate" in text
    assert "expired" in text


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example.com")
    seen: list[dict[str, Any]] = []
    for host in ("cc.example.com", "inside.example.com"):
        with aioresponses() as service:
            service.post(f"https://{host}{SERVICE_PATH}calledRoute/modifyCalledRoute", callback=recording(seen))
            async with Client(f"https://{host}") as client:
                await client.modify(ROW, "t")
    assert [str(one["proxy"]) for one in seen] == ["http://proxy.example.com:3128", "None"]
