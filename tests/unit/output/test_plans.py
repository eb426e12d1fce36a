"""What a saved plan looks like: fingerprint and origin first, then counts, pairs and waves, then each row."""

import io
import json
from pathlib import Path

from bulkroute.manifest.open_plan import SavedPlan
from bulkroute.manifest.saved_plan import WaveRows
from bulkroute.model import NamedTarget, Pair
from bulkroute.output import plans
from tests.unit.manifest.test_plan_reader import BILLING, ROWS, head_of, row, written


def shown(path: Path, data: bytes) -> tuple[str, str]:
    """Return what is printed of a plan, and its fingerprint."""
    path.write_bytes(data)
    out = io.StringIO()
    with SavedPlan.open(path) as plan:
        plans.print_saved(plan, path.name, out)
        return out.getvalue(), plan.fingerprint


def test_a_plan_is_shown_with_its_fingerprint_and_where_it_comes_from(tmp_path: Path) -> None:
    text, fingerprint = shown(tmp_path / "x.plan", written(ROWS))
    short = f"{fingerprint[:4]} {fingerprint[4:8]} {fingerprint[8:12]}"
    assert text.splitlines() == [
        "plan         x.plan",
        f"fingerprint  {short}",
        f"in full      {fingerprint}",
        "made         2026-03-28T12:00:00.000Z by ann@ops1, bulkroute 0.2.0",
        "service      https://cc.example.com",
        "tenant       eu",
        "manifest     cutover.csv",
        "rows         4",
        "        2 to change",
        "        1 already right",
        "        1 locked: they must not be changed",
        "        0 unknown: no called route has this id",
        "        0 in the manifest twice",
        "        2 from Billing (skill_queue 101) to Night (ivr 3015)",
    ]


def test_what_is_seldom_is_shown_where_it_is_so(tmp_path: Path) -> None:
    pairs = [Pair(BILLING, NamedTarget(3, number, f"Flow {number}"), 1) for number in range(21)]
    head = head_of(
        ROWS,
        settled=False,
        pairs=pairs,
        more_pairs=3,
        waves=[WaveRows(1, 2), WaveRows(None, 2)],
        warnings=["Night (ivr 3015) is not loaded"],
    )
    text, _fingerprint = shown(tmp_path / "x.plan", written(ROWS, head))
    assert text.splitlines()[-6:] == [
        "        1 in 1 more pairs of targets; `show --rows` shows all",
        "warning: Night (ivr 3015) is not loaded",
        "        2 in wave 1",
        "        2 in no wave",
        "and 3 more pairs of targets: --rows shows each row",
        "warning: the list of called routes never came to rest while the plan was made",
    ]


def test_rows_are_told_by_number_from_and_to() -> None:
    out = io.StringIO()
    gone = row(9, standing="unknown_id")._replace(before=None)
    plans.print_rows([row(2), row(3)._replace(before=None), gone], out)
    assert out.getvalue().splitlines() == [
        "line 2: 4008001234 ext 2 (id 1125397061153369002): change: Billing (skill_queue 101) -> Night (ivr 3015)",
        "line 3: 4008001234 ext 2 (id 1125397061153369003): change: no target -> Night (ivr 3015)",
        "line 9: 4008001234 ext 2 (id 1125397061153369009): unknown_id: unknown id -> Night (ivr 3015)",
    ]


def test_json_is_one_object_however_many_rows_there_are() -> None:
    for rows in ([], [row(2)], [row(2), row(3)]):
        out = io.StringIO()
        plans.print_json({"total": len(rows)}, map(plans.row_json, rows), out)
        found = json.loads(out.getvalue())
        assert [each["line"] for each in found["rows"]] == [each.line for each in rows]
        assert all((each["from"]["name"], each["to"]["name"]) == ("Billing", "Night") for each in found["rows"])
    out = io.StringIO()
    plans.print_json({"total": 0}, None, out)
    assert json.loads(out.getvalue()) == {"total": 0}
