"""Which route a number is: the exact one, or a reason; near misses are told and never taken."""

import pytest

from bulkroute.live.route_index import Ambiguous, Found, KnownRoute, NotFound, RouteIndex, media_text
from bulkroute.manifest.rows import NumberedRow, WantedTarget
from bulkroute.model import Binding

NIGHT = WantedTarget(None, None, "Night")
SALES, MAIN = Binding(1, 101), Binding(3, 201)


def route(id_: str, access_code: str, ext_code: str = "", media_type: int | None = 5) -> KnownRoute:
    return KnownRoute(id_, access_code, ext_code, media_type, SALES, "Sales")


def match(*routes: KnownRoute, of: str, ext: str | None = "", media: int | None = None) -> Found | NotFound | Ambiguous:
    return RouteIndex(routes).match(NumberedRow(2, of, ext, media, NIGHT))


def reason(*routes: KnownRoute, of: str, ext: str | None = "", media: int | None = None) -> str:
    found = match(*routes, of=of, ext=ext, media=media)
    assert isinstance(found, NotFound | Ambiguous)
    return found.reason


def test_access_code_and_extension_are_equal_or_nothing_is_found() -> None:
    routes = route("1", "9911411"), route("2", "9911411", "1"), route("3", "9911411", "11"), route("4", "99114111")
    for ext, id_ in (("", "1"), ("1", "2"), ("11", "3")):
        assert match(*routes, of="9911411", ext=ext) == Found(routes[int(id_) - 1])
    assert isinstance(match(*routes, of="991141", ext="11"), NotFound)
    assert isinstance(match(*routes, of="09911411"), NotFound)


def test_the_live_side_is_compared_as_the_file_is() -> None:
    assert match(route("1", "+44 20-79", " 1 "), of="+442079", ext="1") == Found(route("1", "+44 20-79", " 1 "))
    assert "means 2 routes" in reason(route("1", "44 2"), route("2", "442"), of="442")


def test_a_number_as_it_is_dialled() -> None:
    routes = route("1", "6688", "1"), route("2", "7788", "11"), route("3", "778", "811")
    assert match(*routes, of="66881", ext=None) == Found(routes[0])
    assert reason(*routes, of="778811", ext=None).endswith("; split it into accessCode and extCode")


def test_several_routes_are_named_with_what_tells_them_apart() -> None:
    one = KnownRoute("1127", "6688", "1", 5, SALES, "Sales")
    other = KnownRoute("1131", "66881", "", 5, MAIN, "Main")
    assert reason(one, other, of="66881", ext=None) == (
        "66881 means 2 routes: 6688 ext 1 (id 1127, voice, skill_queue 101 Sales) and 66881 (id 1131, voice, ivr 201 Main); "
        "split it into accessCode and extCode"
    )
    assert reason(route("1", "7", media_type=5), route("2", "7", media_type=None), of="7") == (
        "7 means 2 routes: 7 (id 1, voice, skill_queue 101 Sales) and 7 (id 2, no media type, skill_queue 101 Sales); "
        "add mediaType"
    )
    assert reason(one, other._replace(media_type=19), of="66881", ext=None).endswith(
        "; split it into accessCode and extCode or add mediaType"
    )
    assert reason(one, one._replace(media_type=19), of="66881", ext=None).endswith("101 Sales); add mediaType")
    assert reason(one, one._replace(id="2"), of="6688", ext="1", media=5).endswith("; give it in a manifest by id")
    assert " and 4 more; add mediaType" in reason(*(route(str(n), "7", media_type=n) for n in range(7)), of="7")


@pytest.mark.parametrize(
    ("media", "found"),
    [((5, 19), 5), ((5, None), 5), ((None,), None), ((19,), "not"), ((None, None), "not"), ((19, None), "not")],
)
def test_media_types(media: tuple[int | None, ...], found: int | str | None) -> None:
    routes = [route(str(place), "7", media_type=each) for place, each in enumerate(media)]
    got = match(*routes, of="7", media=5)
    if found == "not":
        assert isinstance(got, NotFound)
        assert "no route 7 with media type voice; it exists with " in got.reason
    else:
        assert isinstance(got, Found)
        assert got.route.media_type == found
        assert got.is_media_assumed is (found is None)


def test_the_media_types_there_are_are_named() -> None:
    routes = route("1", "7", media_type=19), route("2", "7", media_type=53), route("3", "7", media_type=77)
    assert reason(*routes, of="7", media=5).endswith("it exists with media type 77, multimedia and video")
    assert media_text(2) == "voice-click"


@pytest.mark.parametrize(
    ("live", "wanted", "says"),
    [
        (
            ["+447700900123", "447700900123"],
            "0447700900123",
            "; +447700900123 and 447700900123 exist: has a leading 0 or +",
        ),
        (["+551140028922"], "551140028922", "+551140028922 exists: has a leading 0 or + been lost?"),
        (["+551140028922"], "1140028922", "+551140028922 exists: has a leading +55 been lost?"),
        (["0800123456"], "800123456", "0800123456 exists: has a leading 0 or + been lost?"),
        (["1140028922"], "551140028922", "1140028922 exists: is the leading 55 one too many?"),
        (["+441140028922"], "001140028922", "exists: is it written with another prefix?"),
        (["5", "05"], "005", "05 and 5 exist: has a leading 0 or + been lost?"),
        (["+551140028922"], "1140028923", ""),
        (["128922"], "28922", ""),
        (["1"], "2", ""),
        (["0", "00"], "+", ""),
    ],
)
def test_numbers_that_come_near_explain(live: list[str], wanted: str, says: str) -> None:
    routes = [route(str(place), number) for place, number in enumerate(live)]
    for ext in ("", None):
        text = reason(*routes, of=wanted, ext=ext)
        assert text.startswith(f"no route {wanted}")
        assert text == f"no route {wanted}" if not says else says in text


def test_other_extensions_explain() -> None:
    routes = [route(str(n), "9911411", str(n)) for n in (7, 1, 11, 5)]
    assert reason(*routes, of="9911411") == "no route 9911411; 9911411 exists with extension 1, 11, 5 and 1 more"
    assert reason(*routes, of="9911411", ext="2").startswith(
        "no route 9911411 ext 2; 9911411 exists with extension 1, 11"
    )
    assert reason(route("1", "99"), of="99", ext="2") == "no route 99 ext 2; 99 exists without an extension"
    assert reason(route("1", "99"), route("2", "99", "1"), of="99", ext="2") == (
        "no route 99 ext 2; 99 exists without an extension and with extension 1"
    )


def test_another_split_of_the_same_digits_explains() -> None:
    assert reason(route("1", "6688", "1"), of="66881") == "no route 66881; as it is dialled it is 6688 ext 1"


def test_a_near_number_is_told_with_its_extension() -> None:
    assert "; +864008001234 ext 2 exists: has a leading +86 been lost?" in reason(
        route("1", "+864008001234", "2"), of="4008001234", ext="2"
    )


def test_what_the_service_names_is_harmless_on_a_terminal() -> None:
    bad = "\x1b]0;x\x07\u202e" + "y" * 500
    text = reason(KnownRoute(bad, "7", "", 5, SALES, bad), KnownRoute("2", "7", "", 19, None, "\ud800"), of="7")
    assert text.isprintable()
    assert len(text) < 500


def test_ten_thousand_near_numbers_are_not_all_compared_for_each_row() -> None:
    routes = [route(str(n), f"{n}123456") for n in range(10_000)]
    assert "and 197 more exist" in reason(*routes, of="123456")
