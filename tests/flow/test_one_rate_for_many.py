"""Several runs and a foreign tool share one rate by a queue in front of the service: nginx, set up as the page says."""

import contextlib
import json
import threading
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bulkroute.simulator import Faults
from tests.certificates import certificates
from tests.docs.markdown import blocks
from tests.flow.engine import most_within
from tests.flow.test_never_above_the_rate import ALMOST_A_SECOND_S
from tests.harness import APP_KEY, ROOT, TOKEN, Result, bulkroute, ids, serving, targets, write_csv
from tests.nginx import needs_nginx, nginx
from tests.slow_handshake import tls_before

pytestmark = [pytest.mark.slow, needs_nginx, pytest.mark.usefixtures("uncounted_commands")]

PAGE = ROOT / "docs" / "howto" / "one-rate-for-many.md"
GRANTED = 10
"""What the page's configuration is made for, calls a second in all."""

RUNS, ROWS = 4, 6


def queue(port: int, service: str) -> str:
    """Return the configuration of the page, for a service (host:port) with a certificate of the tests."""
    (block,) = [block for block in blocks(PAGE.read_text("utf-8")) if block.tag == "nginx"]
    text = "\n".join(block.lines)
    for shown, here in {
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "cc.example.com:28443": service,
        "proxy_ssl_name cc.example.com": "proxy_ssl_name localhost",
        "/etc/ssl/certs/ca-certificates.crt": str(certificates() / "authority.pem"),
    }.items():
        assert shown in text
        text = text.replace(shown, here)
    return text


def look_until(is_over: threading.Event, url: str) -> int:
    """Read a page of the list again and again, as a tool would that knows of no rate; return how many times."""
    request = urllib.request.Request(
        f"{url}/apiaccess/rest/cc-management/v1/calledRoute/queryCalledRoute",
        json.dumps({"limit": 100, "offset": 0}).encode(),
        {"X-APP-Key": APP_KEY, "Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    times = 0
    while not is_over.is_set():
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["returnCode"] == "0"
        times += 1
    return times


def test_no_second_has_more_calls_than_are_granted_to_all_together(tmp_path: Path) -> None:
    wanted = targets(ids(RUNS * ROWS))
    parts = [dict(list(wanted.items())[number::RUNS]) for number in range(RUNS)]
    manifests = [write_csv(tmp_path / f"part-{number}.csv", part) for number, part in enumerate(parts)]
    is_over = threading.Event()
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(serving(wanted, Faults(latency_ms=60, jitter_ms=40, fail_500=0.2)))
        tls = tls_before(service.url.removeprefix("http://"), certificates() / "good.pem", handshake_s=0)
        address = stack.enter_context(tls).removeprefix("https://")
        url = f"http://127.0.0.1:{stack.enter_context(nginx(tmp_path, lambda port: queue(port, address)))}"
        threads = stack.enter_context(ThreadPoolExecutor(RUNS + 1))
        stack.callback(is_over.set)

        def run(manifest: Path) -> Result:
            words = ("--base-url", url, "--rate", GRANTED, "--timeout", 60, "--json")
            return bulkroute("run", manifest.name, *words, cwd=tmp_path)

        foreign = threads.submit(look_until, is_over, url)
        results = list(threads.map(run, manifests))
        is_over.set()
        looks = foreign.result()
        calls = service.simulator.calls
    assert [result.code for result in results] == [0] * RUNS, [result.err for result in results]
    assert sum(result.summary["throttled"] for result in results) == 0, "callers wait in the queue; none is refused"
    assert dict(service.bindings) == wanted
    assert Counter(call.endpoint for call in calls)["modifyCalledRoute"] > len(wanted), "retries have come through it"
    assert looks > 0
    assert most_within(sorted(call.at for call in calls), ALMOST_A_SECOND_S) <= GRANTED
