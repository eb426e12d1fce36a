"""What a message advises goes on: never a window that is over, never one that reading fills, never onto a file."""

import re
import shlex
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.harness import Result, bulkroute, ids, serving, targets, write_csv
from tests.terminal import at_terminal


def advised(result: Result, purpose: str) -> list[str]:
    """Return the words of an advised command after `bulkroute`."""
    found = re.search(rf"^to {purpose}: +bulkroute (.+)$", result.err, re.MULTILINE)
    assert found, result.err
    return shlex.split(found[1])


@pytest.mark.slow
@pytest.mark.parametrize("form", ["--until {}", "--until={}"])
def test_a_window_that_is_over_is_left_out(tmp_path: Path, form: str) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(300)))
    with serving(ids(300)) as service:
        until = datetime.now().astimezone() + timedelta(seconds=12)
        window = form.format(f"{until:%H:%M:%S}").split()
        run = ("run", "night.csv", "--base-url", service.url, "--rate", "10", "--no-snapshot", *window, "--fresh")
        ended = bulkroute(*run, cwd=tmp_path)
        assert ended.code == 4
        assert 0 < service.modified < 300
        again = advised(ended, "go on")
        assert again == ["run", "night.csv", "--base-url", service.url, "--rate", "10", "--no-snapshot"]
        again[again.index("10")] = "unlimited"  # nobody waits in a test
        assert bulkroute(*again, cwd=tmp_path).code == 0
        assert service.modified == 300


@pytest.mark.slow
def test_a_duration_that_made_progress_stays(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(40)))
    with serving(ids(40)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--rate", "8", "--no-snapshot", "--max-duration", "3s")
        ended = bulkroute(*run, "--max-rows", "30", cwd=tmp_path)
        assert ended.code == 4
        assert service.modified > 0
        assert advised(ended, "go on") == [*run, "--max-rows", "30"]


@pytest.mark.slow
def test_a_window_of_more_than_a_night_is_told_before_the_question(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(3)))
    passed = datetime.now().astimezone() - timedelta(minutes=2)
    with serving(ids(3)) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--until", f"{passed:%H:%M}")
        with at_terminal(*run, "--quiet", cwd=tmp_path, columns=200) as terminal:
            asked = terminal.until("[y/N] ")
            terminal.type("n\n")
            assert terminal.end() == 4
        tomorrow = passed + timedelta(days=1)
        assert re.search(
            rf"^warning  --until is 23 h \d+ min away: calls may start until {tomorrow:%Y-%m-%d %H:%M}", asked, re.M
        )
        soon = datetime.now().astimezone() + timedelta(hours=2)
        assert "warning" not in bulkroute(*run[:-1], f"{soon:%H:%M}", cwd=tmp_path).err


@pytest.mark.slow
def test_the_failed_rows_go_into_a_new_file_each_time(tmp_path: Path) -> None:
    wanted = {**targets(ids(3)), "9999999999999999999": (1, 101)}
    write_csv(tmp_path / "failed.csv", wanted)
    with serving(ids(3)) as service:
        run = ("run", "failed.csv", "--base-url", service.url)
        done = bulkroute(*run, cwd=tmp_path)
        assert done.code == 1
        export = advised(done, "see the refused rows")
        assert export[-1] == "failed-2.csv"
        assert bulkroute(*export, cwd=tmp_path).code == 0
        assert advised(bulkroute(*run, cwd=tmp_path), "see the refused rows")[-1] == "failed-3.csv"
        # Trying an unknown id again would find it unknown again.
        accepted = bulkroute(*advised(done, "accept them as they are"), cwd=tmp_path)
        assert accepted.code == 0
        assert "(1 of them skipped)" in accepted.err


@pytest.mark.slow
def test_a_ledger_that_looks_like_a_flag_is_named_as_none(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", {**targets(ids(2)), "9999999999999999999": (1, 101)})
    with serving(ids(2)) as service:
        done = bulkroute("run", "night.csv", "--base-url", service.url, "--ledger=-l.db", cwd=tmp_path)
        assert done.code == 1
        assert bulkroute(*advised(done, "see the refused rows"), cwd=tmp_path).code == 0
