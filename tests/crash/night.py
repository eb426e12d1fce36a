"""A ledger and a service worked on by the real command line, each command held against the model of what must be."""

import shutil
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bulkroute.model import Status
from bulkroute.simulator import Faults
from tests.crash.launcher import REFUSALS, Launcher, Struck
from tests.crash.model import DONE, Model, Rows, counts, stages_of_rollback, stages_of_run
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

Found = dict[str, tuple[Target, bool, str, Target | None]]
"""Rows by id: target, listed, status, before."""


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

    def copied(self, folder: Path) -> "Night":
        """Return the same night in a folder of its own; the service is another matter."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.ctl"))
        night = Night(folder, self.launcher, self.service, self.wanted)
        night.model, night.moves_seen = self.model, self.moves_seen
        return night

    def run(
        self, strike: Strike = NO_STRIKE, *, fresh: bool = False, snapshot: bool = True, most: int | None = None
    ) -> Struck:
        write_csv(self.folder / "night.csv", self.wanted)
        stages = stages_of_run(self.model, self.wanted, self.service.bindings, fresh=fresh, snapshot=snapshot)
        flags = ["--fresh"] * fresh + ["--no-snapshot"] * (not snapshot)
        return self._work(stages, strike, most, "run", "night.csv", *flags)

    def run_into_an_outage(self, strike: Strike = NO_STRIKE, *, snapshot: bool = True) -> Struck:
        """Run while every change gets 503: nothing may fail, and what was called counts as perhaps changed."""
        stages = stages_of_run(self.model, self.wanted, self.service.bindings, fresh=False, snapshot=snapshot)
        rows = stages[-1].batch or {}
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
        self._check_moves("run")
        if ended.struck and ended.result.code in (5, -signal.SIGKILL):
            left = left_in_an_outage(stages, read(self.ledger)[0], called)
            assert left is not None, f"no legal state: {read(self.ledger)}; called: {called}"
            self.model = left
            self._check_struck(ended.result, strike[0])
        else:
            assert ended.result.code == 4, ended.result.err
            assert ended.result.summary["stop"] == "outage"
            self.model = Model(tried(rows, called), stages[-1].back)
            assert (shown(self.model.batch), shown(self.model.back)) == read(self.ledger)
        return ended

    def rollback(self, strike: Strike = NO_STRIKE, *, most: int | None = None) -> Struck:
        if self.model.batch is None:
            refused = self._launch("rollback", "night.ledger.db")
            assert refused.result.code == 5, refused.result.err
            return refused
        stages = stages_of_rollback(self.model, self.service.bindings)
        if not stages[-1].back:
            nothing = self._launch("rollback", "night.ledger.db", *PACE, strike=strike)
            assert nothing.result.code in ((2,) if strike == NO_STRIKE else (2, 5, -signal.SIGKILL)), nothing.result.err
            return nothing
        left_behind = sum(row.touched and row.before is None for row in self.model.batch.values())
        return self._work(stages, strike, most, "rollback", "night.ledger.db", left_behind=left_behind)

    def back_to_the_oldest(self) -> int:
        """Put back what all batches changed, and return the exit code; the model does not go on from here."""
        return self._launch("rollback", "night.ledger.db", "--since", "1", *PACE).result.code

    def verify(self) -> None:
        found = self._launch("verify", "night.ledger.db", *PACE, "--json").result
        put_back = {row_id: row.target for row_id, row in (self.model.back or {}).items() if row.status in DONE}
        done = {row_id: row.target for row_id, row in (self.model.batch or {}).items() if row.status in DONE} | put_back
        different = {row_id for row_id, target in done.items() if self.service.bindings[row_id] != target}
        assert found.code == (6 if different else 0), found.err
        assert {each["id"] for each in found.summary["differences"]} == different

    def _check_status(self) -> None:
        if self.model.batch is not None:
            found = self.launcher.run("status", "night.ledger.db", "--json", cwd=self.folder).result.summary
            wanted = counts(self.model.batch)
            assert {name: found[name] for name in wanted} == wanted

    def _launch(self, *words: object, strike: Strike = NO_STRIKE) -> Struck:
        at, nth = strike
        return self.launcher.run(*words, "--base-url", self.service.url, cwd=self.folder, at=at, nth=nth)

    def _work(
        self, stages: list[Model], strike: Strike, most: int | None, *command: str, left_behind: int = 0
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
        rows = (stages[-1].back if command[0] == "rollback" else stages[-1].batch) or {}
        owed = {row_id: row.target for row_id, row in rows.items() if row.owed}
        assert called <= owed.keys(), "sent what was done, or not to be sent"
        assert all(came[row_id] == 1 for row_id in called), "sent twice"
        assert dict(self.service.bindings) == bound | {row_id: owed[row_id] for row_id in called}
        assert not self.service.simulator.violations, "an id was in flight twice"
        self._check_moves(command[0])
        # A refusal that comes while only the closing message is made up changes nothing any more.
        if ended.struck and ended.result.code in (5, -signal.SIGKILL):
            left = resumed(stages, read(self.ledger), called)
            assert left is not None, f"no legal state: {read(self.ledger)}; called: {called}"
            self.model = left
            self._check_struck(ended.result, strike[0])
        else:
            assert len(called) == min(len(owed), most or len(owed)), "left something out"
            self.model = stages[-1].moved(
                {row_id: "succeeded" if row_id in called else row.status for row_id, row in rows.items()}
            )
            assert (shown(self.model.batch), shown(self.model.back)) == read(self.ledger)
            self._check_told(ended.result, command[0], left_behind)
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
            with closing(_connect(self.ledger)) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def _check_told(self, told: Result, command: str, left_behind: int) -> None:
        wanted = counts((self.model.back if command == "rollback" else self.model.batch) or {})
        assert {name: told.summary[name] for name in wanted} == wanted
        assert told.summary["failures"] == ({"conflict": wanted["refused"]} if wanted["refused"] else {})
        assert told.summary["exit_code"] == told.code
        if told.summary["stopped"]:
            assert wanted["pending"]
            assert "--max-rows" in told.summary["stopped"]
            assert told.code == 4
        else:
            left = wanted["refused"] + wanted["pending"] + wanted["in_doubt"] + left_behind
            assert told.code == (1 if left else 0), told.err


def resumed(stages: list[Model], found: tuple[Found | None, Found | None], called: set[str]) -> Model | None:
    """Return the state that a struck command left, if it is a legal one.

    That is one of its stages before the first call, or the last one with calls on their way: each that came is marked,
    and none is claimed that did not come.
    """
    for model in reversed(stages):
        rows, now = (model.batch, found[0]) if model.back is None else (model.back, found[1])
        moved = model
        if model is stages[-1] and rows is not None and now is not None and rows.keys() == now.keys():
            statuses = {
                row_id: now[row_id][2] if row.owed and now[row_id][2] in ("sent", "succeeded") else row.status
                for row_id, row in rows.items()
            }
            moved = model.moved(statuses)
        if (shown(moved.batch), shown(moved.back)) != found:
            continue
        on_the_way = moved.moves_from(model)
        succeeded = {row_id for row_id, status in on_the_way.items() if status == "succeeded"}
        if succeeded <= called <= on_the_way.keys() and len(on_the_way) - len(succeeded) <= SLOTS:
            return moved
    return None


def left_in_an_outage(stages: list[Model], found: Found | None, called: set[str]) -> Model | None:
    """Return the state that a run left which was struck while every change got 503, if it is a legal one."""
    for model in reversed(stages):
        rows = model.batch
        if model is stages[-1] and rows is not None and found is not None and rows.keys() == found.keys():
            sent = {row_id for row_id, row in rows.items() if row.owed and found[row_id][2] == "sent"}
            rows = {
                row_id: replace(row, status="sent") if row_id in sent else row
                for row_id, row in tried(rows, called).items()
            }
            if shown(rows) == found and len(sent) <= SLOTS:
                return Model(rows, model.back)
        elif shown(rows) == found and not called:
            return model
    return None


def tried(rows: Rows, called: set[str]) -> Rows:
    """Return rows of which some were called: these may be changed, whatever their status says."""
    return {row_id: replace(row, tried=row.tried or row_id in called) for row_id, row in rows.items()}


def shown(rows: Rows | None) -> Found | None:
    """Return the rows of a model as `read` returns those of a ledger."""
    if rows is None:
        return None
    return {row_id: (row.target, row.listed, row.status, row.before) for row_id, row in rows.items()}


def read(ledger: Path) -> tuple[Found | None, Found | None]:
    """Return the rows of a ledger's batch, and of its rollback under way; None where there is none."""
    if not ledger.exists():
        return None, None
    with closing(_connect(ledger)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return None, None
        (batch,) = connection.execute("SELECT max(batch) FROM batch WHERE parent IS NULL").fetchone()
        (back,) = connection.execute(
            "SELECT max(batch) FROM batch WHERE parent = ? AND NOT closed", (batch,)
        ).fetchone()
        return _rows(connection, batch), _rows(connection, back)


def note_moves(ledger: Path) -> None:
    """Have a ledger note each move of a row's status from now on."""
    if not ledger.exists():
        return
    with closing(_connect(ledger)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if "row" in tables and "noted" not in tables:
        with closing(sqlite3.connect(ledger)) as connection:
            connection.executescript(
                "CREATE TABLE noted (move INTEGER PRIMARY KEY, of_rollback INTEGER, was TEXT, now TEXT);"
                "CREATE TRIGGER noting AFTER UPDATE OF status ON row WHEN OLD.status <> NEW.status BEGIN"
                " INSERT INTO noted (of_rollback, was, now) SELECT parent IS NOT NULL, OLD.status, NEW.status"
                " FROM batch WHERE batch = NEW.batch; END;"
            )


def read_moves(ledger: Path, seen: int) -> list[tuple[bool, str, str]]:
    """Return the moves noted since `seen` of them were."""
    if not ledger.exists():
        return []
    with closing(_connect(ledger)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'noted'").fetchone()[0]:
            return []
        return connection.execute("SELECT of_rollback, was, now FROM noted WHERE move > ?", (seen,)).fetchall()


def _connect(ledger: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)


def _rows(connection: sqlite3.Connection, batch: int | None) -> Found | None:
    if batch is None:
        return None
    found = connection.execute(
        "SELECT id, devicetype, device_id, listed, status, before_devicetype, before_device_id FROM row WHERE batch = ?",
        (batch,),
    )
    return {
        row_id: ((kind, device), bool(listed), status, None if before_kind is None else (before_kind, before_device))
        for row_id, kind, device, listed, status, before_kind, before_device in found
    }
