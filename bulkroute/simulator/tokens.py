"""Access tokens and their lives, on the event loop's clock."""

import math
from itertools import count


class Tokens:
    """The tokens that were issued, the fixed one, and which of them still open the door."""

    def __init__(self, fixed: str | None) -> None:
        self.issued = 0
        self.fixed = fixed
        """The token that is good without being issued; None: there is none."""
        self._ends: dict[str, float] = {}
        self._uses: dict[str, int] = {}
        self._numbers = count(1)
        if fixed is not None:
            self._ends[fixed] = math.inf

    def issue(self, now: float, life_s: float, *, alone: bool) -> str:
        """Return a new token that lives `life_s` seconds; `alone` ends every token issued before."""
        if alone:
            self.revoke_all()
        self.issued += 1
        token = f"simulated-{next(self._numbers):06d}"
        self._ends[token] = now + life_s
        return token

    def accepts(self, token: str, now: float, most_uses: int | None) -> bool:
        """Tell whether the token is good for one more call, and count that call."""
        if now >= self._ends.get(token, -math.inf):
            return False
        if most_uses is not None:
            self._uses[token] = self._uses.get(token, 0) + 1
            return self._uses[token] <= most_uses
        return True

    def replace_fixed(self, token: str) -> None:
        """Accept another fixed token from now on, and the one before no more."""
        if self.fixed is not None:
            self._ends.pop(self.fixed, None)
        self.fixed = token
        self._ends[token] = math.inf

    def revoke_all(self) -> None:
        """End every token there is."""
        self._ends.clear()
