"""The question is asked wherever a person sits at standard input, and shown on the terminal, whatever is redirected."""

import re
from pathlib import Path

import pytest

from bulkroute.simulator import Route
from tests.harness import bulkroute, ids, serving, targets, write_csv
from tests.terminal import at_terminal

ASKED = "Send now? [y/N] "
REDIRECTED = {
    "nothing": "",
    "stderr to a file": "2>night.log",
    "both through tee": "2>&1 | tee night.log",
    "stdout to a file": ">night.log",
    "both to a file": ">night.log 2>&1",
}


def tenant(count: int) -> tuple[list[Route], dict[str, tuple[int, int]]]:
    """Return routes, the second of them locked, and where all of them are to go."""
    row_ids = ids(count)
    routes = [Route(row_id, 1, 7, editable="1" if place == 1 else "0") for place, row_id in enumerate(row_ids)]
    return routes, dict.fromkeys(row_ids, (1, 777))


@pytest.mark.slow
@pytest.mark.usefixtures("uncounted_commands")
@pytest.mark.parametrize("redirected", REDIRECTED)
@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_a_person_at_the_terminal_is_asked(tmp_path: Path, redirected: str, quiet: tuple[str, ...]) -> None:
    wanted = targets(ids(8))
    write_csv(tmp_path / "night.csv", wanted)
    ledger = tmp_path / "night.ledger.db"
    with serving(wanted) as service:
        run = ("run", "night.csv", "--base-url", service.url, *quiet)
        bytes_ = None
        for answer, code, to_change, sent in (("n", 4, 8, 0), ("y", 0, 8, 8), ("", 4, 1, 8)):
            before = service.modified
            with at_terminal(*run, cwd=tmp_path, redirected=REDIRECTED[redirected]) as terminal:
                shown = terminal.until(ASKED)
                assert f"service  {service.url}" in shown
                assert f"rows     {to_change} to change, {8 - to_change} already right" in shown
                assert f"pace     10/s, 16 at once: about 0.{to_change} s, until " in shown
                assert service.modified == before
                terminal.type(f"{answer}\n")
                assert terminal.end() == code
            assert service.modified == sent
            found = ledger.read_bytes() if ledger.exists() else None
            assert (found == bytes_) is (answer != "y"), "only yes leaves a trace in the ledger"
            bytes_ = found
            if answer == "y":
                service.rebind({next(iter(wanted)): (1, 999)})
        log = tmp_path / "night.log"
        assert not log.exists() or ASKED not in log.read_text(), "the question went where nobody reads it"


@pytest.mark.slow
def test_a_rollback_is_asked_about_too(tmp_path: Path) -> None:
    wanted = targets(ids(3))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        before = dict(service.bindings)
        assert bulkroute("run", "night.csv", "--base-url", service.url, cwd=tmp_path).code == 0
        rollback = ("rollback", "night.ledger.db", "--base-url", service.url)
        for answer, code in (("n", 4), ("y", 0)):
            with at_terminal(*rollback, cwd=tmp_path, redirected="2>&1 | tee back.log") as terminal:
                assert "rows     3 to put back" in terminal.until(ASKED)
                terminal.type(f"{answer}\n")
                assert terminal.end() == code
            assert (dict(service.bindings) == before) is (answer == "y")


@pytest.mark.slow
def test_the_question_has_what_a_person_must_look_at(tmp_path: Path) -> None:
    routes, wanted = tenant(30)
    wanted["9999999999999999999"] = (3, 888)
    write_csv(tmp_path / "night.csv", wanted)
    with serving(routes) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--rate", "20", "--max-duration", "1h")
        with at_terminal(*run, "--quiet", cwd=tmp_path, redirected="2>&1 | cat") as terminal:
            shown = terminal.until(ASKED)
            terminal.type("n\n")
            assert terminal.end() == 4
        assert "rows     29 to change, 0 already right" in shown
        assert "refused  1 locked, 1 unknown_id; nothing is sent for them" in shown
        assert "change   29 from skill_queue 7 to skill_queue 777" in shown
        assert re.search(r"^pace     20/s, 16 at once: about 1\.4 s, until \d\d:\d\d:\d\d$", shown, re.MULTILINE)
        assert re.search(r"^window   no call starts after ", shown, re.MULTILINE)
        assert "failed" not in shown
        assert re.search(r"^warning  .*skill_queue 777 does not exist", shown, re.MULTILINE)
        # Without the snapshot nothing is known of what is right already, and there is no way back.
        with at_terminal(*run, "--no-snapshot", cwd=tmp_path, columns=200) as terminal:
            shown = terminal.until(ASKED)
            terminal.type("n\n")
            assert terminal.end() == 4
        assert "0 done by the ledger; live was not read" in shown
        assert "change   30 to skill_queue 777" in shown
        assert "this cannot be rolled back" in shown
        assert service.modified == 0


@pytest.mark.slow
def test_only_yes_no_terminal_and_rehearsals_ask_nothing(tmp_path: Path) -> None:
    wanted = targets(ids(3))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        run = ("run", "night.csv", "--base-url", service.url, "--no-snapshot")
        for words, redirected in (
            ((*run, "--yes"), "2>&1 | tee log"),
            ((*run, "--fresh"), "</dev/null"),
            (("run", "night.csv", "--simulate", "--ledger", "other.db"), ""),
        ):
            with at_terminal(*words, cwd=tmp_path, redirected=redirected) as terminal:
                assert terminal.end() == 0
                assert ASKED not in terminal.text
        assert service.modified == 6


@pytest.mark.slow
def test_ctrl_c_at_the_question_sends_nothing(tmp_path: Path) -> None:
    wanted = targets(ids(3))
    write_csv(tmp_path / "night.csv", wanted)
    with serving(wanted) as service:
        with at_terminal("run", "night.csv", "--base-url", service.url, cwd=tmp_path) as terminal:
            terminal.until(ASKED)
            terminal.type("\x03")
            assert terminal.end() == 4
            assert "interrupted by SIGINT; nothing was sent" in terminal.text
        assert service.modified == 0
