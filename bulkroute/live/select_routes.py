"""A selection from what is live now: reads the routes and the lists of targets once, and changes nothing."""

from collections.abc import Callable
from pathlib import Path

from bulkroute.errors import CredentialsRefused, ReadingRefused, StopKind, StoppedEarly, UsageError
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.live.called_routes import LiveReader
from bulkroute.live.named_routes import NamedRoutes
from bulkroute.live.selection import Filters, Selection, choose, find_target, parse, wanted_kinds
from bulkroute.live.target_index import KnownTarget, TargetIndex
from bulkroute.live.target_lists import read_all_skills, read_flows
from bulkroute.live.target_routes import with_routes
from bulkroute.model import DeviceType


async def select(
    reader: LiveReader,
    to: str,
    filters: Filters,
    tell: Callable[[str], None],
    *,
    excepted: Path | None = None,
    allow_unloaded: bool = False,
) -> Selection:
    """Return the routes that the filters mean, to be led to the target `to`; without those that the file names.

    Raises UsageError (no filter, a target that is not exactly one, from and to the same), ManifestError (of `excepted`),
    StoppedEarly for a list of routes that never comes to rest, and what reading raises.
    """
    if not filters.has_any:
        raise UsageError(
            "no filter is given, so that all routes would be selected",
            hint="say where they lead now with --from, or name --access-code, --ext-code or --media",
        )
    exceptions = NamedRoutes(excepted, "--except") if excepted is not None else None
    named = [parse(to, "--to"), *([parse(filters.source, "--from")] if filters.source else [])]
    with LiveBindings() as live:
        await reader.read(live)
        if not live.settled:
            raise StoppedEarly(
                "the list of called routes never came to rest, so that routes may be missing; nothing was written",
                hint="run the same command again when nobody changes routes",
                stop=StopKind.UNSETTLED,
            )
        routes = list(live.routes())
    kinds = wanted_kinds(*named)
    flows = await read_flows(reader.asker) if kinds & {None, DeviceType.IVR} else []
    queues = await _queues(reader, tell, needed=bool(kinds & {None, DeviceType.SKILL_QUEUE}))
    known = [*(queues or []), *flows]
    wanted = find_target(to, "--to", TargetIndex(known), allow_unloaded=allow_unloaded)
    source = None
    if filters.source:
        # What routes lead to in vain can be left too.
        index = TargetIndex(listed.target for listed in with_routes(known, routes))
        source = find_target(filters.source, "--from", index, allow_unloaded=True)
        if source.binding == wanted.binding:
            raise UsageError(f"--from and --to are the same, {wanted}", hint="nothing was written")
    left_alone: set[str] = set()
    if exceptions is not None:
        left_alone = {row.id for row in exceptions.rows(lambda: routes)}
        exceptions.require_whole(tell)
    return choose(routes, queues, wanted, source, filters, left_alone)


async def _queues(reader: LiveReader, tell: Callable[[str], None], *, needed: bool) -> list[KnownTarget] | None:
    """Return all skill queues; None if they may not be read, where that is no hindrance."""
    try:
        return await read_all_skills(reader.asker)
    except (ReadingRefused, CredentialsRefused) as error:
        if needed:
            raise
        tell(f"which skill queues hand calls on cannot be told: {error.what}")
        return None
