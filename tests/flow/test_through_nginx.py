"""nginx itself between the client and the simulator: its rate limit, its TLS, and its 502 when the upstream dies."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import certificates
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import Service, bulkroute, exported, ids, serving, started, targets, write_csv
from tests.nginx import needs_nginx, nginx

pytestmark = [pytest.mark.slow, needs_nginx]


@contextlib.contextmanager
def tls_nginx(folder: Path, upstream: str, location: str, http: str = "") -> Iterator[str]:
    """Run nginx with TLS before `upstream` (host:port); `location` and `http` are lines of its configuration."""
    certificate = certificates() / "good.pem"

    def lines(port: int) -> str:
        return (
            f"{http} server {{ listen 127.0.0.1:{port} ssl;"
            f"ssl_certificate {certificate}; ssl_certificate_key {certificate};"
            f"location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_read_timeout 1s; {location} }} }}"
        )

    with nginx(folder, lines) as port:
        yield f"https://127.0.0.1:{port}"


def address(service: Service) -> str:
    return service.url.removeprefix("http://")


ENV = {"SSL_CERT_FILE": str(certificates() / "authority.pem")}
FLAGS = ("--no-snapshot", "--json", "--backoff", "0.05", "--backoff-cap", "0.2")


@pytest.mark.parametrize("status", [429, 503])
def test_its_rate_limit_is_kept_below_without_one_refusal(tmp_path: Path, status: int) -> None:
    wanted = targets(ids(120))
    write_csv(tmp_path / "night.csv", wanted)
    limit = f"limit_req zone=night burst=5 nodelay; limit_req_status {status};"
    zone = "limit_req_zone $binary_remote_addr zone=night:1m rate=30r/s;"
    with serving(wanted) as service, tls_nginx(tmp_path, address(service), limit, zone) as url:
        run = bulkroute("run", "night.csv", "--base-url", url, "--rate", "30", *FLAGS, cwd=tmp_path, env=ENV)
        assert run.code == 0, run.err
        assert run.summary["throttled"] <= 1, "the token call shares the limit: one refusal at most"
        assert dict(service.bindings) == wanted


def test_a_rate_above_its_limit_is_slowed_down_and_finishes(tmp_path: Path) -> None:
    wanted = targets(ids(60))
    write_csv(tmp_path / "night.csv", wanted)
    limit = "limit_req zone=night burst=3 nodelay; limit_req_status 429;"
    zone = "limit_req_zone $binary_remote_addr zone=night:1m rate=20r/s;"
    with serving(wanted) as service, tls_nginx(tmp_path, address(service), limit, zone) as url:
        run = bulkroute("run", "night.csv", "--base-url", url, "--rate", "200", *FLAGS, cwd=tmp_path, env=ENV)
        assert run.code == 0, run.err
        assert run.summary["throttled"] > 0
        assert run.summary["failed"] == 0
        assert dict(service.bindings) == wanted


def test_an_upstream_that_dies_and_comes_back(tmp_path: Path) -> None:
    wanted = targets(ids(40))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service, tls_nginx(tmp_path, address(service), "") as url:
        command = ("run", "night.csv", "--base-url", url, "--rate", "unlimited", *FLAGS, "--max-attempts", 2)
        host, port = address(service).split(":")
        service.do(service.simulator.stop())
        env = {**ENV, "BULKROUTE_TOKEN": "flow-token-hush", "BULKROUTE_APP_KEY": "", "BULKROUTE_APP_SECRET": ""}
        with started(*command, cwd=tmp_path, env=env) as process:
            wait_for(lambda: "service down" in bulkroute("ctl", "night.ledger.db", "status", cwd=tmp_path).out)
            service.do(service.simulator.start(host, int(port)))
            _out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert b"HTTP 502" in err
        assert dict(service.bindings) == wanted
    rows = exported(tmp_path / "night.ledger.db").values()
    assert {row["attempts"] for row in rows} <= {"1", "2"}, "nginx may take a moment longer to believe it"
