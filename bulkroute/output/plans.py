"""A plan for people and for programs: what a run would do, by kind, by pair of targets, and row by row.

Rows come out one at a time, however many there are.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from bulkroute.manifest.open_plan import SavedPlan
from bulkroute.manifest.saved_plan import PlanCounts, PlanRow, WaveRows
from bulkroute.model import Pair, grouped
from bulkroute.output.pairs import pair_lines
from bulkroute.output.tables import say, say_each

if TYPE_CHECKING:  # here, since `show` must not wait for what only plans of live bindings need
    from bulkroute.live.plan import Plan


def print_plan(
    counts: PlanCounts,
    pairs: Iterable[Pair],
    warnings: Iterable[str],
    stream: TextIO,
    *,
    all_by: str = "plan --json",
) -> None:
    """Print the counts, where rows lead and are to lead, and what a person must look at; `all_by` shows all pairs."""
    for rows, label in (*_labelled(counts), *pair_lines(pairs, all_by=all_by)):
        stream.write(f"{rows:>9,} {label}\n")
    for warning in warnings:
        say(f"warning: {warning}", stream)


def print_rows(rows: Iterable[PlanRow], stream: TextIO) -> None:
    """Print each row: number, from, to."""
    for row in rows:
        now = "unknown id" if row.standing == "unknown_id" else row.before or "no target"
        say(f"line {row.line}: {row.route}: {row.standing}: {now} -> {row.after}", stream)


def print_saved(plan: SavedPlan, name: str, stream: TextIO) -> None:
    """Print what a saved plan is, and what it would do."""
    head, origin = plan.head, plan.head.origin
    sha256 = f", SHA-256 {origin.manifest_sha256}" if origin.manifest_sha256 else ""
    facts = [
        ("plan", name),
        ("fingerprint", grouped(plan.fingerprint)),
        ("in full", plan.fingerprint),
        ("made", f"{origin.made_at} by {origin.made_by}, bulkroute {origin.version}"),
        ("service", origin.service),
        *((("tenant", origin.tenant),) if origin.tenant else ()),
        ("manifest", f"{origin.manifest}{sha256}"),
        ("rows", f"{head.rows:,}"),
    ]
    say_each(facts, stream)
    print_plan(
        head.counts, head.pairs, head.warnings, stream, all_by="show --rows" if head.more_pairs else "show --json"
    )
    print_waves(head.waves, stream)
    if head.more_pairs:
        say(f"and {head.more_pairs:,} more pairs of targets: --rows shows each row", stream)
    if not head.settled:
        say("warning: the list of called routes never came to rest while the plan was made", stream)


def print_waves(waves: Iterable[WaveRows], stream: TextIO) -> None:
    """Print how many rows go in each wave; nothing where all go in one."""
    for wave, rows in waves:
        stream.write(f"{rows:>9,} in {'no wave' if wave is None else f'wave {wave}'}\n")


def _labelled(counts: PlanCounts) -> list[tuple[int, str]]:
    """Return the counts with what they mean; those of seldom kinds only where there are any."""
    stays = ", which stays so" * ("drifted" in counts.refused)
    seldom = {
        "drifted": (counts.drifted, f"drifted: they were done, and another hand has changed them since{stays}"),
        "conflict": (counts.refused.get("conflict", 0), "in conflict: another hand has changed them; they stay so"),
        "skipped": (counts.skipped, "skipped, as asked for"),
    }
    told = {name: [line] for name, line in seldom.items() if line[0]}
    return [
        (counts.to_change, "to change"),
        *told.get("drifted", []),
        (counts.already_right, "already right"),
        (counts.refused.get("locked", 0), "locked: they must not be changed"),
        (counts.refused.get("unknown_id", 0), "unknown: no called route has this id"),
        *([(rows, "moved: another route has their number now")] if (rows := counts.refused.get("moved", 0)) else []),
        *told.get("conflict", []),
        *told.get("skipped", []),
        (counts.twice, "in the manifest twice"),
    ]


def plan_json(plan: "Plan") -> dict[str, object]:
    """Return all of a plan but its rows."""
    pairs = [pair.to_json() for pair in plan.pairs()]
    head = {**plan.counts._asdict(), "settled": plan.settled, "warnings": plan.warnings, "pairs": pairs}
    return {**head, "waves": [each._asdict() for each in plan.waves]}


def print_json(head: Mapping[str, object], rows: Iterable[Mapping[str, object]] | None, stream: TextIO) -> None:
    """Print the object piece by piece, a row after another; no `rows` in it where there are to be none."""
    text = json.dumps(head, ensure_ascii=False)
    if rows is None:
        stream.write(f"{text}\n")
        return
    stream.write(text[:-1] + ', "rows": [')
    for number, row in enumerate(rows):
        stream.write(", " * (number > 0) + json.dumps(row, ensure_ascii=False))
    stream.write("]}\n")


def row_json(row: PlanRow) -> dict[str, object]:
    """Return a row as `plan --json` has it: its targets are `from` and `to`, as in `pairs`."""
    record = row.to_json()
    targets = {"from": record.pop("before"), "to": record.pop("after")}
    return {**record, **targets}
