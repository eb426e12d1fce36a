"""Walks a page as its reader would: its command lines, in order, in one shell and one folder, for real.

Commands stand in blocks tagged `console` (`$ command`, `> ` for its further lines, then what it prints), `sh` and
`python`; blocks with another tag are not run. What a console block prints is held against what really came, but for
times, durations, ports and the like. A line `...` stands for any lines, `...` within one for any text. A command that fails must be followed by
one that shows `$?`. A page may say what it starts from:

    <!-- files: cutover.csv faulty.csv -->         copied from manifests/; `cutover.csv=40`: its first 40 rows
    <!-- simulator: --manifest cutover.csv -->     runs beside; https://cc.example.com is its address

https://cc.example.com and fixed loopback ports of a page are made free ports of this machine.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.docs.markdown import blocks
from tests.harness import ROOT

SERVICE = "https://cc.example.com"
PLACE = re.compile(r"\b127\.0\.0\.1:(?P<port>[1-9]\d{2,4})\b|--port (?P<flag>[1-9]\d{2,4})\b")
STARTS_FROM = re.compile(r"<!-- (?P<what>files|simulator): (?P<value>.*?) -->")
MARK = "\x1e"
KILLED = re.compile(r"^\S*: line \d+: +\d+ Killed.*")

PROGRAMS = {
    "bulkroute": [sys.executable, "-m", "bulkroute"],
    "python": [sys.executable],
    "make": ["sh", str(ROOT / "manifests" / "demo.sh")],  # `make run`: making a virtual environment is not for a test
}

VARIES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?Z| ?[+-]\d\d:?\d\d)?"), "MOMENT"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\bpid \d+"), "pid N"),
    (re.compile(r"\b[\d,]+ h \d+ min|\b\d+ min \d+ s\b|\b\d+(\.\d+)? s\b"), "SPAN"),
    (re.compile(r"\b[\d.,]+/s on average"), "RATE on average"),
    (re.compile(r"\b\d+/s (of|now)\b"), r"N/s \1"),
    (re.compile(r"\b[\d,]+ KiB"), "N KiB"),
    (re.compile(r"token=[\w-]+"), "token=T"),
)


class Step(NamedTuple):
    """One command of a page: where it stands, what a shell gets, and what the page shows of its output."""

    line: int
    command: str
    shown: list[str]


class Came(NamedTuple):
    """What a step came to."""

    code: int
    lines: list[str]


def steps(text: str) -> list[Step]:
    """Return the commands of a page in their order."""
    found: list[Step] = []
    for block in blocks(text):
        if block.tag == "console":
            found += _commands(block.line, block.lines)
        elif block.tag == "sh":
            found.append(Step(block.line, "\n".join(block.lines), []))
        elif block.tag == "python":
            found.append(Step(block.line, "\n".join(["python - <<'END_OF_BLOCK'", *block.lines, "END_OF_BLOCK"]), []))
    return found


def _commands(first_line: int, lines: list[str]) -> Iterator[Step]:
    step: Step | None = None
    for number, line in enumerate(lines, first_line):
        if line.startswith("$ "):
            if step:
                yield step
            step = Step(number, line[2:], [])
        elif step is None:
            raise ValueError(f"line {number}: a console block begins with `$ command`")
        elif line.startswith("> ") and not step.shown:
            step = step._replace(command=f"{step.command}\n{line[2:]}")
        else:
            step.shown.append(line)
    if step:
        yield step


def walk(text: str, folder: Path, *, timeout_s: float = 120) -> Iterator[tuple[Step, str]]:
    """Run the commands of a page in `folder`; yield each step that went otherwise than the page says, and how."""
    places = Places()
    todo = [
        step._replace(command=places.settle(step.command), shown=list(map(places.settle, step.shown)))
        for step in steps(text)
    ]
    _lay_out(text, folder)
    script: list[str] = []
    for number, step in enumerate(todo):
        script += [step.command, "__code=$?", f"printf '\\n{MARK}%d %d\\n' {number} $__code", "(exit $__code)"]
    with _service(text, folder, places) as variables:
        said = _run("\n".join(script), folder, variables, timeout_s)
    came = _came(said)
    for number, step in enumerate(todo):
        if number not in came:
            yield step, f"was not reached; before it came:\n{said[-2000:]}"
            return
        after = todo[number + 1].command if number + 1 < len(todo) else ""
        if came[number].code and "$?" not in after:
            yield step, "\n".join([f"ended with exit code {came[number].code}:", *came[number].lines])
        elif step.shown and not _agree(step.shown, came[number].lines):
            yield step, "\n".join(["the page shows:", *step.shown, "what came:", *came[number].lines])


class Places:
    """Addresses that a page names, each made a free one of this machine: the same one wherever the page names it."""

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}

    @property
    def service_port(self) -> int:
        """The port of the simulator that runs beside."""
        return self._port("service")

    def settle(self, text: str) -> str:
        """Return `text` with free ports in place of those it names."""
        text = re.sub(re.escape(SERVICE) + r"(:\d+)?", f"http://127.0.0.1:{self.service_port}", text)
        return PLACE.sub(self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        named = found["port"] or found["flag"]
        if int(named) in self._ports.values():
            return found[0]  # it is ours already
        return found[0].replace(named, str(self._port(named)))

    def _port(self, named: str) -> int:
        if named not in self._ports:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                self._ports[named] = taken.getsockname()[1]
        return self._ports[named]


def _lay_out(text: str, folder: Path) -> None:
    """Put the files that a page starts from into `folder`, and what its commands are called by into `bin`."""
    for name in _starts_from(text).get("files", "").split():
        file, _, rows = name.partition("=")
        content = (ROOT / "manifests" / file).read_text("utf-8").splitlines(keepends=True)
        (folder / file).write_text("".join(content[: int(rows) + 1] if rows else content), "utf-8")
    (folder / ".bin").mkdir()
    for name, words in PROGRAMS.items():
        program = folder / ".bin" / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)


def _starts_from(text: str) -> dict[str, str]:
    return {found["what"]: found["value"] for found in STARTS_FROM.finditer(text)}


@contextlib.contextmanager
def _service(text: str, folder: Path, places: Places) -> Iterator[dict[str, str]]:
    """Serve what the page starts from, if anything; give the variables that name it."""
    words = _starts_from(text).get("simulator")
    if words is None:
        yield {}
        return
    command = [str(folder / ".bin" / "bulkroute"), "simulate", "--port", str(places.service_port), *shlex.split(words)]
    with subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True) as simulator:
        try:
            assert simulator.stdout is not None
            url = simulator.stdout.readline().removeprefix("listening on ").strip()
            yield {"BULKROUTE_BASE_URL": url, "BULKROUTE_APP_KEY": "demo-key", "BULKROUTE_APP_SECRET": "demo-secret"}
        finally:
            simulator.kill()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a page's shell: nothing of bulkroute's, and a zone in which it is midday now."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BULKROUTE_")}
    clean["SSL_CERT_FILE"] = os.devnull  # as everywhere in the tests
    ahead = 12 - datetime.now(UTC).hour  # so that no time of day that a page names is near
    path = f"{folder / '.bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**clean, "PATH": path, "PYTHONPATH": str(ROOT), "TZ": f"XXX{-ahead:+d}", "HOME": str(folder)}


def _run(script: str, folder: Path, variables: Mapping[str, str], timeout_s: float) -> str:
    """Run a script in a session of its own; end whatever is left of it, and return all that was printed."""
    with (folder / ".said").open("wb") as said:
        shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", script],
            cwd=folder,
            env={**environment(folder), **variables},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            shell.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass  # what was not reached is told by its missing mark
        finally:
            with contextlib.suppress(ProcessLookupError):  # nothing is left
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    return (folder / ".said").read_text("utf-8", "replace")


def _came(said: str) -> Mapping[int, Came]:
    """Return what each step printed, and its exit code."""
    found = {}
    for part in re.finditer(rf"(?P<said>[^{MARK}]*)\n{MARK}(?P<number>\d+) (?P<code>\d+)\n", said):
        lines = [line for line in part["said"].rstrip("\n").splitlines() if not KILLED.match(line)]
        found[int(part["number"])] = Came(int(part["code"]), lines)
    return found


def _agree(shown: list[str], came: list[str]) -> bool:
    """Tell whether what a page shows is what came."""
    while shown and not shown[-1].strip():
        shown = shown[:-1]
    pattern = "".join(map(_pattern, shown))
    return re.fullmatch(pattern, "".join(f"{plain(line)}\n" for line in came)) is not None


def _pattern(line: str) -> str:
    if line.strip() == "...":
        return r"(?:.*\n)*"
    return ".*".join(re.escape(part) for part in plain(line).split("...")) + "\n"


def plain(line: str) -> str:
    """Return a line without what differs from one time to the next."""
    for pattern, word in VARIES:
        line = pattern.sub(word, line)
    return line.rstrip()
