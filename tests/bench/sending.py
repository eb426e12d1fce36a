"""Rows per second and CPU seconds a row against other clients, interleaved: every round measures each of them once."""

import re
from collections import defaultdict
from pathlib import Path

from tests.bench import manifests
from tests.bench.figures import Finding, at_least, at_most, per_row, ratios, spread
from tests.bench.processes import SCRIPT, Spent, json_of, python, spend, terminal
from tests.bench.service import MODIFY_PATH, Nginx

CONCURRENCY = 64
FEW = 1_000
"""Rows of the run whose cost is taken off: a start, a manifest, a ledger, and few calls."""
PARALLEL_ROWS = 1_000
SLOW_ROUNDS = 2

PLAIN = "plain heads: "
"""What the figures of the service are marked with whose heads are all alike, which a client might gain from."""


def run_command(manifest: Path, root: str, *more: object, rate: object = "unlimited") -> list[object]:
    """Return the command that sends a manifest as fast as it goes."""
    fixed = ("--concurrency", CONCURRENCY, "--no-snapshot", "--json", "--timeout", 600)
    return [SCRIPT, "run", manifest, "--base-url", root, "--rate", rate, *fixed, *more]


def parallel_command(bodies: Path, url: str) -> list[object]:
    """Return the command that posts each line of a file, a curl a line."""
    post = ("curl", "-sf", "-o", "/dev/null", "-H", "Content-Type: application/json", "--data", "{}", url)
    # --quote: else the words are joined into a shell line, and the header falls apart at its blank.
    return ["parallel", "--will-cite", "--quote", "-j", CONCURRENCY, "-a", bodies, *post]


def fresh(manifest: Path) -> Path:
    """Remove the manifest's ledger and return the manifest."""
    for left in manifest.parent.glob(manifest.stem + ".ledger.db*"):
        left.unlink()
    return manifest


def compare(folder: Path, service: Nginx, missing: set[str], *, rows: int, rounds: int) -> list[Finding]:
    """Measure all clients in turn, round by round."""
    contest = _Contest(folder, service, missing, rows)
    for number in range(rounds):
        contest.round(slow_too=number < SLOW_ROUNDS)
    return contest.findings()


class _Contest:
    """The figures of all rounds, by client."""

    def __init__(self, folder: Path, service: Nginx, missing: set[str], rows: int) -> None:
        self._folder = folder
        self._service = service
        self._missing = missing
        self._rows = rows
        self._rates: dict[str, list[float]] = defaultdict(list)
        self._cpu_s: dict[str, list[float]] = defaultdict(list)
        self._many = manifests.write_csv(folder / "many.csv", rows)
        self._few = manifests.write_csv(folder / "few.csv", FEW)
        self._bodies = manifests.write_bodies(folder / "bodies", PARALLEL_ROWS)
        self._roots = {"": service.root, PLAIN: service.plain_root}
        self._configs = {
            mark: manifests.write_curl_config(folder / f"{place}.config", root + MODIFY_PATH, rows)
            for place, (mark, root) in enumerate(self._roots.items())
        }
        self._wrk = manifests.write_wrk_script(folder / "post.lua")

    def round(self, *, slow_too: bool) -> None:
        """Measure each client once; `slow_too` includes GNU parallel, which takes longer than all others together."""
        for mark in self._roots:
            self._bare(mark)
            self._ours(mark)
            if "curl" not in self._missing:
                config = self._configs[mark]
                spent = self._spend("curl", "--parallel", "--parallel-max", CONCURRENCY, "--config", config)
                self._rates[f"{mark}curl"].append(self._rows / spent.wall_s)
        self._observed()
        if slow_too and not self._missing & {"curl", "parallel"}:
            spent = self._spend(*parallel_command(self._bodies, self._service.modify_url))
            self._rates["parallel"].append(PARALLEL_ROWS / spent.wall_s)
        if "wrk" not in self._missing:
            spent = self._spend("wrk", "-t1", f"-c{CONCURRENCY}", "-d2s", "-s", self._wrk, self._service.modify_url)
            found = re.search(r"Requests/sec:\s+([\d.]+)", spent.out)
            self._rates["wrk"].append(float(found[1]) if found else 0.0)

    def _spend(self, *command: object) -> Spent:
        return spend(command, cwd=self._folder)

    def _bare(self, mark: str) -> None:
        url = self._roots[mark] + MODIFY_PATH
        many, few = (self._spend(*python("bare", url, rows, CONCURRENCY)) for rows in (self._rows, FEW))
        self._rates[f"{mark}bare"].append(float(many.out))
        self._note_cpu(f"{mark}bare", many, few)

    def _ours(self, mark: str) -> None:
        many, few = (
            self._spend(*run_command(fresh(manifest), self._roots[mark], "--quiet"))
            for manifest in (self._many, self._few)
        )
        self._rates[f"{mark}run"].append(json_of(many)["rate"])
        self._rates[f"{mark}command"].append(self._rows / many.wall_s)
        self._note_cpu(f"{mark}run", many, few)

    def _note_cpu(self, client: str, many: Spent, few: Spent) -> None:
        self._cpu_s[client].append(per_row(many.cpu_s, self._rows, few.cpu_s, FEW))
        self._cpu_s[f"{client}, with its start"].append(many.cpu_s / self._rows)

    def _observed(self) -> None:
        metrics = ("--metrics-file", self._folder / "metrics.prom")
        logged = run_command(fresh(self._many), self._service.root, *metrics, "--log-format", "json")
        self._rates["logged"].append(json_of(self._spend(*logged))["rate"])
        with terminal() as near:
            drawn = run_command(fresh(self._many), self._service.root, *metrics)
            self._rates["drawn"].append(json_of(spend(drawn, cwd=self._folder, stderr=near))["rate"])

    def findings(self) -> list[Finding]:
        """Return what all rounds say."""
        rates, cpu_s = self._rates, self._cpu_s
        ours = rates["run"]
        found = [Finding("rows/s: bare aiohttp + uvloop loop", spread(rates["bare"]))]
        found += [
            Finding(f"rows/s: {name}", spread(rates[client]))
            for client, name in (
                ("run", "bulkroute run, from its first call to its last record"),
                ("command", "bulkroute run, start and manifest included"),
                ("curl", "curl --parallel"),
                ("parallel", "GNU parallel + curl"),
                ("wrk", "wrk"),
            )
            if rates[client]
        ]
        if rates["parallel"]:
            found.append(
                Finding(
                    "rows/s against GNU parallel + curl",
                    ratios(ours[: len(rates["parallel"])], rates["parallel"]),
                    at_least(50),
                )
            )
        whole = "run, with its start", "bare, with its start"
        return [
            *found,
            *(finding for mark in self._roots for finding in self._ratios(mark)),
            Finding("CPU s a row, starts included", ratios(*(cpu_s[client] for client in whole)), at_most(0.6)),
            Finding("rows/s with metrics and JSON log", ratios(rates["logged"], ours), at_least(0.95)),
            Finding("rows/s with metrics and drawn progress", ratios(rates["drawn"], ours), at_least(0.95)),
        ]

    def _ratios(self, mark: str) -> list[Finding]:
        """Return how the run does against the other two of a service."""
        rates, cpu_s = self._rates, self._cpu_s
        ours = rates[f"{mark}run"]
        cpu = ratios(cpu_s[f"{mark}run"], cpu_s[f"{mark}bare"])
        found = [
            Finding(f"{mark}rows/s against the bare loop", ratios(ours, rates[f"{mark}bare"]), at_least(1.8)),
            Finding(f"{mark}CPU s a row against the bare loop", cpu, at_most(0.5)),
        ]
        if curl := rates[f"{mark}curl"]:
            found.append(Finding(f"{mark}rows/s against curl --parallel", ratios(ours, curl), at_least(0.9)))
        return found
