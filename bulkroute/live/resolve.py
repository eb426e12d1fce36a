"""Rows by number and name, turned into rows by id by what is live: every fault of the manifest at once, with its line.

Pure: the live list and the lists of targets are given. Nothing is matched that differs in a digit, or in the case of a
name; no row comes out unless exactly one route and exactly one target is meant. A list that never settled proves no
absence, so whoever calls must not resolve against one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bulkroute.ledger.export import defused
from bulkroute.live.route_index import Ambiguous, KnownRoute, NotFound, RouteIndex
from bulkroute.live.target_index import Meant, NotMeant, TargetIndex, media_misfit
from bulkroute.manifest import Faults
from bulkroute.manifest.numbers import normalised, number_problem
from bulkroute.manifest.rows import LabelledRow, NumberedRow, WantedTarget
from bulkroute.manifest.targets import parse_target
from bulkroute.model import Binding, number_text
from bulkroute.settings import RewriteRule


class ResolvedRow(NamedTuple):
    """One row by number, with the id and the target that it has at this service."""

    line: int
    """Where it stands in the manifest, from 1."""
    id: str
    """The called route's id."""
    devicetype: int
    """Wanted: 1 skill queue, 3 IVR flow."""
    device_id: int
    """Wanted: the number of the queue or flow."""
    route: KnownRoute
    """The route as it is listed."""
    target: str
    """What the wanted target is called; "" where that is not known."""
    wave: int | None
    """When it is sent; None for last."""


class Rules(NamedTuple):
    """How the operator wants manifests by number resolved."""

    rewrite: Sequence[RewriteRule] = ()
    """Applied to the numbers of the file, in this order."""
    allow_unloaded: bool = False
    """Whether a flow may be named that no call can enter now."""
    strict_targets: bool = False
    """Whether a target that does not fit the media type of the route is a fault."""
    strict_numbers: bool = False
    """Whether a manifest by id must agree with live in what stands beside its ids."""
    skip_unknown: bool = False
    """Whether rows whose number no route has are left out, rather than faults."""


AS_WRITTEN = Rules()
"""Nothing rewritten, nothing allowed, nothing strict."""

_TARGETS_REMEMBERED = 4096


class Resolver:
    """Resolves the rows of one manifest, one after another; then `finish` tells what only all of them show."""

    def __init__(self, routes: RouteIndex, targets: TargetIndex, faults: Faults, rules: Rules = AS_WRITTEN) -> None:
        self._routes = routes
        self._targets = targets
        self._faults = faults
        self._rules = rules
        self._meant: dict[WantedTarget, Meant | NotMeant] = {}
        self._taken: dict[str, tuple[int, Binding]] = {}  # by id; as many as there are live routes, at most
        self._remarks = Remarks(faults)
        self.rows = 0
        """Rows seen so far."""
        self.not_found = 0
        """Of these, rows whose number no route has."""
        self.dropped = 0
        """Rows left out because another line sends the same route to the same target."""
        self.rewritten: Counter[int] = Counter()
        """How many numbers each rule changed, by its place."""

    def resolve(self, rows: Iterable[NumberedRow]) -> Iterator[ResolvedRow]:
        """Yield the rows that can be sent; the others become faults, or are counted where the rules leave them out."""
        for row in rows:
            self.rows += 1
            route, meant = self._route(row), self._target(row)
            if route is not None and meant is not None and self._is_first(row, route, meant.binding):
                self._require_media(row, route, meant)
                name = meant.target.name if meant.target else ""
                yield ResolvedRow(row.line, route.id, *meant.binding, route, name, row.wave)

    def finish(self) -> None:
        """Record what only the whole manifest shows."""
        if self.not_found * 2 > self.rows:
            text = (
                f"{self.not_found:,} of {self.rows:,} numbers are not found: is this the right tenant? Organization units "
                "may hide routes from this key"
            )
            if self._rules.skip_unknown:
                self._faults.warn(text)
            else:
                self._faults.next_part()
                self._faults.add(0, text)
        if self.dropped:
            rows = "row was" if self.dropped == 1 else "rows were"
            self._faults.warn(f"{self.dropped} {rows} dropped: the same route with the same target stands further up")
        self._remarks.report()

    def _route(self, row: NumberedRow) -> KnownRoute | None:
        """Return the one route of a row, or None once its fault is recorded or its absence counted."""
        if self._rules.rewrite:
            number, changed = rewritten(row.access_code, self._rules.rewrite)
            self.rewritten.update(changed)
            if changed and (problem := number_problem("number" if row.ext_code is None else "accessCode", number)):
                rule = self._rules.rewrite[changed[-1]]
                self._faults.add(row.line, f"{row.number} after --rewrite-number {str(rule)!r}: {problem}")
                return None
            row = row._replace(access_code=normalised(number))
        match = self._routes.match(row)
        if isinstance(match, NotFound):
            self.not_found += 1
            if self._rules.skip_unknown:
                self._remarks.note(row.line, "have a number that no route has, which --skip leaves out")
            else:
                self._faults.add(row.line, match.reason if self._faults.keeps_more else "")
            return None
        if isinstance(match, Ambiguous):
            self._faults.add(row.line, match.reason)
            return None
        if match.is_media_assumed:
            self._remarks.note(row.line, "name a media type where the service tells none of the route")
        return match.route

    def _target(self, row: NumberedRow) -> Meant | None:
        """Return the one target of a row, or None once its fault is recorded."""
        meant = self._meant.get(row.target)
        if meant is None:
            if len(self._meant) >= _TARGETS_REMEMBERED:
                self._meant.clear()
            meant = self._meant[row.target] = self._targets.find(row.target, allow_unloaded=self._rules.allow_unloaded)
        if isinstance(meant, NotMeant):
            self._faults.add(row.line, meant.reason)
            return None
        return meant

    def _is_first(self, row: NumberedRow, route: KnownRoute, binding: Binding) -> bool:
        """Tell whether no row before this one names the route; one that sends it elsewhere is a fault."""
        line, first = self._taken.setdefault(route.id, (row.line, binding))
        if line == row.line:
            return True
        if first == binding:
            self.dropped += 1
        else:
            self._faults.add(
                row.line,
                f"{row.number} is route {route.id} as in line {line}, which sends it to {first}, not to {binding}; "
                "keep one of them",
            )
        return False

    def _require_media(self, row: NumberedRow, route: KnownRoute, meant: Meant) -> None:
        """Record a target that does not fit, where that is a fault; else whoever looks up the targets warns of it."""
        if self._rules.strict_targets and meant.target and (misfit := media_misfit(route.media_type, meant.target)):
            self._faults.add(row.line, f"{row.number}: {misfit}")


class LabelComparison:
    """Holds what a manifest by id says beside its ids against what is live; it decides nothing, but may show a slip."""

    def __init__(self, targets: TargetIndex, faults: Faults, rules: Rules = AS_WRITTEN) -> None:
        self._targets = targets
        self._faults = faults
        self._strict = rules.strict_numbers
        self._remarks = Remarks(faults)

    def compare(self, row: LabelledRow, route: KnownRoute) -> None:
        """Record where a row disagrees with the route of its id: a fault if that is wanted, else counted for a warning."""
        ext_code = normalised(route.ext_code) if row.ext_code is not None else None
        live = normalised(route.access_code), ext_code
        if row.access_code and (row.access_code, row.ext_code) != live:
            said = number_text(row.access_code, row.ext_code)
            self._differ(
                row, "a number that is not that of their id", f"{said} is not the number of id {row.id}: {route}"
            )
        if None not in (row.media_type, route.media_type) and row.media_type != route.media_type:
            self._differ(
                row, "a media type that is not that of their id", f"id {row.id} has another media type: {route}"
            )
        if row.target and not self._is_called(row.target, Binding(row.devicetype, row.device_id)):
            known = self._targets.known(Binding(row.devicetype, row.device_id))
            self._differ(row, "a target that is not called so", f"target {row.target!r} is not {known}")

    def finish(self) -> None:
        """Record the warnings."""
        self._remarks.report()

    def _is_called(self, name: str, binding: Binding) -> bool:
        """Tell whether a target is called so: as it is written in our own files, or as a manifest may write it."""
        as_listed = name[1:] if defused(name[1:]) == name else name
        if self._targets.agrees(WantedTarget(None, None, as_listed), binding):
            return True
        try:
            return self._targets.agrees(parse_target(name), binding)
        except ValueError:
            return False

    def _differ(self, row: LabelledRow, what: str, fault: str) -> None:
        if self._strict:
            self._faults.add(row.line, f"{fault}; correct the row")
        else:
            self._remarks.note(row.line, f"name {what}")


_OF_ONE = {"name": "names", "have": "has"}


class Remarks:
    """Counts what stops nothing, so that ten thousand rows give one warning."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._first_lines: dict[str, int] = {}
        self._counts: Counter[str] = Counter()

    def note(self, line: int, text: str) -> None:
        """Count a remark on one row; `text` goes on after "3 rows", and begins with `name` or `have`."""
        self._first_lines.setdefault(text, line)
        self._counts[text] += 1

    def report(self) -> None:
        """Record a warning for each kind of remark."""
        for text, count in self._counts.items():
            verb, _, rest = text.partition(" ")
            rows = f"1 row {_OF_ONE[verb]}" if count == 1 else f"{count:,} rows {verb}"
            self._faults.warn(f"{rows} {rest} (first: line {self._first_lines[text]})")


def rewritten(number: str, rules: Sequence[RewriteRule]) -> tuple[str, list[int]]:
    """Return a compared number after all rules, in their order, and the places of those that changed it."""
    changed = []
    for place, rule in enumerate(rules):
        after = rule.pattern.sub(rule.replacement, number)
        if after != number:
            changed.append(place)
            number = after
    return number, changed
