"""The made-up tenants."""

from bulkroute.simulator import default_flows, default_skills, routes_for, synthetic_routes

TARGETS = {skill.target for skill in default_skills()} | {flow.target for flow in default_flows()}


def test_ids_are_distinct_have_19_digits_and_do_not_fit_a_float() -> None:
    ids = [route.id for route in synthetic_routes(5000, 3)]
    assert ids[0] == "1125397061153369092"
    assert len(set(ids)) == 5000
    assert {len(route_id) for route_id in ids} == {19}
    assert sum(int(float(route_id)) != int(route_id) for route_id in ids) > 4000


def test_the_seed_decides() -> None:
    assert synthetic_routes(50, 3) == synthetic_routes(50, 3)
    assert synthetic_routes(50, 3) != synthetic_routes(50, 4)


def test_every_route_leads_to_a_target_that_exists() -> None:
    assert {(route.devicetype, route.device_id) for route in synthetic_routes(500)} <= TARGETS


def test_earlier_bindings_depend_on_the_id_not_on_its_place() -> None:
    one_way = {route.id: (route.devicetype, route.device_id) for route in routes_for(["a", "b", "c"], 5)}
    other_way = {route.id: (route.devicetype, route.device_id) for route in routes_for(["c", "a", "b"], 5)}
    assert one_way == other_way
    assert set(one_way.values()) <= TARGETS
