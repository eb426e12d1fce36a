"""What may be asked of a run that is going on: over its socket, by `bulkroute ctl`, and by the page's buttons.

Imports nothing heavy, since the help of `ctl` is made of it.
"""

from typing import NamedTuple

WHOLE_FLEET = "fleet"
"""The value of `stop` that means every tenant of the fleet that the run is of; `fleet ctl` alone says it."""

FLEET_STOPPED = "stopped by the operator (fleet ctl stop)"
"""Why a run stops that was told so. Whoever works through a fleet begins no further tenant then."""


class Verb(NamedTuple):
    """One thing that a run can be asked to do."""

    does: str
    value: str = ""
    """What follows the verb; in brackets if it may be left out, empty if nothing may follow."""
    button: bool = False
    """Whether the live page has a button for it; what has none is not taken from there."""


VERBS = {
    "status": Verb("what it is doing, and why it waits"),
    "pause": Verb("start no further call; those in flight end", "[REASON]", button=True),
    "resume": Verb("go on", button=True),
    "rate": Verb("change the rate at once: 20, 600/m, unlimited", "R", button=True),
    "concurrency": Verb("change how many calls may be in flight", "N"),
    "go": Verb("let the next wave begin, where --gate-hold waits for that", button=True),
    "no-go": Verb("let none begin: stop with exit 3, whatever the other gates say", "REASON", button=True),
    "stop": Verb("end it in good order (exit 4); the same command resumes", button=True),
}
