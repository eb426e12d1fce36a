"""Whole manifests by number: every fault at once, what is dropped, what is only remarked on; held to a plain matcher."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.live.resolve import AS_WRITTEN, LabelComparison, ResolvedRow, Resolver, Rules
from bulkroute.live.route_index import KnownRoute, RouteIndex
from bulkroute.live.target_index import KnownTarget, TargetIndex
from bulkroute.manifest import Faults
from bulkroute.manifest.rows import LabelledRow, NumberedRow, WantedTarget
from bulkroute.manifest.targets import parse_target
from bulkroute.model import Binding
from bulkroute.settings import parse_rewrite_rule
from tests.fuzz_numbers import fuzz, outcomes_of
from tests.plain_matcher import Route, Target, plain_outcomes

ROUTES = [
    KnownRoute("1125397061153369092", "9911411", "11", 5, Binding(3, 3001), "Day"),
    KnownRoute("1125397061153369093", "+551140028922", "", 5, Binding(1, 102), "Sales"),
    KnownRoute("1125397061153369094", "9911411", "", 53, Binding(1, 102), "Sales"),
    KnownRoute("1125397061153369095", "6688", "1", None, None, ""),
]
TARGETS = [
    KnownTarget(3, 3015, "Night"),
    KnownTarget(3, 3016, "Closed", is_loaded=False),
    KnownTarget(1, 101, "Billing", 5),
    KnownTarget(1, 102, "Sales", 19),
    KnownTarget(3, 3017, "+1 press"),
    KnownTarget(3, 3018, "IVR: main"),
    KnownTarget(3, 3019, "#9 back"),
]


def row(
    line: int, number: str, target: str = "Night", media: int | None = None, wave: int | None = None
) -> NumberedRow:
    """Return a row; `number` is `code`, `code/ext`, or `=dialled`."""
    code, _, ext = number.removeprefix("=").partition("/")
    return NumberedRow(line, code, None if number.startswith("=") else ext, media, parse_target(target), wave)


def resolved(*rows: NumberedRow, rules: Rules = AS_WRITTEN) -> tuple[list[ResolvedRow], Faults, Resolver]:
    faults = Faults("night.csv")
    resolver = Resolver(RouteIndex(ROUTES), TargetIndex(TARGETS), faults, rules)
    found = list(resolver.resolve(rows))
    resolver.finish()
    return found, faults, resolver


def test_numbers_and_names_become_ids() -> None:
    found, faults, _ = resolved(row(2, "9911411/11", "ivr:Night#3015", wave=1), row(3, "=66881", "Billing"))
    assert found == [
        ResolvedRow(2, "1125397061153369092", 3, 3015, ROUTES[0], "Night", 1),
        ResolvedRow(3, "1125397061153369095", 1, 101, ROUTES[3], "Billing", None),
    ]
    assert not faults.total
    assert not faults.warnings


def test_every_fault_has_its_line_and_a_row_may_have_two() -> None:
    found, faults, _ = resolved(
        row(2, "9911411/11"), row(3, "1140028922"), row(4, "9911411/11", "night"), row(9, "77", "Closed")
    )
    assert [each.line for each in found] == [2]
    assert [text.partition("; ")[0] for text in faults.kept] == [
        "night.csv:3: no route 1140028922",
        "night.csv:4: no skill queue or IVR flow is called 'night'",
        "night.csv:9: no route 77",
        "night.csv:9: Closed (ivr 3016) is not loaded: no call can enter it",
    ]


def test_a_number_that_several_routes_have_is_a_fault_of_its_line() -> None:
    twice = [KnownRoute("1", "77", "", 5, None, ""), KnownRoute("2", "77", "", 19, None, "")]
    faults = Faults("night.csv")
    resolver = Resolver(RouteIndex(twice), TargetIndex(TARGETS), faults)
    assert not list(resolver.resolve([row(5, "77")]))
    (text,) = faults.kept
    assert text.startswith("night.csv:5: ")
    assert resolver.not_found == 0


def test_a_rewritten_number_with_an_extension_is_named_by_its_own_column() -> None:
    _, faults, _ = resolved(row(2, "00551140028922/1"), rules=Rules(rewrite=[parse_rewrite_rule("^00=plus ")]))
    assert "'^00=plus ': accessCode 'plus 551140028922' holds 'p'" in faults.kept[0]


def test_two_lines_for_one_route() -> None:
    found, faults, resolver = resolved(
        row(2, "=66881"), row(3, "6688/1"), row(4, "6688/1", "Billing"), row(5, "6688/1", "ivr:Night")
    )
    assert [each.line for each in found] == [2]
    assert resolver.dropped == 2
    assert faults.warnings == ["night.csv: 2 rows were dropped: the same route with the same target stands further up"]
    assert faults.kept == [
        "night.csv:4: 6688 ext 1 is route 1125397061153369095 as in line 2, which sends it to ivr 3015, not to "
        "skill_queue 101; keep one of them"
    ]


def test_the_wrong_tenant_is_thought_of() -> None:
    _, faults, resolver = resolved(row(2, "9911411/11"), *(row(line, str(line)) for line in range(3, 80)))
    assert resolver.not_found == 77
    assert (
        "night.csv: 77 of 78 numbers are not found: is this the right tenant? Organization units may hide"
        in (faults.kept[0])
    )
    _, faults, _ = resolved(row(2, "9911411/11"), row(3, "1"))
    assert faults.total == 1


def test_unknown_numbers_may_be_left_out() -> None:
    found, faults, resolver = resolved(row(2, "9911411/11"), row(3, "1"), row(4, "2"), rules=Rules(skip_unknown=True))
    assert [each.line for each in found] == [2]
    assert resolver.not_found == 2
    assert not faults.total
    assert "2 of 3 numbers are not found: is this the right tenant?" in faults.warnings[0]
    assert faults.warnings[1] == (
        "night.csv: 2 rows have a number that no route has, which --skip leaves out (first: line 3)"
    )


def test_rules_rewrite_the_numbers_of_the_file() -> None:
    rules = Rules(rewrite=[parse_rewrite_rule("^00=+"), parse_rewrite_rule("^0=+55")])
    found, faults, resolver = resolved(
        row(2, "00551140028922"), row(3, "01140028922"), row(4, "9911411/11"), rules=rules
    )
    assert [each.id[-1] for each in found] == ["3", "2"]
    assert resolver.dropped == 1
    assert not faults.total
    assert resolver.rewritten == {0: 1, 1: 1}
    _, faults, _ = resolved(row(2, "=00551140028922"), rules=Rules(rewrite=[parse_rewrite_rule("^00=plus ")]))
    assert faults.kept[0] == (
        "night.csv:2: 00551140028922 after --rewrite-number '^00=plus ': number 'plus 551140028922' holds 'p'; "
        "it is made of digits, *, # and +"
    )


def test_media_types_that_do_not_fit_are_faults_where_targets_must_be_sound() -> None:
    rows = row(2, "9911411"), row(3, "+551140028922", "Sales"), row(4, "9911411/11", "Sales")
    found, faults, _ = resolved(*rows)
    assert len(found) == 3
    assert not faults.total
    assert not faults.warnings  # whoever looks up the targets of the rows to send says so, of those alone
    _, faults, _ = resolved(*rows, rules=Rules(strict_targets=True))
    assert [text.partition(": ")[2].split(" ")[0] for text in faults.kept] == ["9911411:", "+551140028922:", "9911411"]


def test_a_media_type_that_the_service_does_not_tell_is_assumed_with_a_warning() -> None:
    found, faults, _ = resolved(row(2, "6688/1", media=5))
    assert len(found) == 1
    assert faults.warnings == [
        "night.csv: 1 row names a media type where the service tells none of the route (first: line 2)"
    ]
    _, faults, _ = resolved(row(2, "1"), rules=Rules(skip_unknown=True))
    assert "night.csv: 1 row has a number that no route has, which --skip leaves out (first: line 2)" in faults.warnings


def test_an_unloaded_flow_that_is_allowed_is_taken() -> None:
    found, faults, _ = resolved(row(2, "9911411/11", "Closed"), rules=Rules(allow_unloaded=True))
    assert len(found) == 1
    assert not faults.total


def test_ever_new_names_are_not_all_remembered() -> None:
    rows = [NumberedRow(line, "1", "", None, WantedTarget(None, None, f"n{line}")) for line in range(2, 4500)]
    found, faults, _ = resolved(*rows, row(9001, "9911411/11"))
    assert len(found) == 1
    assert faults.total == 2 * len(rows) + 1


LABELLED = LabelledRow(2, "1125397061153369092", 3, 3015, "9911411", "11", 5, "ivr:Night", None)


def compared(*rows: LabelledRow, strict: bool = False) -> Faults:
    faults = Faults("night.csv")
    comparison = LabelComparison(TargetIndex(TARGETS), faults, Rules(strict_numbers=strict))
    for each in rows:
        comparison.compare(each, ROUTES[0])
    comparison.finish()
    return faults


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"access_code": "", "ext_code": ""},
        {"ext_code": None},
        {"media_type": None},
        {"target": ""},
        {"target": "Night#3015"},
        {"device_id": 999, "target": "what is new"},
        {"device_id": 3017, "target": "'+1 press"},  # as our own files write it, for the sake of spreadsheets
        {"device_id": 3017, "target": "+1 press"},
        {"device_id": 3018, "target": "IVR: main"},
        {"device_id": 3019, "target": "#9 back"},
    ],
)
def test_what_stands_beside_an_id_and_is_so(same: dict[str, object]) -> None:
    faults = compared(LABELLED._replace(**same), strict=True)  # type: ignore[arg-type]
    assert not faults.total
    assert not faults.warnings


@pytest.mark.parametrize(
    ("other", "warning", "fault"),
    [
        (
            {"access_code": "9911412"},
            "name a number that is not that of their id",
            "9911412 ext 11 is not the number of",
        ),
        ({"ext_code": ""}, "name a number that is not that of their id", "9911411 is not the number of id 11253"),
        (
            {"media_type": 19},
            "name a media type that is not that of their id",
            "id 1125397061153369092 has another media",
        ),
        ({"target": "Day"}, "name a target that is not called so", "target 'Day' is not Night (ivr 3015)"),
        ({"target": "ivr:"}, "name a target that is not called so", "target 'ivr:' is not Night (ivr 3015)"),
    ],
)
def test_what_stands_beside_an_id_and_is_not_so(other: dict[str, object], warning: str, fault: str) -> None:
    wrong = LABELLED._replace(**other)  # type: ignore[arg-type]
    faults = compared(LABELLED, wrong._replace(line=7), wrong._replace(line=8))
    assert not faults.total
    assert faults.warnings == [f"night.csv: 2 rows {warning} (first: line 7)"]
    faults = compared(LABELLED, wrong._replace(line=7), strict=True)
    assert not faults.warnings
    (text,) = faults.kept
    assert text.startswith(f"night.csv:7: {fault}")
    assert text.endswith("; correct the row")


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False])
def test_cells_made_up_by_dice_end_as_the_plain_matcher_says(fixed: bool) -> None:
    # Drawn here, not in the list above: the test has one name in every process that looks for it.
    seed = 0 if fixed else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    tried, found = fuzz(seed, 20_000)
    assert tried >= 20_000
    assert found


TENANT = [
    Route("1", "6688", "1", 5),
    Route("2", "66881", "", None),
    Route("3", "+44", "2", 19),
    Route("4", "+44", "2", 5),
]
GOALS = [Target(3, 1, "Night"), Target(1, 2, "Night"), Target(3, 3, "Day", loaded=False), Target(3, 4, "IVR #1")]
CELL = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["6688", "66881", "1", "+44", "2", "'6688", '="6688"', "６６８８", "6688.0", "66 88", ""]),
)


@pytest.mark.slow
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "accessCode": CELL,
                "extCode": CELL,
                "mediaType": st.sampled_from(["", "5", "voice", "19"]),
                "target": st.one_of(
                    st.text(max_size=6), st.sampled_from(["Night", "ivr:Night", "Night#2", "Day", "IVR #1"])
                ),
            }
        ).filter(
            lambda cells: (
                not any("\0" in cell or "\ud800" <= char <= "\udfff" for cell in cells.values() for char in cell)
            )
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_cells_end_in_rows_or_faults(table: list[dict[str, str]]) -> None:
    found, dropped = outcomes_of(table, TENANT, GOALS)
    trimmed = [{name: text.strip() for name, text in cells.items()} for cells in table]
    for cells, outcome in zip(trimmed, found, strict=True):
        if outcome is not None:
            expected, _ = plain_outcomes([cells], TENANT, GOALS)
            assert expected == [outcome]
    ids = [outcome[0] for outcome in found if outcome]
    assert all(one != other for one, other in pairwise(sorted(ids)))
    assert dropped <= len(table) - len(ids)
