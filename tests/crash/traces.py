"""What our runs overwrote, kept apart from the model: the oracle of every way back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.harness import Target


@dataclass
class Traces:
    """What became of each route by our calls."""

    overwritten: dict[str, list[Target]] = field(default_factory=dict)
    """By route, what runs overwrote since it was last put back, the oldest first."""
    wrote: dict[str, Target] = field(default_factory=dict)
    """By route, what a run wrote last."""
    strange: set[str] = field(default_factory=set)
    """Routes that another hand has changed."""

    def copied(self) -> "Traces":
        return Traces(
            {row_id: list(each) for row_id, each in self.overwritten.items()}, dict(self.wrote), set(self.strange)
        )

    def follow(self, bound: Mapping[str, Target], sent: Mapping[str, Target], *, back: bool) -> None:
        """Take note of calls that came in."""
        for row_id, target in sent.items():
            if not back:
                if target != bound[row_id]:
                    self.overwritten.setdefault(row_id, []).append(bound[row_id])
                    self.wrote[row_id] = target
            elif target in self.overwritten.get(row_id, [])[:1]:
                del self.overwritten[row_id]
                self.wrote.pop(row_id, None)

    def tried(self, bound: Mapping[str, Target], called: set[str]) -> None:
        """Take note of calls that may have changed something, as far as who made them can tell."""
        for row_id in called:
            self.overwritten.setdefault(row_id, []).append(bound[row_id])

    def not_put_back(self, bound: Mapping[str, Target], now: Mapping[str, Target]) -> set[str]:
        """Return the routes that stood as a run had left them, and do not lead again to where they had led before.

        That is where the first run found them; if another hand came in between, it is elsewhere, or what a run overwrote.
        """
        stood = {row_id for row_id, target in self.wrote.items() if bound[row_id] == target}
        return {
            row_id
            for row_id in stood
            if (now[row_id] == bound[row_id] or row_id not in self.strange)
            and now[row_id] not in self.overwritten[row_id][: None if row_id in self.strange else 1]
        }
