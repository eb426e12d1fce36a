"""Which routes a selection means: never one too many; and what else leads to the target they leave."""

from collections.abc import Iterable

import pytest

from bulkroute.errors import ExitCode, UsageError
from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.selection import (
    Filters,
    LeftOutKind,
    Selection,
    StillLeading,
    choose,
    find_target,
    parse,
    wanted_kinds,
)
from bulkroute.live.target_index import KnownTarget, Overflow, TargetIndex
from bulkroute.manifest.rows import WantedTarget
from bulkroute.model import Binding, MediaType

OLD, NEW = KnownTarget(3, 3001, "Old"), KnownTarget(3, 3002, "New")
SALES = KnownTarget(1, 3001, "Sales", MediaType.VOICE)


def route(
    route_id: str,
    access_code: str = "4008001234",
    ext_code: str = "",
    *,
    media: int | None = 5,
    leads_to: KnownTarget | None = OLD,
    editable: str = "0",
) -> LiveRoute:
    if leads_to is None:
        return LiveRoute(route_id, None, None, access_code, ext_code, media, "", editable)
    return LiveRoute(route_id, *leads_to.binding, access_code, ext_code, media, leads_to.name, editable)


def chosen(
    routes: Iterable[LiveRoute], filters: Filters, *, wanted: KnownTarget = NEW, source: KnownTarget | None = None
) -> list[str]:
    return [each.id for each in choose(routes, [], wanted, source, filters).routes]


def test_type_and_number_tell_where_a_route_leads() -> None:
    """A queue may have the number of a flow, and a name tells nothing."""
    twin = KnownTarget(3, 3009, "Old")
    routes = [
        route("1"),
        route("2", leads_to=SALES),
        route("3", leads_to=None),
        route("4", leads_to=NEW),
        route("5", leads_to=twin),
    ]
    assert chosen(routes, Filters(), source=OLD) == ["1"]
    assert chosen(routes, Filters(), source=SALES) == ["2"]
    assert chosen(routes, Filters(access_codes=["4008001234"])) == ["1", "2", "3", "5"]


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        (["4008001234"], ["plain", "spaced"]),
        (["400%"], ["plain", "spaced"]),
        (["%1234"], ["plain", "spaced", "plus", "zero"]),
        (["+%"], ["plus"]),
        (["0%", "+%"], ["plus", "zero"]),
        (["(0)400-800-1234"], ["zero"]),
        (["*9%#"], ["star"]),
        (["９５５８８"], ["short"]),
        (["%"], ["plain", "spaced", "plus", "zero", "star", "short"]),
        (["400800123"], []),
        (["40080012.4"], []),
    ],
)
def test_numbers_are_compared_as_in_manifests(patterns: list[str], ids: list[str]) -> None:
    routes = [
        route("plain", "4008001234"),
        route("spaced", "400 800-1234"),
        route("plus", "+4008001234"),
        route("zero", "04008001234"),
        route("star", "*99#"),
        route("short", "95588"),
    ]
    assert set(chosen(routes, Filters(access_codes=patterns))) == set(ids)


def test_an_empty_pattern_is_no_extension() -> None:
    routes = [route("none"), route("one", ext_code="1"), route("eleven", ext_code="11"), route("star", ext_code="*1")]
    assert chosen(routes, Filters(ext_codes=[""])) == ["none"]
    assert set(chosen(routes, Filters(ext_codes=["1%"]))) == {"one", "eleven"}
    assert set(chosen(routes, Filters(ext_codes=["", "*%"]))) == {"none", "star"}


@pytest.mark.parametrize("pattern", ["40o", "6[0-9]", "_", "400?"])
def test_what_no_number_can_be_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="is no number; write digits") as refused:
        chosen([route("1")], Filters(ext_codes=[pattern]))
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_route_without_a_media_type_is_in_no_selection_by_it() -> None:
    routes = [route("voice"), route("video", media=19), route("unknown", media=None)]
    assert chosen(routes, Filters(media_types=[5])) == ["voice"]
    assert set(chosen(routes, Filters(media_types=[5, 19]))) == {"voice", "video"}


def test_all_filters_must_hold_and_what_they_leave_is_counted() -> None:
    routes = [
        route("both", "95588", "1"),
        route("code", "95588"),
        route("ext", "4001", "1"),
        route("elsewhere", "95588", "1", leads_to=SALES),
    ]
    found = choose(routes, [], NEW, OLD, Filters(access_codes=["95588"], ext_codes=["1"]))
    assert [each.id for each in found.routes] == ["both"]
    assert found.not_selected == 2
    assert choose(routes, [], NEW, None, Filters(ext_codes=["1"])).not_selected == 0


def test_what_is_left_out_is_told_with_its_reason() -> None:
    routes = [
        route("free"),
        route("locked", editable="1"),
        route("for ever", editable="3"),
        route("not to be deleted", editable="2"),
        route("right", leads_to=NEW, editable="1"),
        route("vip", editable="3"),
    ]
    found = choose(routes, [], NEW, None, Filters(access_codes=["%"]), excepted={"vip", "no route"})
    assert [each.id for each in found.routes] == ["free", "not to be deleted"]
    assert {each.route.id: each.reason for each in found.left_out} == {
        "locked": LeftOutKind.LOCKED,
        "for ever": LeftOutKind.LOCKED,
        "right": LeftOutKind.ALREADY_RIGHT,
        "vip": LeftOutKind.EXCEPTED,
    }
    assert found.found == len(routes)


def test_rows_stand_by_number() -> None:
    routes = [route("c", "95588", "2"), route("b", "955 88", "1"), route("a", "+1"), route("d", "95588", "2", media=19)]
    assert chosen(routes, Filters(access_codes=["%"])) == ["a", "b", "c", "d"]


def leading(*queues: KnownTarget, source: KnownTarget | None = OLD) -> list[StillLeading] | None:
    found: Selection = choose([route("1")], queues, NEW, source, Filters(access_codes=["%"]))
    return found.still_leading


def test_queues_that_hand_calls_on_still_lead_there() -> None:
    """Flow 3001 is not queue 3001, and a queue that hands calls to itself leads nobody anywhere."""
    billing = KnownTarget(1, 7, "billing", overflows=(Overflow("noAgents", OLD.binding), Overflow("busy", OLD.binding)))
    vip = KnownTarget(1, 8, "VIP", overflows=(Overflow("timeOut", SALES.binding),))
    air = KnownTarget(1, 9, "Air", overflows=(Overflow("busy", Binding(3, 3009)), Overflow("timeOut", OLD.binding)))
    loop = KnownTarget(1, 3001, "Loop", overflows=(Overflow("busy", SALES.binding),))
    assert leading(billing, vip, air, loop) == [
        StillLeading(air, ["timeOut"]),
        StillLeading(billing, ["noAgents", "busy"]),
    ]
    assert leading(billing, vip, air, loop, source=SALES) == [StillLeading(vip, ["timeOut"])]
    assert leading() == []
    assert leading(billing, source=None) is None
    assert choose([], None, NEW, OLD, Filters()).still_leading is None


def test_routes_that_do_not_fit_are_warned_of() -> None:
    routes = [route("1", media=53), route("2", media=53), route("3")]
    found = choose(routes, [], NEW, OLD, Filters())
    assert len(found.routes) == 3
    assert found.warnings == ["2 rows: multimedia routes cannot lead to New (ivr 3002)"]


INDEX = TargetIndex([OLD, KnownTarget(3, 3003, "Closed", is_loaded=False), SALES, KnownTarget(1, 9, "Old")])


@pytest.mark.parametrize(
    ("text", "device_id"),
    [("ivr:Old", 3001), ("Old#3001", 3001), ("ivr:#3001", 3001), (" IVR : # 3001 ", 3001), ("queue:#9", 9)],
)
def test_a_target_may_be_named_or_numbered(text: str, device_id: int) -> None:
    assert find_target(text, "--to", INDEX, allow_unloaded=False).device_id == device_id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Old", "--to: 'Old' may be Old (ivr 3001) or Old (skill_queue 9); write ivr:Old or queue:Old"),
        ("ivr:old", "--to: no IVR flow is called 'old'; did you mean 'Old'?"),
        ("ivr:#77", "--to: ivr 77 does not exist"),
        ("Closed", "--to: Closed (ivr 3003) is not loaded"),
        ("ivr:#3003", "--to: Closed (ivr 3003) is not loaded"),
        ("ivr:#30x", "--to: target 'ivr:#30x': deviceId '30x' is not a decimal integer"),
        ("#3001", "--to: target '#3001' has no name"),
        ("ivr-file:#1", "--to: target 'ivr-file:#1' has no name"),
    ],
)
def test_a_target_that_is_not_exactly_one_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        find_target(text, "--to", INDEX, allow_unloaded=False)
    assert str(refused.value).startswith(says)
    assert refused.value.exit_code is ExitCode.MANIFEST


def test_what_is_not_loaded_can_be_left_and_asked_for() -> None:
    for text in ("Closed", "ivr:#3003"):
        assert find_target(text, "--from", INDEX, allow_unloaded=True).device_id == 3003


def test_which_lists_have_to_be_read() -> None:
    assert wanted_kinds(parse("ivr:Old", ""), parse("queue:#7", "")) == {3, 1}
    assert wanted_kinds(WantedTarget(None, None, "Old"), None) == {None}
