"""One cutover with everything on, for as long as you say: waves with a gate command and a person's go, `watch` with
three browsers, `ctl`, faults, random refusals for pace, outages, kills and resumes.

At first runs are killed, most of them by SIGKILL, and begun again; when the batch is done, the next one leads back. After
two fifths of the time nothing is killed any more, and the next batch has so many rows that its run goes on to the end, so
that the slope of its memory means something.
"""

import json
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page, expect

from bulkroute.simulator import Faults
from tests.browser import ARGUMENTS, CHROMIUM, chromium, opened
from tests.harness import Service, Target, bulkroute, command, environment, ids, serving, targets, write_csv
from tests.soak import PromiseBroken
from tests.soak.readings import Readings, slope
from tests.watching import Watch, watching

ROWS = 10_000
LONG_ROWS = 60_000
"""More than go out in the part of an hour in which nothing is killed."""
KILLED_SHARE = 0.4
"""Of the time."""
RATE = 40
LEDGER = "cutover.ledger.db"
WAVES = ",".join(["20", "1%", *["10%"] * 9, "rest"])
LONG_WAVES = ",".join(["20", *["1%"] * 98, "rest"])
FLAGS = ("--gate-interval", "2s", "--max-attempts", 20, "--timeout", 5, "--backoff", "0.1")
PERSON = ("--gate-hold", "--gate-timeout", "1h")
TROUBLE = Faults(
    latency_ms=20, jitter_ms=30, fail_500=0.01, fail_502=0.005, reset_before=0.01, reset_after=0.005, half_answer=0.003,
    wrong_length=0.003, garbage=0.003, close_after=0.02, hang_before=0.0005, hang_after=0.0005, refuse=0.005,
    token_life_s=120,
)  # fmt: skip
MOST_SLOTS = 48
LONGEST_SILENCE_S = 60
LONGEST_END_S = 120
UNREACHABLE = 69
"""The exit code of a run that is begun while the service is down."""
GROWTH_KB_PER_H = 2048
"""Memory that surely grows faster than that is a leak."""
LONG_ENOUGH_MIN = 20

GATE = """
import pathlib, sys
asked = pathlib.Path(__file__).with_suffix(".asked")
count = int(asked.read_text()) + 1 if asked.exists() else 1
asked.write_text(str(count))
sys.exit(0 if count % 2 == 0 else 75)
"""


def outages(dice: random.Random, seconds: float) -> tuple[str, ...]:
    """Return an outage every five minutes or so, of every kind by turns."""
    kinds = cycle(("503", "refused", "hang", "reset", "503*0.5", "500@modify", "503@token"))
    each_s = min(300.0, seconds / 4)
    found, at_s = [], dice.uniform(0.3, 0.7) * each_s
    while at_s < seconds:
        found.append(f"{at_s:.0f}s+{dice.uniform(0.03, 0.12) * each_s:.0f}s:{next(kinds)}")
        at_s += dice.uniform(0.7, 1.3) * each_s
    return tuple(found)


class Way(NamedTuple):
    """Where routes are to lead."""

    manifest: str
    wanted: dict[str, Target]
    waves: str


class Cutover:
    """The service, the ledger, the run of the moment, and those who look on and meddle."""

    def __init__(
        self, folder: Path, dice: random.Random, rows: int, long_rows: int, service: Service, watch: int
    ) -> None:
        """`watch`: the process id of who looks on."""
        self.folder, self.dice, self.service, self._watch = folder, dice, service, watch
        self.ledger = folder / LEDGER
        self.readings = Readings()
        self._ways = self._there_and_back("", rows, WAVES)
        self._long_ways = self._there_and_back("long-", long_rows, LONG_WAVES)
        self._go_on(next(self._ways))
        gate = folder / "gate.py"
        gate.write_text(GATE)
        gate_command = shlex.join([sys.executable, str(gate)])
        self._flags = ("--ledger", LEDGER, "--base-url", service.url, *FLAGS, "--gate-command", gate_command)
        self.seen: Counter[str] = Counter()
        self._run: subprocess.Popen[bytes] | None = None
        self._deed: signal.Signals | None = None
        self._paused = False

    def _there_and_back(self, name: str, rows: int, waves: str) -> Iterator[Way]:
        """Return the ways to lead so many routes to other targets, by turns."""
        ways = []
        for way, further in (("there", 0), ("back", 20)):
            wanted = {row_id: (kind, device + further) for row_id, (kind, device) in targets(ids(rows)).items()}
            ways.append(Way(write_csv(self.folder / f"{name}{way}.csv", wanted).name, wanted, waves))
        return cycle(ways)

    def go_long(self) -> None:
        """Let what comes after the batch of the moment last."""
        self._ways = self._long_ways

    def begin(self) -> None:
        """Start the command that starts, or resumes, the batch."""
        pace = ("--waves", self._waves, "--rate", RATE)
        words = command("run", self.manifest, *self._flags, *PERSON, *pace, "--log-file", "run.log")
        with (self.folder / "run.err").open("ab") as said:
            self._run = subprocess.Popen(
                words,
                cwd=self.folder,
                env=environment(measured=False),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
        self.readings.follow("run", self._run.pid)
        self._deed, self._paused = None, False
        self.seen["runs"] += 1

    def end(self, deed: signal.Signals) -> None:
        """End the run of the moment."""
        if self._run and self._run.poll() is None:
            self._deed = deed
            self._run.send_signal(deed)
            self.seen[deed.name] += 1
            try:
                self._run.wait(LONGEST_END_S)
            except subprocess.TimeoutExpired:
                raise PromiseBroken(f"a run does not end {LONGEST_END_S} s after {deed.name}") from None

    def look(self) -> None:
        """See whether the run has ended; if so, hold it against the service, and begin the next."""
        if self._run is None or self._run.poll() is None:
            return
        code = self._run.returncode
        if code not in {0, 1, 4, UNREACHABLE} | ({-self._deed} if self._deed else set()):
            raise PromiseBroken(f"a run ended with {code}, see run.err and run.log")
        self.check()
        self.seen[f"ended with {code}"] += 1
        if code == 0:
            self.check_end()
            self.seen["batches done"] += 1
            self._go_on(next(self._ways))
        self.begin()

    def _go_on(self, way: Way) -> None:
        """Let the next run begin another batch: other rows to keep, for who looks on as well."""
        self.readings.follow("watch", self._watch)
        self._before = Counter(self.service.simulator.calls_per_id)
        self.manifest, self.wanted, self._waves = way

    def check(self) -> None:
        """Hold the ledger against the service: each call on record or in doubt, nothing claimed that is not so."""
        self.service.all_received()
        with closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT id, status, attempts + (status = 'sent') + coalesce(other, 0) FROM row LEFT JOIN ("
                " SELECT row, count(*) AS other FROM attempt WHERE verdict IN ('throttled', 'refused') GROUP BY row"
                ") USING (row) WHERE batch = (SELECT max(batch) FROM batch)"
            ).fetchall()
            manifest = connection.execute("SELECT manifest FROM batch ORDER BY batch DESC LIMIT 1").fetchone()
        if not manifest or Path(manifest[0]).name != self.manifest:
            rows = []  # the batch was not begun yet
        on_record = {row_id: calls for row_id, _status, calls in rows}
        for row_id, calls in self.service.simulator.calls_per_id.items():
            if calls - self._before[row_id] > on_record.get(row_id, 0):
                raise PromiseBroken(f"a call of {row_id} left without a mark")
        for row_id, status, _calls in rows:
            if status == "succeeded" and self.service.bindings[row_id] != self.wanted[row_id]:
                raise PromiseBroken(f"{row_id} is claimed, but bound to {self.service.bindings[row_id]}")
        if sum(status == "sent" for _id, status, _calls in rows) > MOST_SLOTS:
            raise PromiseBroken("more rows are in doubt than there were slots")
        if self.service.simulator.violations:
            raise PromiseBroken(f"in flight twice: {self.service.simulator.violations[:3]}")
        self.seen["ledgers held against the service"] += 1

    def check_end(self) -> None:
        """Hold the finished batch against the service."""
        wrong = [row_id for row_id, wanted in self.wanted.items() if self.service.bindings[row_id] != wanted]
        if wrong:
            raise PromiseBroken(f"{len(wrong)} rows are not bound as the manifest says: {wrong[:3]}")
        self.seen["rows done"] += len(self.wanted)

    def ctl(self, *words: object) -> dict[str, Any]:
        """Say something to the run; {} where none is there to hear it."""
        told = bulkroute("ctl", LEDGER, *words, "--json", cwd=self.folder)
        self.seen["ctl"] += 1
        if told.code not in (0, 69):
            raise PromiseBroken(f"ctl {words}: {told.err}")
        found: dict[str, Any] = json.loads(told.out) if told.code == 0 else {}
        return found

    def meddle(self) -> None:
        """Do what operators do: look, pause and go on, change the pace, say go."""
        if self._paused:
            self.ctl("resume")
            self._paused = False
        elif self.ctl("status").get("state") == "gate":
            self.ctl("go")
            self.seen["gates"] += 1
        elif (draw := self.dice.random()) < 0.1:
            self._paused = bool(self.ctl("pause", "somebody", "calls"))
        elif draw < 0.3:
            self.ctl("rate", self.dice.choice((RATE, RATE, RATE / 2, 2 * RATE)))
        elif draw < 0.4:
            self.ctl("concurrency", self.dice.choice((4, 16, MOST_SLOTS)))

    def finish(self) -> None:
        """Let the last batch end, without trouble and in haste."""
        self.service.simulator.set_faults(Faults())
        self.end(signal.SIGTERM)
        self.check()
        for _ in range(3):
            pace = ("--waves", self._waves, "--rate", "unlimited")
            done = bulkroute("run", self.manifest, *self._flags, *pace, cwd=self.folder, timeout_s=900)
            if done.code == 0:
                break
        else:
            raise PromiseBroken(f"the last run ended with {done.code}: {done.err}")
        self.check()
        self.check_end()
        verified = bulkroute("verify", LEDGER, "--base-url", self.service.url, "--rate", "unlimited", cwd=self.folder)
        if verified.code:
            raise PromiseBroken(f"verify: {verified.err}{verified.out}")


class Visitors:
    """Three browsers at the page, of which one comes and goes; and downloads."""

    def __init__(self, stack: ExitStack, watch: Watch) -> None:
        self._watch = watch
        first = stack.enter_context(chromium())
        more = [first.browser_type.launch(executable_path=CHROMIUM, args=ARGUMENTS) for _ in range(2)]
        for browser in more:
            stack.callback(browser.close)
        browsers = [first, *more]
        self.pages: list[Page] = [stack.enter_context(opened(browser, watch.link)) for browser in browsers[:2]]
        self._fleeting = browsers[2]
        self._visit: ExitStack | None = None
        stack.callback(self._leave)

    def _leave(self) -> None:
        if self._visit:
            self._visit.close()
            self._visit = None

    def wait(self, seconds: float) -> None:
        """Let time pass, and the pages be served."""
        self.pages[0].wait_for_timeout(seconds * 1000)

    def come_and_go(self) -> None:
        """Close the third page and open it anew; fetch the failed rows."""
        self._leave()
        self._visit = ExitStack()
        page = self._visit.enter_context(opened(self._fleeting, self._watch.link))
        self.look(page)
        if self._watch.ask("GET", "/failed.csv").status != 200:
            raise PromiseBroken("the failed rows cannot be downloaded")

    def look(self, page: Page) -> None:
        """See that a page shows a state, and is not stale."""
        expect(page.locator("#state")).not_to_be_empty(timeout=LONGEST_SILENCE_S * 1000)
        expect(page.locator("#stale")).to_be_hidden(timeout=LONGEST_SILENCE_S * 1000)


def spend(folder: Path, seed: int, seconds: float) -> Iterator[str]:
    """Spend the time, and tell what was done and measured. Raises PromiseBroken, AssertionError."""
    dice = random.Random(seed)
    faults = Faults(**{**vars(TROUBLE), "outages": outages(dice, seconds)})
    yield f"outages: {', '.join(faults.outages)}"
    rows, long_rows = min(ROWS, int(seconds * RATE / 8)), min(LONG_ROWS, int(seconds * RATE))
    with (
        serving(ids(long_rows), faults, seed=seed % 2**31, keep_calls=False) as service,
        watching(folder / LEDGER, "--control") as watch,
        ExitStack() as stack,
    ):
        cutover = Cutover(folder, dice, rows, long_rows, service, watch.process.pid)
        cutover.begin()
        visitors = Visitors(stack, watch)
        yield from _meddle_and_kill(cutover, visitors, seconds)
        outages_met = service.simulator.faults_met
        cutover.finish()
        cutover.readings.stop()
        for page in visitors.pages:
            expect(page.locator("#state")).to_contain_text("went through", timeout=LONGEST_SILENCE_S * 1000)
        wal = folder / f"{LEDGER}-wal"
        wal_kb = wal.stat().st_size // 1024 if wal.exists() else 0
        counts = dict(sorted(cutover.seen.items()))
        yield f"nothing lost: {service.modified:,} calls, {counts}, answers that were made to fail: {dict(outages_met)}"
        yield f"at the end, with `watch` still there: WAL {wal_kb} kB, ledger {(folder / LEDGER).stat().st_size // 1024} kB"
        names = ("run", "watch")
        yield from map(cutover.readings.told, names)
        for name in names:
            found = slope(cutover.readings.of[name])
            if found.minutes >= LONG_ENOUGH_MIN and found.kb_per_h - 2 * found.error > GROWTH_KB_PER_H:
                raise PromiseBroken(f"the memory of {name} grows")


def _meddle_and_kill(cutover: Cutover, visitors: Visitors, seconds: float) -> Iterator[str]:
    dice, began_s = cutover.dice, time.monotonic()
    each_s = min(120.0, seconds / 8)
    kill_s, meddle_s, visit_s, tell_s = each_s, 10.0, each_s / 2, 300.0
    while (now_s := time.monotonic() - began_s) < seconds:
        visitors.wait(1)
        cutover.look()
        if now_s >= KILLED_SHARE * seconds:
            cutover.go_long()
        if now_s >= kill_s and kill_s < KILLED_SHARE * seconds:
            cutover.end(dice.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)))
            kill_s = now_s + dice.uniform(0.4, 1.6) * each_s
        if now_s >= meddle_s:
            cutover.meddle()
            meddle_s = now_s + (3 if dice.random() < 0.5 else 12)
        if now_s >= visit_s:
            visitors.come_and_go()
            for page in visitors.pages:
                visitors.look(page)
            visit_s = now_s + each_s / 2
        if now_s >= tell_s:
            yield f"{now_s / 60:.0f} min: {cutover.service.modified:,} calls, {dict(cutover.seen)}"
            tell_s += 300
