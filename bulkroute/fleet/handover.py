"""A tenant whose service is silent towards this host goes to one that stands by for it: the way there may be this host's fault.

Only what has been answered here before is handed over, so that an outage of the service makes no two hosts take turns.
"""

import asyncio
import time

from bulkroute.engine import Engine
from bulkroute.errors import StopKind
from bulkroute.postgres.claim import Claim
from bulkroute.progress import Progress

SILENT_S = 3.0
"""So long the service says nothing; or twice as long as it has ever taken, if that is more."""

LOOK_EVERY_S = 0.25

AWAY = frozenset({"down", "token"})
"""Causes of pauses in which the service does not answer."""


class Silence:
    """Whether a service that has answered a run says nothing any more, told from how far the run is."""

    def __init__(self) -> None:
        self._heard: tuple[int, int, int] | None = None
        self._heard_at = 0.0
        self._longest_s: float | None = None
        """The longest that answers took to come; None before the first."""

    def look(self, progress: Progress, now: float) -> bool:
        """Take how far the run is now, in seconds since any moment; return whether its service has fallen silent."""
        heard = progress.succeeded, progress.failed, progress.throttled
        is_away = any(pause.cause in AWAY for pause in progress.pauses)
        if self._heard is None:
            self._heard, self._heard_at = heard, now
        elif heard != self._heard:
            took_s = now - self._heard_at
            # What is settled as an outage ends says nothing of how long answers take.
            self._longest_s = max(self._longest_s or 0.0, min(took_s, SILENT_S) if is_away else took_s)
            self._heard, self._heard_at = heard, now
        elif not progress.in_flight and not is_away:
            self._heard_at = now  # nothing is asked
        return self._longest_s is not None and now - self._heard_at >= max(SILENT_S, 2 * self._longest_s)


async def hand_over_if_silent(engine: Engine, claim: Claim) -> None:
    """Watch the run of a tenant, and stop it where the service is silent and another host stands by; cancelled with it.

    Returns once it has stopped the run: then `claim.hand_over` is to follow.
    """
    silence = Silence()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if engine.current is None:
            continue
        progress = engine.current.progress()
        if silence.look(progress, time.monotonic()) and claim.is_wanted and progress.stopping is None:
            engine.current.stop(StopKind.OUTAGE, "the service is silent towards this host, and another one stands by")
            engine.current.abort()
            return
