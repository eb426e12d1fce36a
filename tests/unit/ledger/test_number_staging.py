"""Numbers that stand twice as they are written, and what comes out again."""

import pytest

from bulkroute.ledger.number_staging import NumberStaging
from bulkroute.manifest import Faults
from bulkroute.manifest.rows import NumberedRow, WantedTarget

NIGHT = WantedTarget(None, None, "Night")


def row(line: int, access_code: str = "1", ext_code: str | None = "", target: WantedTarget = NIGHT) -> NumberedRow:
    return NumberedRow(line, access_code, ext_code, None, target)


def loaded(*rows: NumberedRow) -> tuple[list[NumberedRow], Faults]:
    faults = Faults("m.csv")
    with NumberStaging() as staging:
        staging.load(rows, faults)
        kept = list(staging.rows())
        assert staging.count == len(kept) == len(rows) - staging.dropped
        assert set(staging.targets()) == {row.target for row in kept}
    return kept, faults


def test_rows_come_out_as_they_went_in() -> None:
    rows = [
        NumberedRow(2, "0800", "", None, NIGHT),
        NumberedRow(3, "0800", None, None, WantedTarget(3, 7, "")),
        NumberedRow(5, "0800", "1", 5, WantedTarget(3, None, "n.xml", "file"), 2),
        NumberedRow(9, "0800", "1", 53, WantedTarget(1, 2**63 - 1, "夜间#1"), 0),
        NumberedRow(10, "+44*#", "1", None, NIGHT),
    ]
    kept, faults = loaded(*rows)
    assert kept == rows
    assert not faults.total
    assert not faults.warnings


def test_the_same_number_with_the_same_target_is_dropped() -> None:
    kept, faults = loaded(row(2), row(3, "2"), row(4), row(5, ext_code=None), row(6), row(7, ext_code=None))
    assert [each.line for each in kept] == [2, 3, 5]
    assert not faults.total
    assert faults.warnings == ["m.csv: 3 rows were dropped: the same number with the same target stands further up"]
    assert "1 row was dropped" in loaded(row(2), row(3))[1].warnings[0]


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (NIGHT, WantedTarget(None, None, "Day"), True),
        (NIGHT, WantedTarget(3, None, "Day"), True),
        (NIGHT, WantedTarget(3, None, "Night"), False),
        (WantedTarget(1, None, "Night"), WantedTarget(3, None, "Night"), True),
        (WantedTarget(3, 7, ""), WantedTarget(3, 8, ""), True),
        (WantedTarget(3, 7, ""), WantedTarget(3, None, "Day"), False),
        (WantedTarget(3, 7, "Night"), WantedTarget(None, 8, "Night"), True),
        (NIGHT, WantedTarget(None, None, "Night#7"), False),
        (NIGHT, WantedTarget(None, None, "Day#7"), True),
        (WantedTarget(None, None, "Night#8"), WantedTarget(None, None, "Night#7"), False),
        (NIGHT, WantedTarget(3, None, "night.xml", "file"), False),
        (WantedTarget(None, None, "é"), WantedTarget(None, None, "e\u0301"), False),
    ],
)
def test_the_same_number_with_another_target(one: WantedTarget, other: WantedTarget, differ: bool) -> None:
    for first, later in ((one, other), (other, one)):
        kept, faults = loaded(row(2, "4008", "2", first), row(3), row(4, "4008", "2", later))
        assert len(kept) == 3
        said = f"m.csv:4: 4008 ext 2 is to go to {later}, but line 2 sends it to {first}; keep one of them"
        assert faults.kept == ([said] if differ else [])


def test_another_extension_or_media_type_is_another_number() -> None:
    kept, faults = loaded(row(2), row(3, ext_code="1"), row(4)._replace(media_type=5), row(5, "1*"))
    assert len(kept) == 4
    assert not faults.warnings


def test_more_targets_than_are_remembered() -> None:
    rows = [row(n, str(n), target=WantedTarget(3, None, f"Night {n % 9000}")) for n in range(1, 20_000)]
    kept, faults = loaded(*rows, row(20_000, "1", target=WantedTarget(3, None, "Night 1")))
    assert kept == rows
    assert "1 row was dropped" in faults.warnings[0]
