"""What is told of an outage: that it began, why, how long it is waited for, and what it turned out to be."""

from collections.abc import Callable

from bulkroute.cec.token import Away, TokenSource
from bulkroute.rate.outage import Change, Outage, Turn
from bulkroute.rate.throttle import HOLD
from bulkroute.run.pauses import DOWN, TOKEN, Pauses
from bulkroute.settings import Settings


class Downtime:
    """An outage rule whose findings become pauses."""

    def __init__(
        self,
        settings: Settings,
        pauses: Pauses,
        clock: Callable[[], float],
        calls: str,
        *,
        alive: bool = False,
        act: Callable[[Change], None] = lambda _change: None,
    ) -> None:
        """Take the pacer's clock, and what fails (`calls`: rows, or reads); `alive` is that of `Outage`.

        `act` gets each change before it is told.
        """
        self.outage = Outage(settings.max_attempts, settings.max_outage_wait_s, self._take, alive=alive)
        self._pauses = pauses
        self._clock = clock
        self._calls = calls
        self._act = act

    def _take(self, change: Change) -> None:
        self._act(change)
        if change.turn is Turn.DOWN:
            now_s = self._clock()
            since_s, give_up_s = self.outage.since_s, self.outage.give_up_s
            self._pauses.begin_probing(
                DOWN,
                f"service down ({self._some(change.rows)}: {change.words})",
                since_s=now_s if since_s is None else since_s,
                give_up_s=now_s if give_up_s is None else give_up_s,
                next_probe_s=lambda: self.outage.probe_due_s,
            )
        else:
            self._pauses.end(DOWN, self._outcome(change))

    def _outcome(self, change: Change) -> str:
        if change.turn is Turn.ROWS:
            return f"not an outage: the service answers; {self._some(change.failed)} failed"
        if change.turn is Turn.GAVE_UP:
            return "given up"
        again = f"; {self._some(len(change.given_back))} get their tries back" if change.given_back else ""
        return f"service back{again}"

    def _some(self, count: int) -> str:
        return f"{count:,} {self._calls.removesuffix('s') if count == 1 else self._calls}"


def tell_of_tokens(tokens: TokenSource, pauses: Pauses) -> None:
    """Make pauses of the waits for a token service that is down or throttles."""

    def take(away: Away | None) -> None:
        if away is None:
            pauses.end(TOKEN, "the token service is back")
            return
        pauses.begin_probing(
            TOKEN,
            away.reason,
            since_s=away.since_s,
            give_up_s=away.give_up_s,
            next_probe_s=away.next_probe_s,
            hold=True,
        )

    tokens.on_away = take
    tokens.on_throttled = lambda reason, until_s: pauses.begin(HOLD, reason, until_s)
