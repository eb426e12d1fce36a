"""Which called routes a selection means, and what else leads to the target they leave: filters held against what is live.

Pure: the live list and the lists of targets are given. Nothing is matched that is not equal, and a route whose media
type is not known is in no selection by media type: a selection may be too small, never too large.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from bulkroute.errors import StopKind, UsageError
from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.target_index import KnownTarget, NotMeant, TargetIndex, media_misfit
from bulkroute.manifest.numbers import normalised
from bulkroute.manifest.rows import WantedTarget
from bulkroute.manifest.targets import named_target
from bulkroute.model import Binding

ANY = "%"
"""Stands for any digits, or none, in a pattern: `*` and `#` are digits of an extension code."""

_PATTERN = re.compile(r"[0-9*#+%]*")


class Filters(NamedTuple):
    """Which routes are meant: those that pass every filter that is given."""

    source: str = ""
    """Where they lead now, as a manifest writes a target, or `ivr:#3015`; empty for anywhere."""
    access_codes: Sequence[str] = ()
    """One of these; `%` stands for any digits."""
    ext_codes: Sequence[str] = ()
    """One of these likewise; "" is no extension."""
    media_types: Collection[int] = ()
    """One of these `MediaType`s."""

    @property
    def has_any(self) -> bool:
        """Whether anything is asked of a route."""
        return bool(self.source or self.access_codes or self.ext_codes or self.media_types)


class LeftOutKind(StrEnum):
    """Why a route that the filters mean is not in the manifest."""

    EXCEPTED = "excepted"
    """The file of exceptions names it."""
    ALREADY_RIGHT = "already_right"
    """It leads to the wanted target already."""
    LOCKED = "locked"
    """It must not be changed (`editable` is "1" or "3")."""


class LeftOut(NamedTuple):
    """A route that the filters mean and that is not in the manifest."""

    route: LiveRoute
    """As it is live."""
    reason: LeftOutKind
    """Why it is left out."""


class StillLeading(NamedTuple):
    """A skill queue that hands calls on to the target that the routes leave; no manifest changes that."""

    queue: KnownTarget
    """Whose calls."""
    reasons: Sequence[str]
    """In which cases, as the service writes them: `noAgents`, `busy`, `timeOut`."""


class Selection(NamedTuple):
    """The routes that are meant, and where they are to lead."""

    source: KnownTarget | None
    """Where they lead now; None if they lead to several targets."""
    wanted: KnownTarget
    """Where they are to lead."""
    routes: list[LiveRoute]
    """The rows of the manifest, by number."""
    left_out: list[LeftOut]
    """Routes that are meant and are not in it, by number."""
    not_selected: int
    """Routes that lead to `source` and that another filter has left."""
    still_leading: list[StillLeading] | None
    """None where it is not known: the lists of queues may not be read, or `source` is None."""
    warnings: list[str]
    """What a person must look at before a run."""

    @property
    def found(self) -> int:
        """How many routes are meant."""
        return len(self.routes) + len(self.left_out)


def wanted_kinds(*targets: WantedTarget | None) -> set[int | None]:
    """Return the types in whose lists these targets stand; None stands for either."""
    return {target.devicetype for target in targets if target is not None}


def find_target(text: str, flag: str, index: TargetIndex, *, allow_unloaded: bool) -> KnownTarget:
    """Return the one target that `text` means. Raises UsageError, with the exit code of a faulty manifest."""
    wanted = parse(text, flag)
    meant = index.find(wanted, allow_unloaded=allow_unloaded)
    if isinstance(meant, NotMeant):
        raise _no_target(flag, meant.reason)
    if meant.target is None:
        raise _no_target(flag, f"{meant.binding} does not exist")
    if not meant.target.is_loaded and not allow_unloaded:
        raise _no_target(flag, f"{meant.target} is not loaded: no call can enter it; load it, or give --allow-unloaded")
    return meant.target


def parse(text: str, flag: str) -> WantedTarget:
    """Return what `text` asks for. Raises UsageError, likewise."""
    try:
        return named_target(text)
    except ValueError as error:
        raise _no_target(flag, str(error)) from error


def _no_target(flag: str, reason: str) -> UsageError:
    return UsageError(
        reason, where=flag, hint="nothing was written; `bulkroute targets` lists them all", stop=StopKind.MANIFEST
    )


def choose(
    routes: Iterable[LiveRoute],
    queues: Iterable[KnownTarget] | None,
    wanted: KnownTarget,
    source: KnownTarget | None,
    filters: Filters,
    excepted: Collection[str] = (),
) -> Selection:
    """Return the selection. `queues`: all there are, None where that is not known; `excepted`: ids of routes.

    Raises UsageError for a pattern that no number can have.
    """
    is_access_code = _matcher("--access-code", filters.access_codes)
    is_ext_code = _matcher("--ext-code", filters.ext_codes)
    chosen: list[LiveRoute] = []
    left_out: list[LeftOut] = []
    not_selected = 0
    for route in sorted(routes, key=_by_number):
        if source is not None and route.binding != source.binding:
            continue
        if not (
            is_access_code(route.access_code)
            and is_ext_code(route.ext_code)
            and (not filters.media_types or route.media_type in filters.media_types)
        ):
            not_selected += source is not None
        elif reason := _why_left_out(route, wanted.binding, excepted):
            left_out.append(LeftOut(route, reason))
        else:
            chosen.append(route)
    leading = None if queues is None or source is None else _still_leading(queues, source.binding)
    return Selection(source, wanted, chosen, left_out, not_selected, leading, _misfits(chosen, wanted))


def _matcher(flag: str, patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether a code matches one of the patterns, or anything if there are none. Raises UsageError."""
    if not patterns:
        return lambda _code: True
    parts = []
    for pattern in patterns:
        text = normalised(pattern)
        if not _PATTERN.fullmatch(text):
            hint = "write digits, *, #, +, and % for any digits"
            raise UsageError(f"{pattern!r} is no number", where=flag, hint=hint)
        parts.append(".*".join(map(re.escape, text.split(ANY))))
    known = re.compile("|".join(parts), re.DOTALL)
    return lambda code: known.fullmatch(normalised(code)) is not None


def _why_left_out(route: LiveRoute, wanted: Binding, excepted: Collection[str]) -> LeftOutKind | None:
    if route.id in excepted:
        return LeftOutKind.EXCEPTED
    if route.binding == wanted:
        return LeftOutKind.ALREADY_RIGHT
    return LeftOutKind.LOCKED if route.is_locked else None


def _still_leading(queues: Iterable[KnownTarget], source: Binding) -> list[StillLeading]:
    found = []
    for queue in queues:
        reasons = [overflow.reason for overflow in queue.overflows if overflow.to == source]
        if reasons and queue.binding != source:
            found.append(StillLeading(queue, reasons))
    return sorted(found, key=lambda each: (each.queue.name.casefold(), each.queue.device_id))


def _misfits(routes: Iterable[LiveRoute], wanted: KnownTarget) -> list[str]:
    misfits = Counter(filter(None, (media_misfit(route.media_type, wanted) for route in routes)))
    return [f"{'1 row' if rows == 1 else f'{rows:,} rows'}: {text}" for text, rows in misfits.items()]


def _by_number(route: LiveRoute) -> tuple[str, str, int, str]:
    return normalised(route.access_code), normalised(route.ext_code), route.media_type or 0, route.id
