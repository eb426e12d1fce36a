"""What a check of a ledger found: a line for rows that differ alike, or for each row, or one JSON object."""

import json
from typing import Any, TextIO

from bulkroute.ledger.compare import Difference, DifferenceKind
from bulkroute.live.verify import DifferenceGroup, Verified
from bulkroute.model import NamedTarget
from bulkroute.output.tables import Column, Table, say, show

MOST_GROUPS = 20

ID_CHARACTERS = 21
"""Of the vendor's ids, with the bracket and the comma after one."""


def to_json(found: Verified, exit_code: int) -> str:
    """Return all of it on one line."""
    return json.dumps({**fields(found), "exit_code": exit_code}, ensure_ascii=False)


def fields(found: Verified) -> dict[str, Any]:
    """Return all of it as plain values."""
    return {
        **found._asdict(),
        "differences": [_difference(each) for each in found.differences],
        "found": found.counts,
        "groups": [_group(each) for each in found.groups],
    }


def _group(group: DifferenceGroup) -> dict[str, Any]:
    targets = {"wanted": _target(group.wanted), "is": _target(group.now)}
    return {"kind": group.kind, **targets, "rows": group.rows, "examples": group.examples}


def _difference(each: Difference) -> dict[str, Any]:
    targets = {"was": _target(each.was), "wanted": _target(each.wanted), "is": _target(each.now)}
    number = {"accessCode": each.access_code, "extCode": each.ext_code}
    return {"id": each.id, **number, "kind": each.kind, **targets}


def _target(target: NamedTarget | None) -> dict[str, object] | None:
    return None if target is None else target.to_json()


def print_verified(found: Verified, stream: TextIO, *, rows: bool) -> None:
    """Print what differs, grouped or, with `rows`, row by row; and how many rows are right."""
    if rows:
        for each in found.differences:
            was = each.was or "not recorded"
            say(
                f"{each.route}: {each.kind.words}: was {was}, wanted {each.wanted}, {_now(each.kind, each.now)}", stream
            )
    elif found.differences:
        show(_table(found), stream)
    say(found.sentence, stream)


def _table(found: Verified) -> Table:
    groups = found.groups
    columns = [Column("found"), Column("rows", right=True), *map(Column, ("should lead to", "leads to"))]
    lines: list[tuple[str, ...]] = [
        (
            group.kind.words,
            f"{group.rows:,}",
            str(group.wanted),
            _now(group.kind, group.now).removeprefix("is "),
            ", ".join(group.routes) + ("" if group.rows == len(group.routes) else ", ..."),
        )
        for group in groups[:MOST_GROUPS]
    ]
    if rest := groups[MOST_GROUPS:]:
        lines.append(
            (
                "others",
                f"{sum(group.rows for group in rest):,}",
                f"{len(rest):,} more groups; --rows shows each row",
                "",
                "",
            )
        )
    title = f"batch {found.batch} in {found.ledger}: rows that are not as the ledger says"
    return Table(title, [*columns, Column("for example", least=ID_CHARACTERS)], lines)


def _now(kind: DifferenceKind, now: NamedTarget | None) -> str:
    if kind is DifferenceKind.GONE:
        return "is not listed"
    return f"is {now or 'without a target'}"
