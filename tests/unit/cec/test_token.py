"""What the token source does with every answer of the token service, and what it blots out, however long the night."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from bulkroute.cec.answers import NoReply, Reply
from bulkroute.cec.client import Client
from bulkroute.cec.token import Away, Refusal, TokenSource
from bulkroute.cec.token_answers import LIKE_A_SECRET, Issued, KeysWrong, Trouble, read_token_answer
from bulkroute.credentials import Credentials, Secret
from bulkroute.errors import BulkrouteError, CredentialsRefused, KeysRefused, ServiceUnreachable, StopKind, StoppedEarly
from bulkroute.model import FailureKind
from bulkroute.settings import Settings
from bulkroute.simulator import Faults, Simulator
from tests.disguises import DISGUISES, made_out
from tests.virtual_time import run_virtual

SECRET = 'hush"of/the night'
KEYS = Credentials(app_key="key", app_secret=Secret(SECRET))
LONG = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.3fJk29ab"


def played(faults: Faults, play: Callable[[TokenSource, Simulator], Any], **settings: Any) -> None:
    """Play a scene with a token source, against the simulator, in virtual time."""

    async def scene() -> None:
        async with (
            Simulator([], app_key="key", app_secret=SECRET, faults=faults) as simulator,
            Client(simulator.url, app_key="key", timeout_s=5) as client,
        ):
            chosen = Settings(base_url=simulator.url, credentials=KEYS, **{"backoff_s": 0.01, **settings})
            tokens = TokenSource(client, chosen)
            try:
                await play(tokens, simulator)
            finally:
                await tokens.close()

    run_virtual(scene())


def test_the_app_secret_is_remembered_after_many_renewals() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        while simulator.tokens_issued < 12:
            token = await tokens.get()
            await asyncio.sleep(0.001)
        heard = f"{SECRET} {json.dumps(SECRET)} {quote(SECRET, safe='')} {token}"
        assert tokens.clean(heard) == '*** "***" *** ***'

    played(Faults(token_life_s=0.001), play)


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        ({"AccessToken": "abc", "Expires": "600"}, 200, Issued("abc", 600)),
        ({"AccessToken": "abc", "Expires": 600}, 201, Issued("abc", 600)),
        ({"AccessToken": "abc"}, 200, Issued("abc", 600)),
        ({"AccessToken": "abc", "Expires": None}, 200, Issued("abc", 600)),
        ({"AccessToken": "a b", "Expires": "600"}, 200, Trouble),
        ({"AccessToken": "abc", "Expires": "soon"}, 200, Trouble),
        ({"AccessToken": "abc", "Expires": 10**400}, 200, Trouble),
        ({"access_token": LONG, "expires_in": 3600}, 200, Trouble),
        ({"AccessToken": LONG, "Expires": "600"}, 500, Trouble),
        ([], 200, Trouble),
        ("", 502, Trouble),
        ({"AccessToken": LONG, "Expires": "600"}, 400, KeysWrong),
        ({}, 401, KeysWrong),
        ({}, 403, KeysWrong),
        ({"error": "invalid_client", "error_description": "secret is wrong"}, 200, KeysWrong),
        ({"retCode": "401", "message": "app key is disabled"}, 200, KeysWrong),
        ({}, 429, Trouble),
        ({"error_code": "20001"}, 500, Trouble),
    ],
)
def test_what_an_answer_means_and_that_it_shows_no_secret(body: object, status: int, found: Any) -> None:
    answer = read_token_answer(Reply(status, json.dumps(body).encode()))
    if isinstance(found, Issued):
        assert answer == found
    else:
        assert isinstance(answer, found)
        assert LONG not in answer.words


def test_the_services_own_words_are_kept_and_the_names_of_what_came() -> None:
    refused = read_token_answer(Reply(200, b'{"error":"invalid_client","error_description":"secret is wrong"}'))
    assert refused == KeysWrong("HTTP 200, invalid_client, secret is wrong")
    other = read_token_answer(Reply(200, b'{"access_token":"abc","expires_in":3600}'))
    assert other == Trouble("the answer of the token service has no AccessToken, but access_token, expires_in")
    hidden = read_token_answer(Reply(500, json.dumps({"message": f"no use for {LONG}"}).encode()))
    assert hidden == Trouble("HTTP 500, no use for ***")
    assert read_token_answer(NoReply(FailureKind.TIMEOUT, "no answer within 5 s")) == Trouble("no answer within 5 s")


@pytest.mark.parametrize("field", ["error", "error_code", "errorCode", "returnCode", "retCode", "resultCode", "code"])
def test_a_refusal_is_known_by_its_code_whatever_the_status_and_wherever_the_code_stands(field: str) -> None:
    for code in ("invalid_client", "unauthorized_client", "access_denied", "401", 403):
        assert read_token_answer(Reply(200, json.dumps({field: code}).encode())) == KeysWrong(f"HTTP 200, {code}")


@pytest.mark.parametrize("field", ["error_description", "error_msg", "error_message", "description", "message", "msg"])
def test_the_services_message_is_told_under_any_of_its_names(field: str) -> None:
    body = json.dumps({"resultCode": True, "code": "E 7", field: "come back later"})
    assert read_token_answer(Reply(503, body.encode())) == Trouble("HTTP 503, E 7, come back later")


@pytest.mark.parametrize("life", [0, "0", -1, "inf", "nan", "1e999", [600]])
def test_a_token_without_a_life_is_none(life: object) -> None:
    answer = read_token_answer(Reply(200, json.dumps({"AccessToken": "abc", "Expires": life}).encode()))
    assert answer == Trouble("the answer of the token service has an AccessToken or Expires that cannot be used")


def test_only_a_success_hands_out_a_token_and_nothing_is_told_as_nothing() -> None:
    token = json.dumps({"AccessToken": "abc", "Expires": "0.5"}).encode()
    assert read_token_answer(Reply(299, token)) == Issued("abc", 0.5)
    assert read_token_answer(Reply(300, token)) == Trouble("HTTP 300")
    assert read_token_answer(Reply(199, token)) == Trouble("HTTP 199")
    assert read_token_answer(Reply(200, b"{}")) == Trouble(
        "the answer of the token service has no AccessToken, but nothing"
    )


def test_throttling_is_waited_for_as_long_as_it_asks_even_before_the_first_token() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        told: list[tuple[str, float]] = []
        tokens.on_throttled = lambda reason, until_s: told.append((reason, until_s))
        began_s = asyncio.get_running_loop().time()
        await tokens.get()
        assert simulator.calls_per_endpoint["tokenByAkSk"] == 21
        assert len(told) == 20
        assert all("the token service throttles (HTTP 429" in reason for reason, _until_s in told)
        assert asyncio.get_running_loop().time() - began_s >= 20

    played(Faults(token_fail_times=20, token_fail_status=429, retry_after="seconds"), play)


def test_throttling_for_too_long_is_given_up() -> None:
    async def play(tokens: TokenSource, _simulator: Simulator) -> None:
        with pytest.raises(StoppedEarly) as stopped:
            await tokens.get()
        assert stopped.value.stop is StopKind.THROTTLED

    played(Faults(token_fail_times=10**6, token_fail_status=429, retry_after="seconds"), play, max_throttle_wait_s=30)


@pytest.mark.parametrize("faults", [Faults(token_fail_times=10**6), Faults(token_latency_s=60)], ids=["500", "hang"])
def test_before_the_first_token_other_troubles_use_up_the_tries(faults: Faults) -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        with pytest.raises(ServiceUnreachable, match="no token could be fetched"):
            await tokens.get()
        assert simulator.calls_per_endpoint["tokenByAkSk"] == 3

    played(faults, play, max_attempts=3)


def test_an_outage_of_the_token_service_is_noticed_only_once_the_token_has_died() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        loop = asyncio.get_running_loop()
        told: list[tuple[float, Away | None]] = []
        tokens.on_away = lambda away: told.append((loop.time(), away))
        first = await tokens.get()
        simulator.set_faults(Faults(token_life_s=100, outages=("0s+200s:503@token",)))
        await asyncio.sleep(85)
        for _ in range(9):
            assert await tokens.get() == first, "the older token lives for 95 s"
            await asyncio.sleep(1)
        assert not told
        await asyncio.sleep(2)
        second = await tokens.get()
        assert second != first
        (began_s, away), (ended_s, back) = told
        assert away is not None
        assert back is None
        assert "token service down (HTTP 503" in away.reason
        assert away.give_up_s == pytest.approx(began_s + 900)
        assert 180 <= ended_s - began_s <= 200, "the first renewal, at 80 s of its life, meets the outage"
        assert simulator.calls_per_endpoint["tokenByAkSk"] <= 30

    played(Faults(token_life_s=100), play)


def test_a_token_service_that_stays_away_is_given_up() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        loop = asyncio.get_running_loop()
        await tokens.get()
        simulator.set_faults(Faults(token_fail_times=10**6))
        await asyncio.sleep(10)
        began_s = loop.time()
        with pytest.raises(StoppedEarly) as stopped:
            await tokens.get()
        assert stopped.value.stop is StopKind.OUTAGE
        assert 60 <= loop.time() - began_s <= 62

    played(Faults(token_life_s=10), play, max_outage_wait_s=60)


def test_without_patience_it_is_unreachable_at_once() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        await tokens.get()
        simulator.set_faults(Faults(token_fail_times=10**6))
        await asyncio.sleep(10)
        with pytest.raises(ServiceUnreachable):
            await tokens.get()

    played(Faults(token_life_s=10), play, max_outage_wait_s=0)


def test_an_operator_asks_a_token_service_that_is_down_at_once() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        loop = asyncio.get_running_loop()
        await tokens.get()
        simulator.set_faults(Faults(token_fail_times=10**6))
        await asyncio.sleep(10)
        waiting = asyncio.create_task(tokens.get())
        await asyncio.sleep(40)
        simulator.set_faults(Faults())
        tokens.probe_at_once()
        asked_s = loop.time()
        await waiting
        assert loop.time() - asked_s < 0.1

    played(Faults(token_life_s=10), play)


def test_keys_that_are_refused_in_the_night_end_the_waiting() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        await tokens.get()
        simulator.set_faults(Faults(token_fail_times=3, token_limit=0))
        await asyncio.sleep(10)
        with pytest.raises(KeysRefused):
            await tokens.get()

    played(Faults(token_life_s=10), play, max_attempts=1)


def test_tokens_that_are_dead_on_arrival_are_not_fetched_for_ever() -> None:
    async def play(tokens: TokenSource, simulator: Simulator) -> None:
        with pytest.raises(ServiceUnreachable, match="lives for 1e-300 s is dead before it arrives"):
            await tokens.get()
        assert simulator.tokens_issued == 3

    played(Faults(token_life_s=1e-300), play, max_attempts=3)


class TestRefusedTokens:
    async def tokens(self, credentials: Credentials) -> TokenSource:
        client = Client("http://127.0.0.1:9")
        return TokenSource(client, Settings(base_url="http://127.0.0.1:9", credentials=credentials))

    async def test_a_fixed_token_is_tried_once_more(self) -> None:
        tokens = await self.tokens(Credentials(token=Secret("first")))
        tokens.refused("first")
        assert await tokens.get() == "first"
        tokens.accepted("first", 1.0)
        tokens.refused("first")
        with pytest.raises(CredentialsRefused, match="renew BULKROUTE_TOKEN"):
            tokens.refused("first")

    async def test_the_file_of_a_fixed_token_is_read_again(self, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("first\n")
        tokens = await self.tokens(Credentials.from_environment({"BULKROUTE_TOKEN_FILE": str(file)}))
        assert await tokens.get() == "first"
        file.write_text("second\n")
        tokens.refused("first")
        assert await tokens.get() == "second"
        tokens.refused("first")  # by a call that was under way
        assert tokens.clean("first second") == "*** ***"
        file.write_text("")  # it is being written
        with pytest.raises(CredentialsRefused):
            tokens.refused("second")

    async def test_a_row_is_refused_alone_where_others_were_let_in(self) -> None:
        tokens = await self.tokens(KEYS)
        assert not tokens.is_refused_alone(None, "a")
        first = Refusal("a", 5.0)
        assert not tokens.is_refused_alone(first, "b")
        tokens.accepted("b", 6.0)
        assert tokens.is_refused_alone(first, "b")
        assert not tokens.is_refused_alone(first, "a")
        tokens.accepted("a", 4.0)
        assert not tokens.is_refused_alone(first, "a"), "it may have died since"
        tokens.accepted("a", 5.5)
        assert tokens.is_refused_alone(first, "a")


DESCRIBED: dict[str, Callable[[str], web.Response]] = {
    "unnamed": lambda heard: web.json_response({"access_token": heard, "error_description": heard}),
    "made": lambda heard: web.json_response({"AccessToken": [heard], "msg": heard}, status=201),
    "refused": lambda heard: web.json_response({"error": "invalid_client", "error_description": heard}, status=400),
    "wrong": lambda heard: web.json_response({"error_code": heard, "error_msg": heard}, status=500),
}
ODD: dict[str, Callable[[str], web.Response]] = {
    "names": lambda heard: web.json_response({heard: heard, "x": {heard: heard}}),
    "list": lambda heard: web.json_response([heard, {"AccessToken": heard}]),
    "page": lambda heard: web.Response(status=403, text=f"<html>{heard}"),
    "reason": lambda heard: web.Response(status=404, reason=heard, text=heard),
    "redirect": lambda heard: web.Response(status=307, headers={"Location": f"/?{heard}"}, text=heard),
    "header": lambda heard: web.Response(status=401, headers={"WWW-Authenticate": heard, "Set-Cookie": heard}),
    "life": lambda heard: web.json_response({"AccessToken": heard, "Expires": heard, "message": heard}),
    "no content": lambda heard: web.Response(status=206, text=heard),
    "GBK": lambda heard: web.Response(status=500, body=f'{{"message": "应用 {heard}"}}'.encode("gbk")),
    "UTF-16": lambda heard: web.Response(status=500, body=f'{{"message": "{heard}"}}'.encode("utf-16")),
    "twice": lambda heard: web.Response(status=500, text=f'{{"code": "{heard}", "code": "1", "message": "{heard}"}}'),
}
FORGED = (b"HTTP/1.1 %b\r\n\r\n", b"HTTP/1.1 200 OK\r\n%b\r\n\r\n", b"%b\r\n", b"HTTP/1.1 200 OK\r\nA: \x01%b\r\n\r\n")
"""What is no HTTP, with a token in it."""


async def words_about(url: str) -> str:
    """Return what a person is told where the token service gives no token."""
    async with Client(url, app_key="key", timeout_s=5) as client:
        chosen = Settings(base_url=url, credentials=KEYS, max_attempts=1, max_outage_wait_s=0)
        with pytest.raises(BulkrouteError) as ended:
            await TokenSource(client, chosen).get()
    return str(ended.value)


async def test_no_shape_of_an_answer_shows_the_secret_nor_a_token_that_nobody_knows_yet() -> None:
    shapes = [(DESCRIBED[place], DISGUISES[disguise]) for place in DESCRIBED for disguise in DISGUISES]
    shapes += [(answer, str) for answer in ODD.values()]

    async def hand_back(request: web.BaseRequest) -> web.StreamResponse:
        assert json.loads(await request.read())["app_secret"] == SECRET
        return answer(disguise(f"{LONG} {SECRET}"))

    server = web.Server(hand_back, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        for answer, disguise in shapes:  # noqa: B007  the server reads them
            words = await words_about(url)
            assert not [secret for secret in (LONG, SECRET) if made_out(words, secret)], words
    finally:
        listener.close()
        await server.shutdown(1)


@pytest.mark.parametrize("forged", FORGED)
async def test_what_is_no_http_is_not_repeated(forged: bytes) -> None:
    async def forge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(forged % LONG.encode())
        writer.close()

    listener = await asyncio.start_server(forge, "127.0.0.1", 0)
    async with listener:
        words = await words_about(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    assert not made_out(words, LONG), words
    assert "the token service" in words or "no token could be fetched" in words


def test_words_and_names_of_hosts_are_no_secrets() -> None:
    said = "cannot connect to token.contact-centre.example.com:28443: refused"
    assert read_token_answer(NoReply(FailureKind.CONNECTION, said)) == Trouble(said)
    body = json.dumps({"error_code": "20001", "error_msg": "app_key or app_secret 应用密钥 is\nnot valid"})
    answer = read_token_answer(Reply(500, body.encode()))
    assert answer == Trouble("HTTP 500, 20001, app_key or app_secret 应用密钥 is\nnot valid")


def test_a_text_of_blanks_is_searched_for_secrets_in_no_time() -> None:
    text = "no" + "\n\u2028\x1c" * 1000 + " x"
    assert LIKE_A_SECRET.sub("***", text) == text  # two ways to match each of them would take for ever
