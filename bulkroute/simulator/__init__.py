"""The imitation of the vendor's service: one tenant on one loopback port, with seeded faults.

It promises to behave as the vendor documents, strictly, and to record what it saw. It shares nothing with the client.

>>> async with Simulator(synthetic_routes(100), faults=Faults(fail_500=0.1), seed=7) as simulator:
...     simulator.url, simulator.bindings, simulator.calls
"""

from .calls import Call
from .faults import Faults
from .made_up import ContactCentre, contact_centre
from .server import Simulator
from .state import Flow, Route, Skill
from .synthetic import (
    default_flows,
    default_skills,
    made_up_ids,
    routes_for,
    synthetic_routes,
    targets_for,
    with_number,
)

__all__ = [
    "Call",
    "ContactCentre",
    "Faults",
    "Flow",
    "Route",
    "Simulator",
    "Skill",
    "contact_centre",
    "default_flows",
    "default_skills",
    "made_up_ids",
    "routes_for",
    "synthetic_routes",
    "targets_for",
    "with_number",
]
