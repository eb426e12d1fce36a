"""Targets as a sheet names them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.manifest.rows import WantedTarget
from bulkroute.manifest.targets import named_target, parse_target, split_id, wanted_target


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Night", WantedTarget(None, None, "Night")),
        (" Night \t", WantedTarget(None, None, "Night")),
        ("ivr:Night", WantedTarget(3, None, "Night")),
        ("IVR: Night", WantedTarget(3, None, "Night")),
        ("ivr：夜间", WantedTarget(3, None, "夜间")),
        ("queue:Billing", WantedTarget(1, None, "Billing")),
        ("Skill Queue:Billing", WantedTarget(1, None, "Billing")),
        ("skill_queue:Billing", WantedTarget(1, None, "Billing")),
        ("技能队列：账单", WantedTarget(1, None, "账单")),
        ("ivr-file:night.xml", WantedTarget(3, None, "night.xml", "file")),
        ("IVR file:night.xml", WantedTarget(3, None, "night.xml", "file")),
        ("ivr-code:T1", WantedTarget(3, None, "T1", "code")),
        ("Night#3015", WantedTarget(None, None, "Night#3015")),
        ("ivr:ivr:Night", WantedTarget(3, None, "ivr:Night")),
        ("note: x", WantedTarget(None, None, "note: x")),
        ("3:Night", WantedTarget(None, None, "3:Night")),
        ("a：b", WantedTarget(None, None, "a：b")),
        ("ivr:a：b:c", WantedTarget(3, None, "a：b:c")),
        ("Night\u3000shift\u00a01", WantedTarget(None, None, "Night\u3000shift\u00a01")),
        ("x" * 255, WantedTarget(None, None, "x" * 255)),
    ],
)
def test_forms(text: str, wanted: WantedTarget) -> None:
    assert parse_target(text) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no name"),
        ("ivr:", "has no name"),
        ("ivr: ", "has no name"),
        ("#3015", "has no name"),
        ("x" * 256, "has 256 characters; at most 255"),
        ("a\x1bb", "holds U+001B, which cannot be printed"),
        ("a\nb", "holds U+000A"),
        ("a\u202eb", "holds U+202E"),
    ],
)
def test_what_names_no_target(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="target") as caught:
        parse_target(text)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Night#3015", ("Night", 3015)),
        ("Night #3015", ("Night", 3015)),
        ("IVR #1#3015", ("IVR #1", 3015)),
        ("Night", None),
        ("#3015", None),
        ("Night#", None),
        ("Night#x1", None),
        ("Night#１", None),
        ("Night#9223372036854775808", None),
    ],
)
def test_name_and_id_in_one(name: str, parts: tuple[str, int] | None) -> None:
    assert split_id(name) == parts


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (("", "", "Night"), WantedTarget(None, None, "Night")),
        (("ivr", "", "Night"), WantedTarget(3, None, "Night")),
        (("ivr", "", "ivr:Night"), WantedTarget(3, None, "Night")),
        (("", "3015", "Night"), WantedTarget(None, 3015, "Night")),
        (("3", "3015", ""), WantedTarget(3, 3015, "")),
        (("Fila", "0101", "Billing"), WantedTarget(1, 101, "Billing")),
        (("ivr", "", "ivr-file:n.xml"), WantedTarget(3, None, "n.xml", "file")),
    ],
)
def test_the_three_cells_of_a_row(cells: tuple[str, str, str], wanted: WantedTarget) -> None:
    assert wanted_target(*cells) == (wanted, [])


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (("", "", ""), ["target and deviceId are empty; give the name"]),
        (("ivr", "", ""), ["target and deviceId are empty; give the name"]),
        (("", "3015", ""), ["devicetype is empty; write 1 or skill_queue"]),
        (("2", "x", "ivr:"), ["deviceId 'x' is not", "devicetype '2' is unknown", "target 'ivr:' has no name"]),
        (("queue", "", "ivr:Night"), ["target 'ivr:Night' and devicetype 'queue' disagree; correct one of them"]),
        (("1", "", "ivr-code:T1"), ["target 'ivr-code:T1' and devicetype '1' disagree"]),
        (("ivr", "3015.0", "Night"), ["deviceId '3015.0' has a decimal point"]),
    ],
)
def test_cells_that_do_not_go_together(cells: tuple[str, str, str], says: list[str]) -> None:
    wanted, problems = wanted_target(*cells)
    assert wanted is None
    assert len(problems) == len(says)
    assert all(problem.startswith(start) for problem, start in zip(problems, says, strict=True)), problems


@given(st.sampled_from(["", "ivr", "queue"]), st.text(min_size=1, max_size=20), st.sampled_from(["", "ivr-file:"]))
def test_what_is_printed_is_read_as_the_same(devicetype: str, name: str, prefix: str) -> None:
    wanted, _ = wanted_target(devicetype, "", prefix + name)
    if wanted is not None:
        assert wanted_target("", "", str(wanted))[0] == wanted or not wanted.devicetype
    assert str(WantedTarget(3, 3015, "")) == "ivr 3015"


def test_a_person_may_name_a_target_by_type_and_id_alone() -> None:
    assert named_target(" ivr : # 3015 ") == WantedTarget(3, 3015, "")
    assert named_target("queue:#0") == WantedTarget(1, 0, "")
    assert named_target("ivr:Night#3015") == parse_target("ivr:Night#3015")
    with pytest.raises(ValueError, match="has no name; write ivr:Night"):
        named_target("ivr-file:#3015")
    with pytest.raises(ValueError, match="target 'ivr:#x': deviceId 'x' is not a decimal integer"):
        named_target("ivr:#x")
