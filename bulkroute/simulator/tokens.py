"""Access tokens and their lives, on the event loop's clock."""

import math
from itertools import count


class Tokens:
    """The tokens that were issued, and which of them still open the door."""

    def __init__(self, static_token: str | None) -> None:
        self.issued = 0
        self._ends: dict[str, float] = {}
        self._uses: dict[str, int] = {}
        self._numbers = count(1)
        if static_token is not None:
            self._ends[static_token] = math.inf

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

    def revoke_all(self) -> None:
        """End every token there is."""
        self._ends.clear()
