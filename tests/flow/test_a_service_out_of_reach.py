"""A service that cannot be reached, or not be trusted: through the real command line, never hanging, always with the reason."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import certificates
from tests.harness import Result, bulkroute, exported, ids, serving, targets, write_csv

pytestmark = pytest.mark.slow

FLAGS = (
    "--service-moved",
    "--no-snapshot",
    "--rate",
    "unlimited",
    "--max-attempts",
    2,
    "--backoff",
    "0.01",
    "--timeout",
    2,
    "--json",
)
STATIC = {"BULKROUTE_TOKEN": "flow-token-hush", "BULKROUTE_APP_KEY": "", "BULKROUTE_APP_SECRET": ""}


def run_against(url: str, folder: Path, **env: str) -> Result:
    """Run two rows against a service that should not work out."""
    write_csv(folder / "night.csv", targets(ids(2)))
    return bulkroute("run", "night.csv", "--base-url", url, *FLAGS, cwd=folder, env={**STATIC, **env}, timeout_s=60)


def check_unreachable(result: Result, folder: Path, reason: str) -> None:
    assert result.code == 69, result.err
    assert reason in result.err
    assert "Traceback" not in result.err
    assert result.summary["pending"] == 2
    assert {row["status"] for row in exported(folder / "night.ledger.db").values()} == {"pending"}


def test_a_name_nobody_knows(tmp_path: Path) -> None:
    check_unreachable(run_against("https://bulkroute.invalid", tmp_path), tmp_path, "cannot be resolved")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        check_unreachable(run_against(url, tmp_path), tmp_path, "cannot connect")


def test_packets_that_vanish(tmp_path: Path) -> None:
    with contextlib.ExitStack() as exits:
        listener = exits.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # a full backlog: what comes after gets no answer at all
            filler = exits.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        check_unreachable(run_against(url, tmp_path), tmp_path, "no connection in time")


def test_a_listener_that_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for url in (f"http://127.0.0.1:{port}", f"https://127.0.0.1:{port}"):
            result = run_against(url, tmp_path, BULKROUTE_MAX_OUTAGE_WAIT="3")
            # Who takes a call and says nothing may only be away; who does not even talk TLS is somebody else.
            assert result.code == (69 if url.startswith("https") else 4), result.err
            assert result.summary["pending"] == 2
            assert "Traceback" not in result.err


@contextlib.contextmanager
def tls_in_front(certificate: str, port: int) -> Iterator[str]:
    """Serve TLS with one of the certificates, and pass what comes on to a port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates() / f"{certificate}.pem")

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve(raw: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            raw,
            context.wrap_socket(raw, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port)) as service,
        ):
            back = threading.Thread(target=pump, args=(service, client))
            back.start()
            pump(client, service)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(5)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("wrong-name", "IP address mismatch"), ("expired", "has expired"), ("unknown", "unable to get local issuer")],
)
def test_a_certificate_that_proves_nothing(tmp_path: Path, certificate: str, reason: str) -> None:
    with serving(ids(2)) as service, tls_in_front(certificate, int(service.url.rpartition(":")[2])) as url:
        result = run_against(url, tmp_path, SSL_CERT_FILE=str(certificates() / "authority.pem"))
        check_unreachable(result, tmp_path, reason)
        assert "not trusted" in result.err
        assert not service.simulator.calls, "the token went to somebody unknown"


def test_a_certificate_of_the_companys_own_authority(tmp_path: Path) -> None:
    with serving(ids(2)) as service, tls_in_front("good", int(service.url.rpartition(":")[2])) as url:
        result = run_against(url, tmp_path, SSL_CERT_FILE=str(certificates() / "authority.pem"))
        assert result.code == 0, result.err
        assert dict(service.bindings) == targets(ids(2))


def test_a_certificate_file_that_is_not_there(tmp_path: Path) -> None:
    result = run_against("https://127.0.0.1:9", tmp_path, SSL_CERT_FILE=str(tmp_path / "none.pem"))
    assert result.code in (2, 69)
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "proxy",
    ["http://127.0.0.1:9", "http://user:hushproxy@127.0.0.1:9", "nonsense", "socks5://127.0.0.1:9", "http://:bad:"],
)
def test_a_proxy_that_is_no_use(tmp_path: Path, proxy: str) -> None:
    result = run_against("https://cc.example.invalid", tmp_path, HTTPS_PROXY=proxy)
    assert result.code in (2, 69), result.err
    assert "Traceback" not in result.err
    assert "hushproxy" not in result.err
