"""A manifest as it is written, made into rows by id that can be taken over: numbers and names held against what is live.

A manifest by number is resolved whole or not at all: every fault of it at once, with its line. What a manifest by id
says beside its ids is compared, and decides nothing. Changes no ledger and no route.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack

from bulkroute.errors import ReadingRefused, StopKind, StoppedEarly, UsageError
from bulkroute.ledger.intake import Written
from bulkroute.ledger.live_bindings import LiveBindings, Target
from bulkroute.ledger.number_staging import NumberStaging
from bulkroute.ledger.numbers import WantedName
from bulkroute.ledger.staging import FoundRow, Staged, Staging
from bulkroute.live import targets
from bulkroute.live.read_calls import Asker
from bulkroute.live.resolve import LabelComparison, ResolvedRow, Resolver, Rules
from bulkroute.live.route_index import KnownRoute, RouteIndex
from bulkroute.live.target_index import Meant, TargetIndex
from bulkroute.live.target_routes import ALL_KINDS, read_targets
from bulkroute.manifest import Faults
from bulkroute.manifest.rows import WantedTarget
from bulkroute.manifest.targets import parse_target
from bulkroute.model import Binding, FailureKind
from bulkroute.settings import Settings


def rules_of(settings: Settings) -> Rules:
    """Return how the operator wants numbers and names resolved."""
    return Rules(
        rewrite=settings.rewrite_number,
        allow_unloaded=settings.allow_unloaded,
        strict_targets=settings.strict_targets,
        strict_numbers=settings.strict_numbers,
        skip_unknown=FailureKind.UNKNOWN_ID in settings.skip,
    )


class Resolution:
    """Resolves manifests at one service."""

    def __init__(self, settings: Settings, asker: Asker, on_notice: Callable[[str], None]) -> None:
        """`on_notice` gets what an operator should know."""
        self._rules = rules_of(settings)
        self._asker = asker
        self._on_notice = on_notice

    async def staged(self, written: Written, live: LiveBindings | None, inputs: ExitStack) -> Staged:
        """Return the manifest by id, staged as long as `inputs`; `live` is None if live bindings are not read.

        Raises ManifestError with every fault, UsageError for what only live bindings tell, StoppedEarly for a list of
        called routes that never settled, and what reading the lists of targets raises.
        """
        if isinstance(written.rows, NumberStaging):
            if live is None:
                raise UsageError(
                    "a manifest by number, and only live bindings tell which routes its numbers are",
                    where=written.name,
                    hint="leave --no-snapshot out, or give a manifest by id",
                )
            return await self._resolved(written, written.rows, live, inputs)
        if written.is_labelled and live is not None:
            await self._compare(written, written.rows, live)
        elif self._rules.strict_numbers and live is None:
            raise UsageError("--strict-numbers needs live bindings", hint="leave --no-snapshot out")
        return Staged(written.rows, written.name, written.digest, by_number=written.plan is not None)

    async def require_as_named(self, manifest: str, names: Sequence[WantedName]) -> None:
        """Refuse names that mean another target now than when the batch was begun, or none. Raises ManifestError."""
        if not names:
            return
        wanted = [parse_target(each.name) for each in names]
        index = await self._index(wanted)
        faults = Faults(manifest)
        hint = "name them anew in the manifest, or begin the next batch with today's targets: --fresh"
        for (name, binding), target in zip(names, wanted, strict=True):
            meant = index.find(target, allow_unloaded=self._rules.allow_unloaded)
            if not isinstance(meant, Meant):
                faults.add(0, f"{name} was {binding} when this batch was begun; now {meant.reason}")
                hint = "name them anew in the manifest"  # --fresh would meet the same fault
            elif meant.binding != binding:
                faults.add(0, f"{name} was {binding} when this batch was begun, and is {meant.binding} now")
        if faults.total:
            error = faults.error()
            error.hint = hint
            raise error

    async def _resolved(
        self, written: Written, numbers: NumberStaging, live: LiveBindings, inputs: ExitStack
    ) -> Staged:
        """Find the ids of the numbers and the targets of the names."""
        if not live.settled:
            raise StoppedEarly(
                "the list of called routes never came to rest, so that a number missing from it proves nothing;"
                " nothing was sent",
                where=written.name,
                hint="run the same command again when nobody changes routes",
                stop=StopKind.UNSETTLED,
            )
        index = await self._index(numbers.targets())
        faults = Faults(written.name if written.digest else "")
        resolver = Resolver(RouteIndex(map(KnownRoute.of, live.routes())), index, faults, self._rules)
        staging = inputs.enter_context(Staging())
        staging.load_found(map(_found, resolver.resolve(numbers.rows())), faults)
        resolver.finish()
        if faults.total:
            raise faults.error()
        for text in faults.warnings:
            self._on_notice(f"warning: {text}")
        for place, rule in enumerate(self._rules.rewrite):
            self._on_notice(f"--rewrite-number {str(rule)!r} changed {resolver.rewritten[place]:,} numbers")
        staging.note_names(dict(_meanings(numbers.targets(), index)))
        staging.dropped = numbers.dropped + resolver.dropped
        left_out = resolver.not_found if self._rules.skip_unknown else 0
        return Staged(staging, written.name, written.digest, by_number=True, left_out=left_out)

    async def _compare(self, written: Written, rows: Staging, live: LiveBindings) -> None:
        """Hold what stands beside the ids against what is live. Raises ManifestError if it has to agree."""
        faults = Faults(written.name if written.digest else "")
        asked = [Target(*binding, "", {None: 1}) for binding in rows.named_targets()]
        looked = await targets.look_up(self._asker, asked, self._on_notice)
        known = [each.known for each in looked if each.state is not targets.TargetState.UNKNOWN and each.known.name]
        comparison = LabelComparison(TargetIndex(known), faults, self._rules)
        for row, route in rows.labelled(live):
            comparison.compare(row, KnownRoute.of(route))
        comparison.finish()
        if faults.total:
            raise faults.error()
        for text in faults.warnings:
            self._on_notice(f"warning: {text}")

    async def _index(self, wanted: Iterable[WantedTarget]) -> TargetIndex:
        """Read the lists in which named targets may be; none if all are given by id."""
        kinds = {target.devicetype for target in wanted if target.name}
        try:
            return TargetIndex(
                await read_targets(self._asker, ALL_KINDS if None in kinds else set(filter(None, kinds)))
            )
        except ReadingRefused as error:
            error.hint = "targets cannot be found by their names then: give devicetype and deviceId"
            raise


def _found(row: ResolvedRow) -> FoundRow:
    route = row.route
    codes = route.access_code, route.ext_code
    return FoundRow(row.line, row.id, row.devicetype, row.device_id, *codes, route.media_type, row.wave)


def _meanings(wanted: Iterable[WantedTarget], index: TargetIndex) -> Iterator[tuple[str, Binding]]:
    """Yield what each named target is, by its name as a manifest may write it."""
    for target in wanted:
        if target.name and isinstance(meant := index.find(target, allow_unloaded=True), Meant):
            yield str(target if target.device_id is None else target._replace(name=_with_id(target))), meant.binding


def _with_id(target: WantedTarget) -> str:
    """Return the name of a target whose id stands beside it, with that id."""
    written = f"#{target.device_id}"
    return target.name if target.name.endswith(written) else f"{target.name}{written}"
