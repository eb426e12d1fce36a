"""A ledger and a service worked on by the real command line, each command held against the model of what must be."""

import re
import shutil
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bulkroute.model import Status
from bulkroute.simulator import Faults
from tests.crash.found import Found, apart, connect, contents, note_moves, read, read_moves, shown
from tests.crash.launcher import REFUSALS, Launcher, Struck
from tests.crash.model import DONE, Model, Rows, counts
from tests.crash.stages import left_behind, stages_of_rollback, stages_of_run
from tests.crash.traces import Traces
from tests.harness import Result, Service, Target, write_csv
from tests.moves import MOVES, MOVES_WITH_ROLLBACK

SLOTS = 3
PACE = ("--rate", "unlimited", "--concurrency", SLOTS, "--backoff", "0.01", "--backoff-cap", "0.02")
NO_STRIKE = ("", 0)
AWAY = Faults(outages=("0s+1000s:503@modify",))
NO_PATIENCE = ("--max-outage-wait", "0.2")
HINTS = {"SQLITE_FULL": "make room", "SQLITE_IOERR_WRITE": "healthy disk", "SQLITE_BUSY": "close it"}

Strike = tuple[str, int]
"""Where the command is struck, and at which time of these."""


class Night:
    """Gives commands and knows by the model what they must do."""

    def __init__(self, folder: Path, launcher: Launcher, service: Service, wanted: Mapping[str, Target]) -> None:
        self.folder = folder
        self.ledger = folder / "night.ledger.db"
        self.launcher = launcher
        self.service = service
        self.wanted = dict(wanted)
        self.model = Model()
        self.moves_seen = 0
        self.traces = Traces()

    def copied(self, folder: Path) -> "Night":
        """Return the same night in a folder of its own; the service is another matter."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.ctl"))
        night = Night(folder, self.launcher, self.service, self.wanted)
        night.model, night.moves_seen, night.traces = self.model, self.moves_seen, self.traces.copied()
        return night

    def rebind(self, changes: Mapping[str, Target]) -> None:
        """Change routes as another hand would."""
        self.service.rebind(changes)
        self.traces.strange |= changes.keys()

    def run(
        self,
        strike: Strike = NO_STRIKE,
        *,
        fresh: bool = False,
        snapshot: bool = True,
        most: int | None = None,
        on_drift: str = "send",
    ) -> Struck:
        write_csv(self.folder / "night.csv", self.wanted)
        stages = stages_of_run(
            self.model, self.wanted, self.service.bindings, fresh=fresh, snapshot=snapshot, on_drift=on_drift
        )
        words = ("run", "night.csv", *["--fresh"] * fresh, *["--no-snapshot"] * (not snapshot), "--on-drift", on_drift)
        if stages is None:
            return self._refused(6, "changed by another hand", *words, *PACE, strike=strike)
        return self._work(stages, strike, most, *words)

    def run_into_an_outage(self, strike: Strike = NO_STRIKE, *, snapshot: bool = True) -> Struck:
        """Run while every change gets 503: nothing may fail, and what was called counts as perhaps changed."""
        stages = stages_of_run(self.model, self.wanted, self.service.bindings, fresh=False, snapshot=snapshot)
        assert stages is not None
        rows = stages[-1].rows
        owed = {row_id for row_id, row in rows.items() if row.owed}
        if not owed:
            return self.run(strike, snapshot=snapshot)
        write_csv(self.folder / "night.csv", self.wanted)
        note_moves(self.ledger)
        bound, calls = dict(self.service.bindings), dict(self.service.simulator.calls_per_id)
        self.service.simulator.set_faults(AWAY)
        flags = ["--no-snapshot"] * (not snapshot)
        ended = self._launch("run", "night.csv", *flags, *PACE, *NO_PATIENCE, "--json", strike=strike)
        if ended.result.code == -signal.SIGKILL:
            self.service.all_received()
        self.service.simulator.set_faults(Faults())
        called = {
            row_id for row_id, count in self.service.simulator.calls_per_id.items() if count > calls.get(row_id, 0)
        }
        assert called <= owed, "sent what was done, or not to be sent"
        assert dict(self.service.bindings) == bound
        assert not self.service.simulator.violations, "an id was in flight twice"
        self.traces.tried(bound, called)
        self._check_moves("run")
        if ended.struck and ended.result.code in (5, -signal.SIGKILL):
            left = left_in_an_outage(stages, read(self.ledger), called)
            assert left is not None, f"no legal state: {apart(stages[-1], read(self.ledger))}; called: {called}"
            self.model = left
            self._check_struck(ended.result, strike[0])
        else:
            assert ended.result.code == 4, ended.result.err
            assert ended.result.summary["stop"] == "outage"
            self.model = stages[-1].worked(tried(rows, called))
            assert shown(self.model) == read(self.ledger)
        return ended

    def rollback(
        self,
        strike: Strike = NO_STRIKE,
        *,
        most: int | None = None,
        batch: int | None = None,
        since: int | None = None,
        only: frozenset[str] | None = None,
    ) -> Struck:
        parent = since or batch or self.model.latest
        named = ("--since", since) if since else ("--batch", batch) if batch else ()
        words = ("rollback", "night.ledger.db", *named, *(() if only is None else ("--only", "only.txt")))
        if only is not None:
            (self.folder / "only.txt").write_text("".join(f"{row_id}\n" for row_id in sorted(only)))
        if not self.model.latest:
            return self._refused(5, "", *words)
        if self.model.batches[parent - 1].parent is not None:
            return self._refused(2, "is a rollback of batch", *words)
        stages = stages_of_rollback(self.model, self.service.bindings, parent, later=bool(since), only=only)
        left = left_behind(self.model, parent, later=bool(since), only=only)
        if not stages[-1].rows and not left:
            return self._refused(2, "nothing to put back", *words, *PACE, strike=strike)
        return self._work(stages, strike, most, *words, left_behind=left)

    def decline(self, *, fresh: bool = False, back: bool = False) -> None:
        """Say "n" to what a run or a rollback asks: it leaves no trace. Where there is nothing to ask, give no command."""
        if back:
            known = self.model.latest
            stages = stages_of_rollback(self.model, self.service.bindings, known) if known else None
        else:
            stages = stages_of_run(self.model, self.wanted, self.service.bindings, fresh=fresh, snapshot=True)
        if stages is None or not any(row.owed for row in stages[-1].rows.values()):
            return
        write_csv(self.folder / "night.csv", self.wanted)
        words = ("rollback", "night.ledger.db") if back else ("run", "night.csv", *["--fresh"] * fresh)
        found, calls = contents(self.ledger), self.service.modified
        ended = self._launch(*words, *PACE, answer="n").result
        assert ended.code == 4, ended.err
        assert "nothing was sent: it was not agreed to" in ended.err
        assert self.service.modified == calls
        after = contents(self.ledger, as_text=isinstance(found, list))
        assert after == found, "an answer of n has changed the ledger"

    def back_to_the_oldest(self) -> int:
        """Put back what all batches changed, and return the exit code; the model does not go on from here."""
        bound = dict(self.service.bindings)
        ended = self._launch("rollback", "night.ledger.db", "--since", "1", *PACE, "--json").result
        left = self.traces.not_put_back(bound, self.service.bindings)
        if left:
            assert ended.code == 1, f"{left} stand, and nobody is told: {ended.err}"
            told = ended.summary
            behind = re.search(r"([\d,]+) rows cannot be put back", ended.err)
            named = told["refused"] + told["failed"] + told["pending"] + (int(behind[1]) if behind else 0)
            assert len(left) <= named, f"{left} stand, and only {named} are told: {ended.err}"
        return ended.code

    def verify(self) -> None:
        found = self._launch("verify", "night.ledger.db", *PACE, "--json").result
        done = {row_id: row.target for row_id, row in (self.model.batch or {}).items() if row.status in DONE}
        for back in self.model.batches[self.model.latest :]:
            done |= {row_id: row.target for row_id, row in back.rows.items() if row.status in DONE}
        different = {row_id for row_id, target in done.items() if self.service.bindings[row_id] != target}
        assert found.code == (6 if different else 0), found.err
        assert {each["id"] for each in found.summary["differences"]} == different

    def _check_status(self) -> None:
        if self.model.batch is not None:
            found = self.launcher.run("status", "night.ledger.db", "--json", cwd=self.folder).result.summary
            wanted = counts(self.model.batch)
            assert {name: found[name] for name in wanted} == wanted

    def _launch(self, *words: object, strike: Strike = NO_STRIKE, answer: str = "") -> Struck:
        at, nth = strike
        return self.launcher.run(*words, "--base-url", self.service.url, cwd=self.folder, at=at, nth=nth, answer=answer)

    def _refused(self, code: int, says: str, *words: object, strike: Strike = NO_STRIKE) -> Struck:
        """Give a command that must end with that code and change nothing, unless it is struck before."""
        calls = self.service.modified
        ended = self._launch(*words, strike=strike)
        if not ended.struck:
            assert ended.result.code == code, ended.result.err
            assert says in ended.result.err
        else:
            assert ended.result.code in (code, 5, -signal.SIGKILL), ended.result.err
        assert self.service.modified == calls
        assert shown(self.model) == read(self.ledger)
        return ended

    def _work(
        self, stages: list[Model], strike: Strike, most: int | None, *command: object, left_behind: int = 0
    ) -> Struck:
        """Give a command, strike it, and hold what it did against its stages."""
        note_moves(self.ledger)
        bound, calls = dict(self.service.bindings), dict(self.service.simulator.calls_per_id)
        limit = () if most is None else ("--max-rows", most)
        ended = self._launch(*command, *limit, *PACE, "--json", strike=strike)
        if ended.result.code == -signal.SIGKILL:
            self.service.all_received()
        came = {row_id: count - calls.get(row_id, 0) for row_id, count in self.service.simulator.calls_per_id.items()}
        called = {row_id for row_id, count in came.items() if count}
        rows = stages[-1].rows
        owed = {row_id: row.target for row_id, row in rows.items() if row.owed}
        assert called <= owed.keys(), "sent what was done, or not to be sent"
        assert all(came[row_id] == 1 for row_id in called), "sent twice"
        assert dict(self.service.bindings) == bound | {row_id: owed[row_id] for row_id in called}
        assert not self.service.simulator.violations, "an id was in flight twice"
        self.traces.follow(bound, {row_id: owed[row_id] for row_id in called}, back=command[0] == "rollback")
        self._check_moves(str(command[0]))
        # A refusal that comes while only the closing message is made up changes nothing any more.
        if ended.struck and ended.result.code in (5, -signal.SIGKILL):
            left = resumed(stages, read(self.ledger), called)
            assert left is not None, f"no legal state: {apart(stages[-1], read(self.ledger))}; called: {called}"
            self.model = left
            self._check_struck(ended.result, strike[0])
        else:
            assert len(called) == min(len(owed), most or len(owed)), "left something out"
            self.model = stages[-1].moved(
                {row_id: "succeeded" if row_id in called else row.status for row_id, row in rows.items()}
            )
            assert shown(self.model) == read(self.ledger)
            self._check_told(ended.result, left_behind)
        if ended.result.code == -signal.SIGKILL or (command[0] == "rollback" and ended.result.code != 5):
            self._check_status()  # others have told it by themselves
        return ended

    def _check_moves(self, command: str) -> None:
        """Hold every move of a row's status against the table of legal moves."""
        for of_rollback, was, now in read_moves(self.ledger, self.moves_seen):
            self.moves_seen += 1
            legal = MOVES_WITH_ROLLBACK if command == "rollback" and not of_rollback else MOVES
            assert Status(now) in legal[Status(was)], f"{was} -> {now} in a {command}, of a rollback: {of_rollback}"

    def _check_struck(self, told: Result, at: str) -> None:
        if at not in REFUSALS:
            assert told.code == -signal.SIGKILL, told.err
            return
        assert told.code == 5, told.err
        assert "Traceback" not in told.err
        wanted = counts(self.model.batch or {})
        assert {name: told.summary[name] for name in wanted} == wanted
        temporary = "stage the manifest" in told.err or "keep the live bindings" in told.err
        assert ("TMPDIR" if temporary else HINTS[at]) in told.err, told.err
        if self.ledger.exists():
            with closing(connect(self.ledger)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def _check_told(self, told: Result, left_behind: int) -> None:
        rows = self.model.rows
        wanted = counts(rows)
        assert {name: told.summary[name] for name in wanted} == wanted
        assert told.summary["failures"] == Counter(row.error for row in rows.values() if row.counted and row.error)
        assert told.summary["exit_code"] == told.code
        if told.summary["stopped"]:
            assert wanted["pending"]
            assert "--max-rows" in told.summary["stopped"]
            assert told.code == 4
        else:
            left = wanted["refused"] + wanted["pending"] + wanted["in_doubt"] + left_behind
            assert told.code == (1 if left else 0), told.err


def resumed(stages: list[Model], found: Found, called: set[str]) -> Model | None:
    """Return the state that a struck command left, if it is a legal one.

    That is one of its stages before the first call, or the last one with calls on their way: each that came is marked,
    and none is claimed that did not come.
    """
    for model in reversed(stages):
        moved = model
        now = found[model.at - 1][2] if 0 < model.at <= len(found) else {}
        if model is stages[-1] and model.rows.keys() == now.keys():
            statuses = {
                row_id: str(now[row_id][2]) if row.owed and now[row_id][2] in ("sent", "succeeded") else row.status
                for row_id, row in model.rows.items()
            }
            moved = model.moved(statuses)
        if shown(moved) != found:
            continue
        on_the_way = moved.moves_from(model)
        succeeded = {row_id for row_id, status in on_the_way.items() if status == "succeeded"}
        if succeeded <= called <= on_the_way.keys() and len(on_the_way) - len(succeeded) <= SLOTS:
            return moved
    return None


def left_in_an_outage(stages: list[Model], found: Found, called: set[str]) -> Model | None:
    """Return the state that a run left which was struck while every change got 503, if it is a legal one."""
    for model in reversed(stages):
        now = found[model.at - 1][2] if 0 < model.at <= len(found) else {}
        if model is stages[-1] and model.rows.keys() == now.keys():
            sent = {row_id for row_id, row in model.rows.items() if row.owed and now[row_id][2] == "sent"}
            rows = {
                row_id: replace(row, status="sent") if row_id in sent else row
                for row_id, row in tried(model.rows, called).items()
            }
            if shown(model.worked(rows)) == found and len(sent) <= SLOTS:
                return model.worked(rows)
        elif shown(model) == found and not called:
            return model
    return None


def tried(rows: Rows, called: set[str]) -> Rows:
    """Return rows of which some were called: these may be changed, whatever their status says."""
    return {row_id: replace(row, tried=row.tried or row_id in called) for row_id, row in rows.items()}
