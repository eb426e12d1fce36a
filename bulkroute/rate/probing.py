"""When a probe goes to a service that is down: after 1, 2, 4, 8, 10, 10 ... s, until patience ends. No clock, no I/O."""

FIRST_GAP_S, LONGEST_GAP_S = 1.0, 10.0


class Probing:
    """The gaps between probes; times are in seconds on one clock that never goes back."""

    def __init__(self, now_s: float, give_up_s: float) -> None:
        """Begin now; the last probe falls at `give_up_s`, not after it."""
        self.began_s = now_s
        self.give_up_s = give_up_s
        self.failed = 0
        """Probes that failed, without those that an operator asked for."""
        self.is_asked_for = False
        """Whether an operator asked for the next probe, or for the one that is out."""
        self._gap_s = FIRST_GAP_S
        self._due_s = now_s + FIRST_GAP_S

    @property
    def due_s(self) -> float:
        """When the next probe is to start."""
        return self.began_s if self.is_asked_for else self._due_s

    def settle(self, now_s: float, *, failed: bool) -> bool:
        """Take the end of a probe; return whether it was one of the regular ones, and failed.

        A neutral answer is no verdict: the gaps go on as after a failure.
        """
        counts = failed and not self.is_asked_for
        self.failed += counts
        if not self.is_asked_for:
            self._gap_s = min(2 * self._gap_s, LONGEST_GAP_S)
            self._due_s = max(now_s, min(now_s + self._gap_s, self.give_up_s))
        self.is_asked_for = False
        return counts
