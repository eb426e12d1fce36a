"""How many routes lead to each target, those that lead nowhere included."""

from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.target_index import KnownTarget
from bulkroute.live.target_routes import ListedTarget, with_routes

BILLING, NIGHT = KnownTarget(1, 3001, "Billing", 5), KnownTarget(3, 3001, "Night", is_loaded=False)
DAY = KnownTarget(3, 3002, " day")


def route(route_id: str, devicetype: int | None, device_id: int | None, name: str = "") -> LiveRoute:
    return LiveRoute(route_id, devicetype, device_id, "4008001234", "", 5, name, "0")


def test_routes_are_counted_by_type_and_number() -> None:
    routes = [
        route("1", 1, 3001),
        route("2", 3, 3001),
        route("3", 3, 3001),
        route("4", None, 3001),
        route("5", 3, None),
    ]
    assert with_routes([NIGHT, DAY, BILLING], routes) == [
        ListedTarget(BILLING, 1, exists=True),
        ListedTarget(DAY, 0, exists=True),  # by name, whatever its case and blanks
        ListedTarget(NIGHT, 2, exists=True),
    ]


def test_what_routes_lead_to_in_vain_is_listed_with_the_name_that_is_left() -> None:
    routes = [route("1", 1, 9001), route("2", 1, 9001, "closed"), route("3", 7, 5)]
    (gone,) = with_routes([], routes)
    assert gone == ListedTarget(KnownTarget(1, 9001, "closed"), 2, exists=False)
    assert gone.target.is_loaded
    assert not gone.is_loaded


def test_a_kind_that_was_not_asked_for_is_not_gone() -> None:
    assert with_routes([BILLING], [route("1", 3, 3001)], kinds=[1]) == [ListedTarget(BILLING, 0, exists=True)]


def test_as_json() -> None:
    assert ListedTarget(NIGHT, 2, exists=True).to_json() == {
        "devicetype": 3,
        "deviceId": 3001,
        "name": "Night",
        "mediaType": None,
        "loaded": False,
        "routes": 2,
        "exists": True,
    }
