"""What a pacer asks of a rate that it shares with others: slots one at a time, each in its turn.

Within a process the limit is a `Pacer` that several pacers own. One that holds over several processes has the same
interface, but its slots take a round trip, and are good for a moment only.
"""

from typing import Protocol


class LimitSlot(Protocol):
    """The right to start one call, as far as the limit is concerned."""

    def leave(self) -> bool:
        """Let the first byte leave, which it must do then: the call counts from here on.

        False: the slot is too old for that. Nothing may leave by it; it is to be given back, and another one taken.
        """

    def give_back(self) -> None:
        """Start no call by it after all. If it is still good, whoever waits next may have it at once."""


class Limit(Protocol):
    """At most so many calls a second start in all, whichever pacer they are of. For one event loop.

    A pacer has one `start` under way at most, and they are served in order of asking. So pacers take turns, however many
    calls each of them has waiting.
    """

    @property
    def rate_per_s(self) -> float | None:
        """The rate in force for all pacers together, in calls per second; None is unlimited."""

    def due_within(self, lead_s: float) -> int:
        """Return at most how many calls may start from now to `lead_s` seconds ahead (0 to 1), as far as is known."""

    def try_start(self) -> LimitSlot | None:
        """Take a slot if one is at hand and nobody waits for it."""

    async def start(self) -> LimitSlot:
        """Wait for a slot, in turn, and take it. Who is cancelled while it waits has taken nothing.

        What this raises, `Pacer.start` raises.
        """
