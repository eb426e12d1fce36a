"""The dice that decide which calls and which ids meet a fault.

Every share is drawn from (seed, id, n-th call of that id), never from the order of arrival: the same seed gives the
same faults however the calls interleave.
"""

import hashlib
from collections.abc import Mapping

from .faults import PER_CALL, PER_ID, Faults


class Dice:
    """Draws faults. Pure: what it returns depends on its arguments and on what it was made of, alone."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._seed = seed
        of_status = {f"fail_{status}": share for status, share in faults.fail_status.items()}
        self._per_call = _slices({**_shares(faults, PER_CALL), **of_status})
        self._per_id = _slices(_shares(faults, PER_ID))

    def of_call(self, key: str, nth: int) -> str:
        """Return the fault that the `nth` call of an id meets, or ''."""
        return _pick(self._per_call, draw(self._seed, "call", key, nth)) if self._per_call else ""

    def of_id(self, route_id: str) -> str:
        """Return the fault that an id has for ever, or ''."""
        known = self._faults.bad_ids.get(route_id, "")
        return known or (_pick(self._per_id, draw(self._seed, "id", route_id)) if self._per_id else "")

    def lock(self, route_id: str) -> str:
        """Return the `editable` of an id locked by the share `locked_ids`, or ''."""
        share = self._faults.locked_ids
        drawn = draw(self._seed, "locked", route_id) if share else 1.0
        return "" if drawn >= share else "1" if drawn < share / 2 else "3"

    def latency_s(self, key: str, nth: int) -> float:
        """Return how long the `nth` call of an id takes, in seconds."""
        jitter_ms = self._faults.jitter_ms
        return (self._faults.latency_ms + (jitter_ms * draw(self._seed, "jitter", key, nth) if jitter_ms else 0)) / 1000


class Chance:
    """Draws for calls that are turned away at the door, and so are not counted as calls of their id."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._drawn: dict[tuple[str, str], int] = {}

    def falls(self, share: float, what: str, key: str) -> bool:
        """Tell whether a share strikes the next call of `key`; `what` names the share."""
        nth = self._drawn[what, key] = self._drawn.get((what, key), 0) + 1
        return draw(self._seed, what, key, nth) < share


def draw(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that belongs to the seed and `parts`."""
    text = "\0".join(map(str, (seed, *parts)))
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def _shares(faults: Faults, names: tuple[str, ...]) -> dict[str, float]:
    return {name: getattr(faults, name) for name in names}


def _slices(shares: Mapping[str, float]) -> list[tuple[float, str]]:
    upper = 0.0
    slices = []
    for name, share in shares.items():
        if share:
            upper += share
            slices.append((upper, name))
    return slices


def _pick(slices: list[tuple[float, str]], drawn: float) -> str:
    return next((name for upper, name in slices if drawn < upper), "")
