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
"""So long the service says nothing."""

LOOK_EVERY_S = 0.25

AWAY = frozenset({"down", "token"})
"""Causes of pauses in which the service does not answer."""


async def hand_over_if_silent(engine: Engine, claim: Claim) -> None:
    """Watch the run of a tenant, and stop it where the service is silent and another host stands by; cancelled with it.

    Returns once it has stopped the run: then `claim.hand_over` is to follow.
    """
    attempts, heard_at, answered = -1, time.time(), False
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if engine.current is None:
            heard_at = time.time()
            continue
        progress = engine.current.progress()
        answered = answered or progress.succeeded + progress.failed > 0
        away_since = _away_since(progress)
        if away_since is None and (progress.attempts != attempts or not progress.in_flight):
            attempts, heard_at = progress.attempts, time.time()
        silent_s = time.time() - (heard_at if away_since is None else min(away_since, heard_at))
        if answered and silent_s >= SILENT_S and claim.is_wanted and progress.stopping is None:
            engine.current.stop(StopKind.OUTAGE, "the service is silent towards this host, and another one stands by")
            engine.current.abort()
            return


def _away_since(progress: Progress) -> float | None:
    return min((pause.since for pause in progress.pauses if pause.cause in AWAY), default=None)
