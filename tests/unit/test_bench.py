"""The bench's own arithmetic, and that it says what is missing. What it measures is no test."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.bench import commands, manifests, pace
from tests.bench.figures import Finding, Spread, Target, at_least, at_most, per_row, ratios, spread, table
from tests.bench.pace import mean_per_s, most_in_a_second
from tests.bench.processes import SCRIPT, spend
from tests.bench.sending import parallel_command
from tests.bench.service import Nginx, nginx
from tests.bench.tools import TOOLS, missing, path_of


def test_a_spread_is_the_median_with_the_extremes() -> None:
    assert spread([3, 1, 10]) == Spread(3, 1, 10)
    assert spread([1, 2]) == Spread(1.5, 1, 2)


def test_ratios_are_taken_round_by_round() -> None:
    # The second round was slow for both sides: its ratio is like the others, that of the medians would not be.
    assert ratios([90, 9, 100], [100, 10, 100]) == Spread(0.9, 0.9, 1.0)


def test_a_ratio_wants_both_sides_of_every_round() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        ratios([1, 2], [1])


def test_what_a_start_costs_is_taken_off() -> None:
    assert per_row(0.5 + 20_000 * 0.001, 20_000, 0.5 + 1_000 * 0.001, 1_000) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("target", "figure", "reached"),
    [(at_least(0.9), 0.9, True), (at_least(0.9), 0.89, False), (at_most(5), 5, True), (at_most(5), 5.01, False)],
)
def test_the_median_decides(target: Target, figure: float, reached: bool) -> None:
    finding = Finding("speed", Spread(figure, 0, 100), target)
    assert finding.mark == ("yes" if reached else "NO")


def test_the_table_shows_target_figure_and_spread() -> None:
    lines = table(
        [Finding("speed", Spread(0.91, 0.88, 1.2), at_least(0.9)), Finding("rows/s", Spread(5000, 5000, 5000))]
    )
    assert lines.splitlines()[1:] == [
        "speed   >= 0.9 x  0.91 (0.88 to 1.2)               yes",
        "rows/s            5,000",
    ]


def test_arrivals_are_counted_in_every_half_open_second() -> None:
    assert most_in_a_second([0, 500, 999, 1500]) == 3
    assert most_in_a_second([0, 1001, 2002]) == 1
    assert most_in_a_second([0, 1000]) == 2  # notes in whole milliseconds: it may have been 999.1
    assert mean_per_s([0, 500, 1000]) == 2


def test_nothing_is_missing_where_everything_is_found() -> None:
    assert missing(lambda name: f"/usr/bin/{name}") == {}


@pytest.mark.parametrize("name", TOOLS)
def test_a_missing_program_is_named_with_what_is_lost_and_how_to_get_it(name: str) -> None:
    said = missing(lambda program: None if program == name else program)
    assert list(said) == [name]
    assert said[name].startswith(f"{name} is missing: ")
    assert f"apt-get install {TOOLS[name].package}" in said[name]


@contextmanager
def noting() -> Iterator[tuple[str, list[tuple[str | None, str]]]]:
    """Serve on loopback; give the address, and content type and body of each POST that came."""
    came: list[tuple[str | None, str]] = []

    class Notes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.headers["Content-Type"], body.decode()))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Notes) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", came
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(not (shutil.which("parallel") and shutil.which("curl")), reason="needs GNU parallel and curl")
def test_gnu_parallel_posts_each_body_as_json(tmp_path: Path) -> None:
    bodies = manifests.write_bodies(tmp_path / "bodies", 3)
    with noting() as (url, came):
        spend(parallel_command(bodies, url), cwd=tmp_path)
    assert sorted(came) == sorted(("application/json", body) for body in bodies.read_text().splitlines())


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Nginx]:
    if path_of("nginx") is None:
        pytest.skip("needs nginx")
    tmp_path.chmod(0o755)  # nginx drops to another user
    with nginx(tmp_path / "nginx") as service:
        yield service


@pytest.mark.slow
def test_every_tenant_is_held_to_its_own_pace(tmp_path: Path, sink: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TENANTS", 3)
    found = {
        finding.what.partition(": ")[2]: finding for finding in pace.keep_many(tmp_path, sink, seconds=1, rounds=1)
    }
    assert 0 < found["most calls in a second of any"].figure.median <= pace.TENANT_RATE_PER_S
    assert len(sink.arrivals.read_text().split()) == 3 * pace.TENANT_RATE_PER_S * 2, "when, and by whom"
    assert found["peak memory"].figure.median > 20
    assert found["time, starts included, against the rate alone"].figure.median > 0.8, "it takes no less"


@pytest.mark.slow
def test_commands_that_a_person_waits_for_are_timed(tmp_path: Path) -> None:
    planned, checked = commands.plan(tmp_path, rows=20, rounds=1)
    assert min(planned.figure.median, checked.figure.median) > 0
    rows = tmp_path / "rows.csv"
    rows.write_text("id,devicetype,deviceId\n" + "".join(f"{manifests.row_id(each)},3,201\n" for each in range(3)))
    with commands.simulator(rows) as root:
        spend([SCRIPT, "run", rows, "--base-url", root, "--yes"], cwd=tmp_path)
    told, page = commands.status(tmp_path, rows.with_suffix(".ledger.db"), rows=3, rounds=1)
    assert (told.what, page.what) == ("status of 3 rows", "report of 3 rows")
    assert min(told.figure.median, page.figure.median) > 0
    assert "<html" in (tmp_path / "report.html").read_text()
