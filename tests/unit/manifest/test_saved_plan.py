"""A saved plan as it is written: one way to say each thing, a fingerprint of all of it, and nothing too long."""

import hashlib
import io
import json

import pytest

from bulkroute.errors import UsageError
from bulkroute.manifest.saved_plan import PlanCounts, PlanHead, PlanOrigin, PlanRow, WaveRows, cut, line_of, write_plan
from bulkroute.model import Binding, NamedTarget, Pair

NIGHT, BILLING = NamedTarget(3, 3015, "Night"), NamedTarget(1, 101, "Billing")
ORIGIN = PlanOrigin("0.2.0", "2026-03-28T12:00:00Z", "ann@ops1", "https://cc.example.com", "0123", "eu", "a.csv", None)
ROW = PlanRow(2, "1125397061153369092", "change", False, BILLING, NIGHT, "4008001234", "2", 5, "0", 1)
COUNTS = PlanCounts(1, 1, 0, 0, 0, {}, 0)
HEAD = PlanHead(ORIGIN, True, 1, COUNTS, [WaveRows(1, 1)], [Pair(BILLING, NIGHT, 1), Pair(None, NIGHT, 2)], 3, ["look"])


def test_a_plan_is_its_head_its_rows_and_the_digest_of_all_before_it() -> None:
    file = io.StringIO(newline="")
    fingerprint = write_plan(file, HEAD, [ROW])
    head, row, last = file.getvalue().splitlines(keepends=True)
    assert fingerprint == hashlib.sha256((head + row).encode()).hexdigest()
    assert json.loads(last) == {"sha256": fingerprint}
    billing, night = (
        {"devicetype": 1, "deviceId": 101, "name": "Billing"},
        {"devicetype": 3, "deviceId": 3015, "name": "Night"},
    )
    assert json.loads(row) == {
        "line": 2,
        "id": ROW.id,
        "accessCode": "4008001234",
        "extCode": "2",
        "mediaType": 5,
        "before": billing,
        "after": night,
        "editable": "0",
        "wave": 1,
        "standing": "change",
        "drifted": False,
    }
    said = json.loads(head)
    assert (said["format"], said["version"], said["made_by"], said["tenant"]) == ("bulkroute plan", 1, "ann@ops1", "eu")
    assert said["pairs"] == [{"from": billing, "to": night, "rows": 1}, {"from": None, "to": night, "rows": 2}]
    assert (said["waves"], said["more_pairs"], said["warnings"]) == ([{"wave": 1, "rows": 1}], 3, ["look"])


def test_a_line_of_one_mebibyte_is_written_and_a_longer_one_is_refused() -> None:
    room = (1 << 20) - len(line_of(HEAD._replace(warnings=[""]).to_json()))
    for extra in (0, 1):
        file = io.StringIO(newline="")
        head = HEAD._replace(warnings=["x" * (room + extra)])
        if not extra:
            write_plan(file, head, [ROW])
            continue
        with pytest.raises(UsageError, match="line 1 of the plan would have 1,048,577 bytes, and 1,048,576 fit"):
            write_plan(file, head, [ROW])
    with pytest.raises(UsageError, match="line 2 of the plan"):
        write_plan(io.StringIO(), HEAD, [ROW._replace(access_code="1" * (1 << 20))])


def test_names_are_cut_since_they_decide_nothing() -> None:
    assert cut("x" * 256) == "x" * 256
    assert cut("x" * 257) == "x" * 255 + "…"


def test_letters_stay_and_what_moves_a_cursor_does_not() -> None:
    assert line_of({"name": "Nacht é 夜间"}) == '{"name": "Nacht é 夜间"}\n'
    assert line_of({"name": "a\u202eb\x9b"}) == '{"name": "a\\u202eb\\u009b"}\n'


def test_rows_and_plans_in_words() -> None:
    assert ROW.route == "4008001234 ext 2 (id 1125397061153369092)"
    assert HEAD.described("3f9ca1b277d0" + "0" * 52) == "3f9c a1b2 77d0, made by ann@ops1 at 2026-03-28T12:00:00Z"
    named = ROW.named_by({Binding(1, 101): "Rechnung", Binding(3, 3015): "Nacht"})
    assert (named.before, named.after) == (NamedTarget(1, 101, "Rechnung"), NamedTarget(3, 3015, "Nacht"))
    assert ROW._replace(before=None).named_by({}).before is None
