"""The plan: what a run of a manifest would change, read from live bindings. Makes no ledger and changes no route."""

from collections.abc import Callable, Iterator

from bulkroute.ledger.compare import Change, Comparison, PlanCounts, PlanRow
from bulkroute.ledger.live_bindings import LiveBindings
from bulkroute.ledger.staging import Staging
from bulkroute.live import targets
from bulkroute.live.read_calls import Asker
from bulkroute.live.targets import Known
from bulkroute.model import Binding


class Plan:
    """A manifest held against live bindings; good as long as both are open."""

    def __init__(self, staging: Staging, live: LiveBindings) -> None:
        self._live = live
        self._comparison = Comparison(staging.path, live.path)
        self.counts: PlanCounts = self._comparison.counts(staging.dropped)
        self.settled = live.settled
        """False where the service's list of called routes never came to rest."""
        self.warnings: list[str] = []

    async def check_targets(self, asker: Asker, tell: Callable[[str], None], *, strict: bool) -> None:
        """Ask for the targets that no live row leads to. Raises UsageError where `strict` and one is not sound."""
        known: list[Known] = await targets.look_up(asker, self._comparison.targets(), tell)
        for target, name in known:
            self._live.note_target(target, name)
        self.warnings = targets.warnings(known)
        if strict:
            targets.require_sound(known)

    def changes(self) -> Iterator[Change]:
        """Yield the changes grouped by where from and where to."""
        return self._comparison.changes()

    def rows(self) -> Iterator[PlanRow]:
        """Yield every row with what would become of it."""
        return self._comparison.rows()

    def name(self, binding: Binding | None) -> str:
        """Return a target with its name where it is known: `skill_queue 101 (Billing)`."""
        if binding is None:
            return "no target"
        name = self._live.name(binding)
        return f"{binding} ({name})" if name else str(binding)

    def close(self) -> None:
        """Let go of the files."""
        self._comparison.close()
