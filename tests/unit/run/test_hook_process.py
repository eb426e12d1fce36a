"""However a hook's command behaves, it costs its time-out at most, leaves no process behind and hears no secret."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest

from bulkroute.cec.clean_text import CleanText
from bulkroute.run.hook_process import OUTPUT_LIMIT, ShellEnd, Tail, environment_for, run_shell

SECRET = 'hush"of/the night'
CLEAN = CleanText([SECRET])
SHORT_S = 0.2
PATIENCE_S = 10.0


def ask(command: str, *, stdin: bytes = b"", timeout_s: float = PATIENCE_S) -> Awaitable[ShellEnd]:
    return run_shell(command, clean=CLEAN, stdin=stdin, timeout_s=timeout_s)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def gone(file: Path) -> bool:
    """Return whether the processes whose numbers stand in a file are gone, or are so soon."""
    processes = [int(word) for word in file.read_text().split()]
    assert processes, "nothing was started: this test shows nothing"
    until_s = time.monotonic() + PATIENCE_S
    while any(map(is_alive, processes)) and time.monotonic() < until_s:
        await asyncio.sleep(0.01)
    return not any(map(is_alive, processes))


async def test_exit_code_and_output_of_both_streams() -> None:
    assert await ask("echo out; echo err >&2; exit 3") == ShellEnd(exit_code=3, output="out\nerr")


async def test_it_reads_its_input_and_its_variables() -> None:
    large = b"x" * 1_000_000
    end = await run_shell(
        'echo "$BULKROUTE_WAVE"; wc -c', clean=CLEAN, stdin=large, variables={"BULKROUTE_WAVE": "2 of 3"}
    )
    assert end.output.split("\n") == ["2 of 3", "1000000"]


@pytest.mark.parametrize("command", ["exec <&-; sleep 0.05; echo ok", "echo ok", "head -c 10 >/dev/null; echo ok"])
async def test_input_that_is_not_read_changes_nothing(command: str) -> None:
    assert await ask(command, stdin=b"x" * 1_000_000) == ShellEnd(exit_code=0, output="ok")


async def test_a_signal_is_named() -> None:
    end = await ask("echo before; kill -SEGV $$")
    assert end == ShellEnd(signal=signal.SIGSEGV, output="before")
    assert end.words == "killed by SIGSEGV"


async def test_a_command_that_cannot_begin() -> None:
    end = await ask("echo \0")
    assert (end.exit_code, end.signal, end.timed_out) == (None, None, False)
    assert end.trouble == end.words == "cannot be started: embedded null byte"
    assert (await run_shell(":", clean=CLEAN, variables={"BULKROUTE_X": "x" * 10_000_000})).trouble == (
        "cannot be started: Argument list too long"
    )


async def test_a_command_that_is_not_there_says_so_itself() -> None:
    end = await ask("no-such-command-anywhere")
    assert (end.exit_code, end.words) == (127, "exit code 127")
    assert "not found" in end.last_line


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    ["sleep 600", "trap '' TERM; sleep 600 & wait; wait; sleep 600", "exec >/dev/null 2>&1 <&-; sleep 600", "cat"],
)
async def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path, command: str) -> None:
    pids = tmp_path / "pids"
    stdin = b"x" * 1_000_000
    end = await ask(f"sleep 600 & echo $$ $! >{pids}; sleep 600 | {{ {command}; }}; true", stdin=stdin, timeout_s=1.0)
    assert (end.exit_code, end.timed_out, end.words) == (None, True, "not ended in time")
    assert await gone(pids)


@pytest.mark.slow
async def test_sigterm_comes_first() -> None:
    end = await ask("trap 'echo hanging up; exit 0' TERM; sleep 600 & wait", timeout_s=2.0)
    assert end == ShellEnd(timed_out=True, output="hanging up")


async def test_children_that_outlive_the_command_and_hold_its_output(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    end = await ask(f"trap '' TERM HUP; sleep 600 & nohup sleep 600 & echo $! $$ >{pids}; echo done; exit 5")
    assert end.exit_code == 5
    assert "done" in end.output
    assert await gone(pids)


@pytest.mark.parametrize(
    ("command", "timeout_s"),
    [
        (
            "setsid sh -c 'echo $$ >{pids}; exec sleep 600' & until [ -s {pids} ]; do sleep 0.01; done; exit 5",
            PATIENCE_S,
        ),
        pytest.param("(setsid sh -c 'sleep 600 & echo $! >{pids}; wait' &) ; sleep 600", 2.0, marks=pytest.mark.slow),
    ],
)
async def test_children_in_a_session_of_their_own(tmp_path: Path, command: str, timeout_s: float) -> None:
    pids = tmp_path / "pids"
    end = await ask(command.format(pids=pids), timeout_s=timeout_s)
    assert (end.exit_code, end.timed_out) == ((5, False) if timeout_s == PATIENCE_S else (None, True))
    assert await gone(pids)


async def test_the_loop_goes_on_and_memory_stays_flat_while_it_prints_without_end() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    counting = asyncio.create_task(count())
    end = await ask("yes 'the same line' ; true", timeout_s=SHORT_S)
    counting.cancel()
    assert end.timed_out
    assert len(end.output) <= OUTPUT_LIMIT
    assert end.last_line == "the same line"
    assert turns > 5


async def test_a_caller_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = asyncio.ensure_future(ask(f"trap '' TERM; sleep 600 & echo $$ $! >{pids}.new; mv {pids}.new {pids}; wait"))
    while not pids.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # a second time, while the group is being killed
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(pids)


async def test_a_lost_exit_code_is_no_success() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        end = await ask("exit 0")
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert end.exit_code is None
    assert "SIGCHLD" in end.words


async def test_no_secret_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULKROUTE_TOKEN_FILE", "/etc/token")
    monkeypatch.setenv("BULKROUTE_RATE", "20")
    monkeypatch.setenv("CI_PASSWORD", f"x{SECRET}x")
    monkeypatch.setenv("AS_URL", "https://hush%22of%2Fthe%20night@host")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass@proxy:3128")
    monkeypatch.setenv("HARMLESS", "kept")
    monkeypatch.setenv("PGPASSWORD", "of the database")
    found = environment_for({"BULKROUTE_EVENT": "ended"}, CLEAN)
    assert {name for name in found if name.startswith("BULKROUTE")} == {"BULKROUTE_EVENT"}
    assert found["HARMLESS"] == "kept"
    assert not {"CI_PASSWORD", "AS_URL", "HTTPS_PROXY", "PGPASSWORD"} & found.keys()
    assert found["PATH"] == os.environ["PATH"]
    assert re.findall("BULKROUTE\\w*", (await ask("env")).output) == ["BULKROUTE_HOOK"]


async def test_a_secret_that_it_prints_is_blotted_out_and_lines_stay_lines() -> None:
    end = await run_shell(
        "cat; printf 'red \\033[31m\\n\\n \\377 end'", clean=CLEAN, stdin=SECRET.encode() + b" said\n"
    )
    assert end.output == "*** said\nred \N{REPLACEMENT CHARACTER}[31m\n\N{REPLACEMENT CHARACTER} end"


@pytest.mark.parametrize("after", range(OUTPUT_LIMIT - len(SECRET) - 2, OUTPUT_LIMIT + 12))
def test_no_half_of_a_secret_is_left_where_the_output_is_cut(after: int) -> None:
    tail = Tail(OUTPUT_LIMIT + CLEAN.longest)
    for text in ("a" * 100_000, SECRET, "b" * after):
        tail.add(text.encode())
    found = tail.text(CLEAN)
    assert not any(part in found for part in ("hush", "the", "night", "ht", "tb"))
    assert found.endswith("b" * (OUTPUT_LIMIT - CLEAN.longest - 3))
    assert len(found) <= OUTPUT_LIMIT


def test_many_secrets_bring_no_half_one_back() -> None:
    tail = Tail(OUTPUT_LIMIT + CLEAN.longest)
    tail.add((SECRET + ";").encode() * 5_000)
    assert set(tail.text(CLEAN).split(";")) <= {"***", "**", "*", ""}


def test_what_is_kept_does_not_grow() -> None:
    tail = Tail(10)
    for _ in range(1000):
        tail.add(b"0123456789abc")
    assert len(tail._kept) == 10
