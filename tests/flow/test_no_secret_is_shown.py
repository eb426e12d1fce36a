"""No secret in anything the program writes or shows, however hard the service tries to hand it back; and what a
hostile service may not do to a terminal, a spreadsheet or the token's way."""

import csv
import io
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from bulkroute.simulator import Faults
from tests.disguises import Handler, Hostile
from tests.harness import bulkroute, environment, ids, serving, started, targets, write_csv

pytestmark = pytest.mark.usefixtures("uncounted_commands")

SECRET = 'hush"secret\\of/the+night'
TOKEN = "eyJhbGciOi.hush-token-of-the-night_123"
KEYS = {"BULKROUTE_APP_KEY": "night-key", "BULKROUTE_APP_SECRET": SECRET}
FIXED = {"BULKROUTE_TOKEN": TOKEN, "BULKROUTE_APP_KEY": "", "BULKROUTE_APP_SECRET": ""}
FLAGS = (
    "--service-moved",
    "--no-snapshot",
    "--rate",
    "unlimited",
    "--max-attempts",
    2,
    "--backoff",
    "0.01",
    "--allow-http",
)
SPELLINGS = [text for secret in (SECRET, TOKEN) for text in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""))]


@pytest.fixture
def hostile() -> Iterator[Callable[[Handler], Hostile]]:
    servers: list[Hostile] = []

    def serve(handler: Handler) -> Hostile:
        servers.append(Hostile(handler))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def echo(status: int, shape: str) -> Handler:
    """Return a service that hands every secret it was told back in its answer."""
    told: list[str] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        heard = " ".join(
            (request.headers.get("Authorization", ""), TOKEN, *told, *(quote(text, safe="") for text in told))
        )
        if request.path.endswith("tokenByAkSk"):
            body = json.loads(await request.read())
            if body.get("app_secret") != SECRET:
                return web.json_response({"error_msg": heard}, status=403)
            told.append(SECRET)
            return web.json_response({"AccessToken": TOKEN, "Expires": "600"})
        if shape == "description":
            return web.json_response({"returnCode": "77", "description": heard}, status=status)
        if shape == "code":
            return web.json_response({"returnCode": heard, "error_code": heard}, status=status)
        if shape == "nested":
            return web.json_response({"returnCode": "77", "description": {"heard": [heard]}}, status=status)
        if shape == "far in":
            return web.Response(body=b" " * 1990 + heard.encode(), status=status)
        return web.Response(body=b"<html>" + heard.encode(), status=status, reason=TOKEN)

    return handle


def leaks(folder: Path, *texts: str) -> list[str]:
    """Return where a secret stands in what was written: texts, and every file of the folder."""
    found = [f"output: {spelling}" for text in texts for spelling in SPELLINGS if spelling in text]
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            found += [f"{path.name}: {spelling}" for spelling in SPELLINGS if spelling.encode() in content]
    return found


@pytest.mark.parametrize("shape", ["description", "code", "nested", "far in", "page"])
@pytest.mark.parametrize("status", [200, 403, 500])
@pytest.mark.slow
def test_a_service_that_echoes_secrets(
    tmp_path: Path, hostile: Callable[[Handler], Hostile], status: int, shape: str
) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    for credentials in (KEYS, FIXED):
        server = hostile(echo(status, shape))
        run = bulkroute("run", "night.csv", "--base-url", server.url, *FLAGS, "--json", cwd=tmp_path, env=credentials)
        assert run.code == (77 if status == 403 else 1), run.err
        shown = [
            bulkroute(*asked, "night.ledger.db", cwd=tmp_path)
            for asked in (("status",), ("export",), ("export", "--format", "jsonl"))
        ]
        texts = [run.out, run.err, *(text for result in shown for text in (result.out, result.err))]
        assert not leaks(tmp_path, *texts)
        if status != 403 and shape in ("description", "nested"):
            assert "***" in shown[1].out, "the echo never arrived: this test shows nothing"


@pytest.mark.slow
def test_a_token_service_that_echoes_the_secret(tmp_path: Path, hostile: Callable[[Handler], Hostile]) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        return web.Response(text=f"{'x' * 480}{body['app_secret']} {SECRET}", status=status)

    write_csv(tmp_path / "night.csv", targets(ids(3)))
    for status in (200, 400, 403, 500):  # noqa: B007  refuse reads it
        server = hostile(refuse)
        run = bulkroute("run", "night.csv", "--base-url", server.url, *FLAGS, cwd=tmp_path, env=KEYS)
        assert run.code in (69, 77), run.err
        assert not leaks(tmp_path, run.out, run.err)
        assert SECRET[:5] not in run.err, "a part of the secret was shown"


def test_the_process_list_and_the_files_of_a_run(tmp_path: Path) -> None:
    wanted = targets(ids(200))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted, Faults(latency_ms=20)) as service:
        arguments = ("run", "night.csv", "--base-url", service.url, "--no-snapshot", "--rate", "40")
        with started(*arguments, cwd=tmp_path) as process:
            while service.modified < 5:
                assert process.poll() is None
            shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
            written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"run" in shown
    for secret in environment().keys() & {"BULKROUTE_APP_SECRET", "BULKROUTE_TOKEN"}:
        assert environment()[secret].encode() not in shown + written
    private = {name: mode for name, mode in files.items() if name.startswith("night.ledger.db")}
    assert len(private) > 2
    assert set(private.values()) == {0o600}, private


def test_secrets_have_no_flags(tmp_path: Path) -> None:
    for flag in ("--token", "--app-secret", "--app-key"):
        result = bulkroute("run", "night.csv", flag, "hush", cwd=tmp_path)
        assert result.code == 2
        assert "hush" not in result.err


@pytest.mark.slow
def test_a_redirect_takes_no_token_anywhere(tmp_path: Path, hostile: Callable[[Handler], Hostile]) -> None:
    visitors: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        visitors.append(request.path)
        return web.json_response({"returnCode": "0"})

    thief = hostile(elsewhere)
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    for status in (301, 307, 308):

        async def redirect(_request: web.BaseRequest, status: int = status) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": thief.url + "/stolen"})

        server = hostile(redirect)
        for credentials in (FIXED, KEYS):
            run = bulkroute("run", "night.csv", "--base-url", server.url, *FLAGS, cwd=tmp_path, env=credentials)
            assert run.code in (1, 69), run.err
    assert not visitors


@pytest.mark.parametrize("url", ["http://cc.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"])
@pytest.mark.slow
def test_no_token_goes_out_unencrypted(tmp_path: Path, url: str) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    for flags in (("--base-url", url), ("--base-url", "https://cc.example.com", "--auth-url", url)):
        result = bulkroute("run", "night.csv", "--no-snapshot", *flags, cwd=tmp_path)
        assert result.code == 2
        assert "unencrypted" in result.err
        assert not (tmp_path / "night.ledger.db").exists()


HOSTILE_TEXTS = {
    "escape codes": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b31m\r\nfake: line\x08",
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+1",
    "at": "@SUM(A1)",
    "tab": "\t=1+1",
    "markup": "[bold red]x[/] [/nothing] :smile: [link=file:///etc/passwd]y[/link]",
    "html": "<script>alert(1)</script>",
    "bidi": "\u202egnp.exe\u2066",
}


@pytest.mark.parametrize("case", HOSTILE_TEXTS)
@pytest.mark.slow
def test_texts_of_the_service_are_harmless(tmp_path: Path, hostile: Callable[[Handler], Hostile], case: str) -> None:
    async def talk(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"returnCode": HOSTILE_TEXTS[case], "description": HOSTILE_TEXTS[case]})

    write_csv(tmp_path / "night.csv", targets(ids(2)))
    server = hostile(talk)
    run = bulkroute("run", "night.csv", "--base-url", server.url, *FLAGS, cwd=tmp_path, env=FIXED)
    assert run.code == 1, run.err
    status, export = (bulkroute(verb, "night.ledger.db", cwd=tmp_path) for verb in ("status", "export"))
    assert status.code == export.code == 0, status.err + export.err
    for text in (run.err, run.out, status.out, status.err, export.out):
        assert all(char.isprintable() or char in "\r\n" for char in text), ascii(text)
    for row in csv.DictReader(io.StringIO(export.out)):
        assert row["description"][0] not in "=+-@\t\r"
        assert row["return_code"][0] not in "=+-@\t\r"


@pytest.mark.parametrize("name", ["[red]x.csv", ":smile:.csv", "%s%n.csv", "-x.csv", "a b'c\".csv"])
@pytest.mark.slow
def test_names_with_signs_in_them(tmp_path: Path, name: str) -> None:
    wanted = {"[/]": (1, 101), "[/bold]": (3, 201), ":smile:": (1, 102), "=1+1": (1, 103), "-5": (1, 104)}
    write_csv(tmp_path / name, wanted)
    with serving(list(wanted)) as service:
        run = bulkroute("run", "--base-url", service.url, "--no-snapshot", "--", name, cwd=tmp_path)
        assert run.code == 0, run.err
        assert dict(service.bindings) == wanted
    assert bulkroute("status", "--", str(Path(name).with_suffix(".ledger.db")), cwd=tmp_path).code == 0


@pytest.mark.slow
def test_what_cannot_be_a_token_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    with serving(ids(2)) as service:
        run = ("run", "night.csv", "--base-url", service.url)
        for token, why in (
            (
                f"Bearer {TOKEN}",
                "BULKROUTE_TOKEN holds the word Bearer, which bulkroute itself writes before the token;",
            ),
            (f'"{TOKEN}"', "BULKROUTE_TOKEN holds a quote; give the token alone"),
        ):
            done = bulkroute(*run, cwd=tmp_path, env={**FIXED, "BULKROUTE_TOKEN": token})
            assert done.code == 2
            assert why in done.err
            assert TOKEN not in done.err
        assert not service.simulator.calls_per_endpoint.total()
        (tmp_path / "token").write_text("flow-token-hush")
        (tmp_path / "token").chmod(0o644)
        done = bulkroute(*run, cwd=tmp_path, env={**FIXED, "BULKROUTE_TOKEN": "", "BULKROUTE_TOKEN_FILE": "token"})
        assert done.code == 0
        assert "warning: token: every user of this machine may read the file of BULKROUTE_TOKEN_FILE" in done.err


def test_a_secrets_file_without_a_writer_holds_nothing_up(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    os.mkfifo(tmp_path / "token")
    env = {**FIXED, "BULKROUTE_TOKEN": "", "BULKROUTE_TOKEN_FILE": "token"}
    done = bulkroute("run", "night.csv", "--base-url", "http://127.0.0.1:1", cwd=tmp_path, env=env)
    assert done.code == 2
    assert "token: the file of BULKROUTE_TOKEN_FILE is no regular file" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("given", ["flag", "flag with =", "environment", "file"])
def test_the_value_of_a_header_is_shown_nowhere(tmp_path: Path, given: str) -> None:
    """Not in advised commands, nor in the ledger, nor where the service echoes it."""
    value = "hush-header-of-the-night"
    header = f"X-Tenant-Token: {value}"

    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["X-Tenant-Token"] == value
        return web.json_response({"returnCode": "7", "description": f"no such tenant: {request.headers}"})

    words = {"flag": ("--header", header), "flag with =": (f"--header={header}",)}.get(given, ())
    env = {**FIXED, "BULKROUTE_HEADER": header} if given == "environment" else FIXED
    if given == "file":
        (tmp_path / "bulkroute.toml").write_text(f'header = ["{header}"]\n')
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    server = Hostile(echo)
    try:
        run = ("run", "night.csv", "--base-url", server.url, *FLAGS, *words)
        for log_format in ("text", "json"):
            done = bulkroute(*run, "--log-format", log_format, "--json", cwd=tmp_path, env=env)
            assert done.code == 1
            assert "no such tenant" in done.err
            assert value not in done.err + done.out
    finally:
        server.close()
    if words:
        assert "X-Tenant-Token: ***" in done.err
        # Pasted as it is, the advised command says what is missing.
        pasted = bulkroute("run", "night.csv", "--header", "X-Tenant-Token: ***", cwd=tmp_path, env=env)
        assert pasted.code == 2
        assert "*** stands for the value of the header X-Tenant-Token, which is shown nowhere" in pasted.err
    for file in tmp_path.glob("night.ledger.db*"):
        assert value.encode() not in file.read_bytes()


@pytest.mark.parametrize("broken", ["X-Token hush", "X-Token: hu\u00dfsh", "Ho st: hush"])
def test_a_header_that_is_none_is_not_shown(tmp_path: Path, broken: str) -> None:
    done = bulkroute("run", "night.csv", cwd=tmp_path, env={"BULKROUTE_HEADER": broken})
    assert done.code == 2
    assert "header" in done.err
    assert "hush" not in done.err
    assert "sh " not in done.err
