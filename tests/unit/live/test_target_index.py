"""Which queue or flow a name means: exactly one, or a reason that says what to write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.live.target_index import KnownTarget, Meant, NotMeant, TargetIndex, media_misfit
from bulkroute.manifest.rows import WantedTarget
from bulkroute.manifest.targets import parse_target, wanted_target
from bulkroute.model import Binding, MediaType

TARGETS = [
    KnownTarget(1, 101, "Billing", 5),
    KnownTarget(1, 102, "Twin"),
    KnownTarget(3, 3015, "Night", file_name="night.xml", access_code="T1"),
    KnownTarget(3, 3016, "Closed", is_loaded=False, file_name="night.xml", access_code="T2"),
    KnownTarget(3, 3018, "Twin"),
    KnownTarget(3, 3022, "Two "),
    KnownTarget(3, 3023, "Two"),
    KnownTarget(3, 3024, "IVR #1"),
    KnownTarget(3, 3025, "Café"),
    KnownTarget(3, 3026, ""),
    KnownTarget(1, 3027, "3015"),
    KnownTarget(3, 7, "Night#8"),
    KnownTarget(3, 8, "Night"),
]
INDEX = TargetIndex(TARGETS)
ONE_NIGHT = TargetIndex(target for target in TARGETS if target.device_id not in (7, 8))


def find(text: str, devicetype: str = "", device_id: str = "", *, index: TargetIndex = ONE_NIGHT) -> Binding | str:
    wanted, problems = wanted_target(devicetype, device_id, text)
    assert wanted, problems
    found = index.find(wanted)
    return found.binding if isinstance(found, Meant) else found.reason


@pytest.mark.parametrize(
    ("cells", "binding"),
    [
        (("Billing",), (1, 101)),
        ((" Billing ",), (1, 101)),
        (("queue:Billing",), (1, 101)),
        (("Billing", "queue"), (1, 101)),
        (("Night",), (3, 3015)),
        (("ivr:Night#3015",), (3, 3015)),
        (("Night #3015",), (3, 3015)),
        (("Night", "", "3015"), (3, 3015)),
        (("queue:Twin",), (1, 102)),
        (("Twin", "ivr"), (3, 3018)),
        (("Twin#3018",), (3, 3018)),
        (("Twin", "", "102"), (1, 102)),
        (("Two#3023",), (3, 3023)),
        (("ivr-code:T1",), (3, 3015)),
        (("IVR #1",), (3, 3024)),
        (("IVR #1#3024",), (3, 3024)),
        (("Cafe\u0301",), (3, 3025)),
        (("3015",), (1, 3027)),
        (("", "ivr", "3015"), (3, 3015)),
        (("", "ivr", "9"), (3, 9)),
    ],
)
def test_exactly_one(cells: tuple[str, ...], binding: tuple[int, int]) -> None:
    assert find(*cells) == Binding(*binding)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (("Twin",), "'Twin' may be Twin (skill_queue 102) or Twin (ivr 3018); write queue:Twin or ivr:Twin"),
        (("Two",), "'Two' may be Two (ivr 3022) or Two (ivr 3023); write ivr:Two#3022 or ivr:Two#3023"),
        (("ivr-file:night.xml",), "'night.xml' may be Night (ivr 3015) or Closed (ivr 3016); add deviceId"),
        (("night",), "no skill queue or IVR flow is called 'night'; did you mean 'Night'?"),
        (("B i lling",), "no skill queue or IVR flow is called 'B i lling'; did you mean 'Billing'?"),
        (("TWO",), "did you mean 'Two ' or 'Two'?"),
        (("queue:Night",), "no skill queue is called 'Night', but Night (ivr 3015) is; correct the type"),
        (("ivr:Billing",), "no IVR flow is called 'Billing', but Billing (skill_queue 101) is; correct the type"),
        (("Night#3016",), "'Night' is Night (ivr 3015), not 3016; correct the name or the id"),
        (("Night", "", "3016"), "'Night' is Night (ivr 3015), not 3016; correct the name or the id"),
        (("Night#3015", "", "3016"), "'Night#3015' and deviceId 3016 disagree; correct one of them"),
        (("Closed",), "Closed (ivr 3016) is not loaded: no call can enter it; load it, or give --allow-unloaded"),
        (("Dawn",), "no skill queue or IVR flow is called 'Dawn'"),
        (("ivr:3016",), "no IVR flow is called '3016'; if it is the number of one, give it as deviceId"),
        (("ivr-file:dawn.xml",), "no IVR flow has the file name 'dawn.xml'"),
        (("ivr-code:T9",), "no IVR flow has the access code 'T9'"),
        (("ivr-code:t1",), "no IVR flow has the access code 't1'"),
    ],
)
def test_none_or_several(cells: tuple[str, ...], says: str) -> None:
    assert says in str(find(*cells))


def test_a_name_that_ends_in_a_sign_and_digits_may_be_read_in_two_ways() -> None:
    assert "may be Night#8 (ivr 7) or Night (ivr 8)" in str(find("Night#8", index=INDEX))
    assert find("Night#8#7", index=INDEX) == Binding(3, 7)
    assert find("Night#8", device_id="8", index=INDEX) == Binding(3, 8)
    assert find("Night#8", device_id="7", index=INDEX) == Binding(3, 7)


def test_an_unloaded_flow_may_be_allowed() -> None:
    wanted = WantedTarget(3, None, "Closed")
    assert INDEX.find(wanted, allow_unloaded=True) == Meant(Binding(3, 3016), TARGETS[3])
    assert INDEX.find(WantedTarget(3, 3016, "")) == Meant(Binding(3, 3016), TARGETS[3])  # by id: as in a manifest by id


def test_an_id_that_the_lists_do_not_have_is_taken_as_it_is() -> None:
    assert INDEX.find(WantedTarget(3, 9, "")) == Meant(Binding(3, 9), None)


def test_a_target_listed_twice_is_one() -> None:
    assert find("Billing", index=TargetIndex([*TARGETS, TARGETS[0]])) == Binding(1, 101)


@pytest.mark.parametrize(
    ("text", "binding", "agrees"),
    [
        ("Night", (3, 3015), True),
        ("ivr:Night#3015", (3, 3015), True),
        ("Twin", (1, 102), True),
        ("Twin", (3, 3018), True),
        ("queue:Twin", (3, 3018), False),
        ("night", (3, 3015), False),
        ("Night", (3, 3016), False),
        ("Night", (3, 999), True),
        ("Closed", (3, 3016), True),
    ],
)
def test_whether_a_name_may_stand_for_a_target(text: str, binding: tuple[int, int], agrees: bool) -> None:
    assert ONE_NIGHT.agrees(parse_target(text), Binding(*binding)) is agrees


@pytest.mark.parametrize(
    ("media_type", "target", "says"),
    [
        (
            MediaType.VOICE,
            KnownTarget(1, 7, "Video", MediaType.VIDEO),
            "voice routes do not fit Video (skill_queue 7), a",
        ),
        (MediaType.VOICE, KnownTarget(1, 7, "Voice", MediaType.VOICE), None),
        (MediaType.VOICE, KnownTarget(1, 7, "?"), None),
        (None, KnownTarget(1, 7, "Video", MediaType.VIDEO), None),
        (MediaType.MULTIMEDIA, KnownTarget(3, 7, "Night"), "multimedia routes cannot lead to Night (ivr 7)"),
        (MediaType.VIDEO, KnownTarget(3, 7, "Night"), None),
        (None, KnownTarget(3, 7, "Night"), None),
    ],
)
def test_media_types_that_do_not_fit(media_type: int | None, target: KnownTarget, says: str | None) -> None:
    text = media_misfit(media_type, target)
    assert text is None if says is None else text is not None and text.startswith(says)


NAMES = st.sampled_from(
    ["Night", "night", "Day", "IVR #1", "IVR", "Night#7", "夜间", "Cafe\u0301", "Café", "#2", "a:b", "ivr:x"]
)


@given(
    st.lists(st.tuples(st.sampled_from([1, 3]), st.integers(1, 9), NAMES), max_size=9, unique_by=lambda each: each[:2]),
    NAMES,
    st.sampled_from(["", "ivr:", "queue:"]),
    st.sampled_from(["", "#1", "#7"]),
)
def test_what_is_advised_resolves(table: list[tuple[int, int, str]], name: str, prefix: str, number: str) -> None:
    index = TargetIndex(KnownTarget(devicetype, device_id, f"x{name}") for devicetype, device_id, name in table)
    found = index.find(parse_target(f"{prefix}x{name}{number}"))
    if isinstance(found, NotMeant) and "; write " in found.reason:
        for way in found.reason.partition("; write ")[2].split(" or "):
            wanted, device_id = parse_target(way.partition("deviceId ")[0] or f"x{name}{number}"), None
            if way.startswith("deviceId "):
                device_id = int(way.split()[1])
            assert isinstance(index.find(wanted._replace(device_id=device_id)), Meant), way


def test_what_the_service_calls_them_is_harmless_on_a_terminal() -> None:
    bad = "\x1b]0;x\x07Night\u202e"
    index = TargetIndex([KnownTarget(3, 1, bad), KnownTarget(3, 2, bad), KnownTarget(3, 3, "dawn\x07")])
    for text in ("Night", "dawn", "ivr:x#1", "DAWN\u200a"):
        assert str(find(text, index=index)).isprintable()
    assert str(index.known(Binding(3, 1))).endswith("(ivr 1)")
    assert str(index.known(Binding(3, 1))).isprintable()


def test_of_many_that_a_name_may_mean_some_are_named_and_the_others_counted() -> None:
    def may_be(count: int) -> str:
        index = TargetIndex(KnownTarget(3, number, "Night") for number in range(1, count + 1))
        return str(find("Night", index=index))

    assert "or Night (ivr 5); write" in may_be(5)
    assert "or Night (ivr 5) or 1 more; write" in may_be(6)
    assert may_be(1005).count("or Night (ivr ") == 4
    assert "or 1,000 more; write" in may_be(1005)


def test_a_queue_goes_by_no_file_and_no_access_code() -> None:
    index = TargetIndex([KnownTarget(1, 101, "Billing", file_name="night.xml", access_code="T1")])
    assert find("ivr-file:night.xml", index=index) == "no IVR flow has the file name 'night.xml'"
    assert find("ivr-code:T1", index=index) == "no IVR flow has the access code 'T1'"


def test_only_ascii_digits_may_be_the_number_of_a_target() -> None:
    assert str(find("Dawn")).endswith("'Dawn'")
    assert str(find("３０１６")).endswith("'３０１６'")
    assert str(find("4711")).endswith("; if it is the number of one, give it as deviceId")


def test_a_flow_goes_by_its_file_and_its_access_code_and_near_names_are_remembered() -> None:
    index = TargetIndex([KnownTarget(3, 3015, "Night", file_name="night.xml", access_code="T1")])
    assert find("ivr-file:night.xml", index=index) == find("ivr-code:T1", index=index) == Binding(3, 3015)
    assert str(find("n ight", index=index)).endswith("did you mean 'Night'?")
    assert index.find(WantedTarget(None, None, "")) == Meant(Binding(0, 0), None)
