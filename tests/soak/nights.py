"""Nights of random faults, kills, signals and manifest edits, one after the other, each with the next seed."""

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bulkroute.simulator import Faults
from tests.crash.test_kill import read_rows
from tests.harness import Service, Target, command, environment, exported, ids, serving, targets, write_csv, write_yaml
from tests.soak import PromiseBroken

LONGEST_RUN_S = 120
PASSING = (
    "fail_500",
    "fail_502",
    "reset_before",
    "reset_after",
    "half_answer",
    "wrong_length",
    "garbage",
    "close_after",
)
ENDS = {0, 4}


@dataclass
class Night:
    """One manifest, one service, and as many runs as it takes."""

    dice: random.Random
    folder: Path
    seen: Counter[str] = field(default_factory=Counter)

    def spend(self) -> None:
        dice = self.dice
        known = targets(ids(dice.randrange(20, 400)))
        slots = dice.choice((1, 4, 16, 48))
        shares = {name: dice.uniform(0, 0.06) for name in dice.sample(PASSING, dice.randrange(len(PASSING)))}
        faults = Faults(**shares, latency_ms=dice.choice((0, 5, 30)), jitter_ms=dice.choice((0, 20)))  # type: ignore[arg-type]  # shares by name
        flags = ["--no-snapshot", "--concurrency", slots, "--backoff", "0.01", "--backoff-cap", "0.05"]
        flags += ["--max-attempts", 20, "--timeout", 5, "--rate", dice.choice(("unlimited", "300"))]
        flags += ["--max-consecutive-failures", 10**9]
        with serving(known, faults, seed=dice.randrange(2**32)) as service:
            wanted = dict(known)
            for _ in range(40):
                manifest = self.write(wanted)
                code = self.run(service, manifest, flags)
                self.check(service, known, slots)
                if code == 0:
                    break
                wanted = self.edited(known, wanted)
            else:
                raise PromiseBroken("forty runs did not finish the batch")
            self.check_end(service, wanted)

    def write(self, wanted: dict[str, Target]) -> str:
        name, write = self.dice.choice((("night.csv", write_csv), ("night.yaml", write_yaml)))
        write(self.folder / name, wanted)
        return name

    def edited(self, known: dict[str, Target], wanted: dict[str, Target]) -> dict[str, Target]:
        """Return the manifest as somebody has changed it before the next run."""
        if self.dice.random() < 0.7:
            return wanted
        self.seen["manifest edits"] += 1
        rows = list(known)
        self.dice.shuffle(rows)
        kept = rows[: max(5, int(len(rows) * self.dice.uniform(0.5, 1)))]
        # A row in doubt stays: the ledger keeps asking for it, and the batch is not done without it.
        found = read_rows(self.folder / "night.ledger.db")
        kept += [row_id for row_id, row in found.items() if row.status == "sent" and row_id not in kept]
        return {
            row_id: (1, self.dice.randrange(101, 160))
            if self.dice.random() < 0.1
            else wanted.get(row_id, known[row_id])
            for row_id in kept
        }

    def run(self, service: Service, manifest: str, flags: list[object]) -> int:
        """Run once; often it does not live to the end."""
        arguments = command(
            "run", manifest, "--ledger", "night.ledger.db", "--base-url", service.url, *flags, "--quiet"
        )
        process = subprocess.Popen(
            arguments, cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            deed = self.dice.choice((None, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
            if deed is not None:
                try:
                    process.wait(self.dice.uniform(0.1, 2.5))
                except subprocess.TimeoutExpired:
                    process.send_signal(deed)
                    self.seen[deed.name] += 1
            _, said = process.communicate(timeout=LONGEST_RUN_S)
        except subprocess.TimeoutExpired:
            raise PromiseBroken(f"a run still hangs after {LONGEST_RUN_S} s") from None
        finally:
            process.kill()
        self.seen["runs"] += 1
        # A signal that comes before the program has its handlers ends it as it ends any program.
        if b"Traceback" in said or process.returncode not in (ENDS if deed is None else ENDS | {-deed}):
            raise PromiseBroken(f"exit {process.returncode}: {said.decode()[-2000:]}")
        return process.returncode

    def check(self, service: Service, known: dict[str, Target], slots: int) -> None:
        """Hold the ledger against the service after a run, however it ended."""
        rows = read_rows(self.folder / "night.ledger.db")
        if sum(row.status == "sent" for row in rows.values()) > slots:
            raise PromiseBroken("more rows are in doubt than there were slots")
        for row_id in service.simulator.calls_per_id:
            if row_id not in rows or row_id not in known:
                raise PromiseBroken(f"{row_id} was called, but is in no ledger")
        if service.simulator.violations:
            raise PromiseBroken(f"in flight twice: {service.simulator.violations[:3]}")

    def check_end(self, service: Service, wanted: dict[str, Target]) -> None:
        """Hold the finished batch against the service."""
        for row_id, row in exported(self.folder / "night.ledger.db").items():
            target = (int(row["devicetype"]), int(row["deviceId"]))
            if row["status"] == "succeeded" and service.bindings[row_id] != target:
                raise PromiseBroken(f"{row_id} is claimed as {target}, but bound to {service.bindings[row_id]}")
        for row_id, wanted_target in wanted.items():
            if service.bindings[row_id] != wanted_target:
                raise PromiseBroken(f"{row_id} is not bound as the manifest says")
        self.seen["calls"] += service.modified
        self.seen["rows"] += len(wanted)


def spend(folder: Path, seed: int, seconds: float) -> Iterator[str]:
    """Spend nights for so long; tell at the end what there was. Raises PromiseBroken, with the seed of that night."""
    seen: Counter[str] = Counter()
    ends = time.monotonic() + seconds
    first = seed
    while time.monotonic() < ends:
        night = folder / str(seed)
        night.mkdir()
        try:
            Night(random.Random(seed), night, seen).spend()
        except PromiseBroken as broken:
            raise PromiseBroken(f"at seed {seed}: {broken}") from None
        shutil.rmtree(night)
        seen["nights"] += 1
        seed += 1
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(seen.items()))
    yield f"held, seeds {first} to {seed - 1}: {told}"
