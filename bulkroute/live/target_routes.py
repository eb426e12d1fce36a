"""Which skill queues and IVR flows there are, and how many called routes lead to each. Changes nothing."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from bulkroute.ledger.live_bindings import LiveRoute
from bulkroute.live.read_calls import Asker
from bulkroute.live.target_index import KnownTarget
from bulkroute.live.target_lists import read_all_skills, read_flows
from bulkroute.model import Binding, DeviceType

ALL_KINDS = frozenset(DeviceType)


class ListedTarget(NamedTuple):
    """A skill queue or IVR flow, and what leads there."""

    target: KnownTarget
    """What is known of it; of one that is gone, the name that its routes still have for it."""
    routes: int
    """How many called routes lead there."""
    exists: bool
    """False where routes lead to a number that no queue or flow has."""

    @property
    def is_loaded(self) -> bool:
        """Whether calls can enter it now."""
        return self.exists and self.target.is_loaded

    def to_json(self) -> dict[str, object]:
        """Return it as JSON writes it."""
        target = self.target
        return {
            "devicetype": int(target.devicetype),
            "deviceId": target.device_id,
            "name": target.name,
            "mediaType": target.media_type,
            "loaded": self.is_loaded,
            "routes": self.routes,
            "exists": self.exists,
        }


class ListedTargets(NamedTuple):
    """All targets of a tenant."""

    targets: list[ListedTarget]
    """Skill queues, then IVR flows, by name."""
    settled: bool
    """False if the list of called routes never came to rest, so that the numbers of routes may be too low."""


async def read_targets(asker: Asker, kinds: Collection[int] = ALL_KINDS) -> list[KnownTarget]:
    """Return all targets of these kinds. Raises what reading raises, ReadingRefused for a list of no use included."""
    queues = await read_all_skills(asker) if DeviceType.SKILL_QUEUE in kinds else []
    return [*queues, *(await read_flows(asker) if DeviceType.IVR in kinds else [])]


def with_routes(
    known: Iterable[KnownTarget], routes: Iterable[LiveRoute], kinds: Collection[int] = ALL_KINDS
) -> list[ListedTarget]:
    """Return targets with the number of routes that lead to each, and those of these kinds that routes lead to in vain."""
    counts: Counter[Binding] = Counter()
    names: dict[Binding, str] = {}
    for route in routes:
        binding = route.binding
        if binding is not None and binding.devicetype in kinds:
            counts[binding] += 1
            names[binding] = names.get(binding) or route.device_desc
    listed = [ListedTarget(target, counts.pop(target.binding, 0), exists=True) for target in known]
    gone = [ListedTarget(KnownTarget(*lost, names[lost]), number, exists=False) for lost, number in counts.items()]
    return sorted([*listed, *gone], key=_by_name)


def _by_name(listed: ListedTarget) -> tuple[int, str, int]:
    return listed.target.devicetype, listed.target.name.strip().casefold(), listed.target.device_id
