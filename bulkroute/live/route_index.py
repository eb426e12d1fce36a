"""Which called route a number is, held against the live list. Matches exactly, and only explains what comes near.

A number is an access code with an extension, or both in one as callers dial them. How the service itself chooses among
several routes is documented nowhere, so several candidates are never narrowed down by a guess.
"""

from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.manifest.numbers import normalised
from bulkroute.manifest.rows import NumberedRow
from bulkroute.model import Binding, MediaType, escaped, number_text, printable

MOST_NAMED = 3
"""Candidates and near misses that a text names; nobody reads fifty."""

NAME_CHARS = 60

TAIL_DIGITS = 6
"""So many last digits must agree before a number of other length is called near."""

_MOST_COMPARED = 200


class KnownRoute(NamedTuple):
    """One called route of the live list, as far as numbers go."""

    id: str
    """The called route's id."""
    access_code: str
    """What callers dial."""
    ext_code: str
    """What they dial after it; may be empty."""
    media_type: int | None = None
    """A `MediaType`; None where the service names none."""
    binding: Binding | None = None
    """Where it leads now; None where the service names no usable target."""
    name: str = ""
    """What that target is called."""

    @classmethod
    def of(cls, route: LiveRoute) -> "KnownRoute":
        """Return a route of the live list."""
        codes = route.access_code, route.ext_code
        return cls(route.id, *codes, route.media_type, route.binding, route.device_desc)

    @property
    def number(self) -> str:
        """The number as people write it: `4008001234 ext 2`."""
        return printable(number_text(self.access_code, self.ext_code), NAME_CHARS)

    def __str__(self) -> str:
        """Return what tells it from others: number, id, media type, target."""
        target = f"{self.binding or 'no target'} {printable(self.name, NAME_CHARS)}".strip()
        return f"{self.number} (id {printable(self.id, NAME_CHARS)}, {media_text(self.media_type)}, {target})"


class Found(NamedTuple):
    """The one route that a number is."""

    route: KnownRoute
    is_media_assumed: bool = False
    """Whether the row names a media type and the service none."""


class NotFound(NamedTuple):
    """No route has the number."""

    row: NumberedRow
    routes: "RouteIndex"

    @property
    def reason(self) -> str:
        """Why not, and what comes near; made when it is asked for, since it may be one of a hundred thousand."""
        return self.routes.why_not(self.row)


class Ambiguous(NamedTuple):
    """Several routes may be meant. `reason` names them, and says what tells them apart."""

    reason: str


Match = Found | NotFound | Ambiguous


class RouteIndex:
    """The live list by number. Holds all of it in memory: ten thousand routes are some 10 MB."""

    def __init__(self, routes: Iterable[KnownRoute]) -> None:
        self._by_codes: dict[tuple[str, str], list[KnownRoute]] = {}
        self._by_dialled: dict[str, list[KnownRoute]] = {}
        for route in routes:
            codes = normalised(route.access_code), normalised(route.ext_code)
            self._by_codes.setdefault(codes, []).append(route)
            self._by_dialled.setdefault("".join(codes), []).append(route)
        self._extensions: dict[str, list[str]] | None = None
        self._by_tail: dict[str, list[str]] | None = None

    def match(self, row: NumberedRow) -> Match:
        """Return the route of a row's number, or why there is not exactly one."""
        candidates = fitting = self.candidates(row)
        if row.media_type is not None:
            fitting = [route for route in candidates if route.media_type == row.media_type]
            if len(candidates) == 1 and candidates[0].media_type is None:
                return Found(candidates[0], is_media_assumed=True)
        if len(fitting) == 1:
            return Found(fitting[0])
        if fitting:
            return Ambiguous(_several(row, fitting))
        return NotFound(row, self)

    def why_not(self, row: NumberedRow) -> str:
        """Say that no route has a row's number, and what comes near."""
        if candidates := self.candidates(row):
            media = _and(sorted({media_text(route.media_type) for route in candidates}))
            return f"no route {row.number} with media type {media_text(row.media_type)}; it exists with {media}"
        return f"no route {row.number}{self._near(row)}"

    def candidates(self, row: NumberedRow) -> list[KnownRoute]:
        """Return the routes that have a row's number, whatever their media types."""
        if row.ext_code is None:
            return self._by_dialled.get(row.access_code, [])
        return self._by_codes.get((row.access_code, row.ext_code), [])

    def _near(self, row: NumberedRow) -> str:
        """Say what comes near a number that no route has: to explain it, never to take it."""
        dialled = row.access_code + (row.ext_code or "")
        if row.ext_code is not None:
            if extensions := self._extensions_of(row.access_code):
                without = "without an extension" if "" in extensions else ""
                named = [ext for ext in extensions if ext]
                given = f"with extension {_and(nsmallest(MOST_NAMED, named), len(named))}" if named else ""
                return f"; {row.access_code} exists {' and '.join(filter(None, (without, given)))}"
            if split := self._by_dialled.get(dialled):
                return f"; as it is dialled it is {_and([route.number for route in split])}"
        near = self._of_same_tail(dialled)
        if not near:
            return ""
        exists = "exist" if len(near) > 1 else "exists"
        return f"; {_and([self._by_dialled[other][0].number for other in near], len(near))} {exists}: {_lost(dialled, near)}"

    def _extensions_of(self, access_code: str) -> list[str]:
        if self._extensions is None:
            self._extensions = {}
            for known, ext_code in self._by_codes:
                self._extensions.setdefault(known, []).append(ext_code)
        return self._extensions.get(access_code, [])

    def _of_same_tail(self, dialled: str) -> list[str]:
        """Return dialled numbers that differ from this one only in what stands before it, or it before them."""
        if self._by_tail is None:
            self._by_tail = {}
            for other in self._by_dialled:
                self._by_tail.setdefault(_core(other)[-TAIL_DIGITS:], []).append(other)
        core = _core(dialled)
        near = []
        for other in islice(self._by_tail.get(core[-TAIL_DIGITS:], []), _MOST_COMPARED):
            its = _core(other)
            long_enough = min(len(core), len(its)) >= TAIL_DIGITS
            if core and (its == core or (long_enough and (its.endswith(core) or core.endswith(its)))):
                near.append(other)
        return sorted(near, key=lambda other: (abs(len(other) - len(dialled)), other))


def media_text(media_type: int | None) -> str:
    """Return a media type in words: `voice`, `video-click`, `media type 7`."""
    if media_type is None:
        return "no media type"
    names = {kind.value: kind.name.lower().replace("_", "-") for kind in MediaType}
    return names.get(media_type, f"media type {media_type}")


def _core(number: str) -> str:
    """Return a number without what gets lost in front: zeros and a plus sign."""
    return number.lstrip("+0")


def _lost(dialled: str, near: Sequence[str]) -> str:
    """Ask what may have happened to a number that others come near."""
    if any(_core(other) == _core(dialled) for other in near):
        return "has a leading 0 or + been lost?"
    other = near[0]
    if other.endswith(dialled):
        return f"has a leading {escaped(other.removesuffix(dialled))} been lost?"
    if dialled.endswith(other):
        return f"is the leading {dialled.removesuffix(other)} one too many?"
    return "is it written with another prefix?"


def _several(row: NumberedRow, routes: Sequence[KnownRoute]) -> str:
    """Say which routes a number may mean, and what would tell them apart."""
    hints = []
    if len({(route.access_code, route.ext_code) for route in routes}) > 1 and row.ext_code is None:
        hints.append("split it into accessCode and extCode")
    if row.media_type is None and len({route.media_type for route in routes}) > 1:
        hints.append("add mediaType")
    hint = " or ".join(hints) or "give it in a manifest by id"
    return f"{row.number} means {len(routes)} routes: {_and(list(map(str, routes)))}; {hint}"


def _and(texts: Sequence[str], count: int = 0) -> str:
    """Return the first texts as a list in words; `count` says how many there are in all."""
    left = max(count, len(texts)) - MOST_NAMED
    shown = [*texts[:MOST_NAMED], *([f"{left:,} more"] if left > 0 else [])]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))
