"""What the service may do wrong, and the dice that decide when.

Every share is drawn from (seed, id, n-th call of that id), never from the order of arrival: the same seed gives
the same faults however the calls interleave. Throttling and token lives go by the clock, as they must.
"""

import hashlib
import math
from dataclasses import dataclass, fields
from typing import Literal

MODIFY = "modifyCalledRoute"

PER_CALL = (
    "fail_500",
    "fail_502",
    "fail_503",
    "fail_504",
    "reset_before",
    "reset_after",
    "hang_before",
    "hang_after",
    "half_answer",
    "wrong_length",
    "drip",
    "garbage",
    "no_return_code",
    "numeric_return_code",
    "big_answer",
    "gzip_bomb",
    "redirect",
    "close_after",
)
PER_ID = ("fail_500_ids", "business_ids", "not_applied_ids")


@dataclass(frozen=True)
class Faults:
    """Every knob, off by default. Shares are 0 to 1; those of one group are disjoint and sum to 1 at most."""

    latency_ms: float = 0
    """Every call but tokenByAkSk takes this long ..."""
    jitter_ms: float = 0
    """... and up to this much more, drawn per call."""

    # Shares of calls, drawn anew for each call.
    fail_500: float = 0
    """HTTP 500; nothing is changed."""
    fail_502: float = 0
    fail_503: float = 0
    fail_504: float = 0
    reset_before: float = 0
    """The connection is reset; nothing is changed."""
    reset_after: float = 0
    """The change is made, then the connection is reset."""
    hang_before: float = 0
    """No answer, ever; nothing is changed."""
    hang_after: float = 0
    """The change is made, but no answer comes, ever."""
    half_answer: float = 0
    """The change is made; the connection closes in the middle of the body."""
    wrong_length: float = 0
    """The change is made; Content-Length promises more than comes."""
    drip: float = 0
    """The change is made; the answer comes byte by byte, one each `drip_s` seconds."""
    garbage: float = 0
    """The change is made; the answer is 200 but no JSON."""
    no_return_code: float = 0
    """The change is made; the answer lacks returnCode."""
    numeric_return_code: float = 0
    """The change is made; returnCode is the number 0."""
    big_answer: float = 0
    """The change is made; the answer is a success of 8 MB."""
    gzip_bomb: float = 0
    """The change is made; the answer is a success that unpacks to 64 MiB."""
    redirect: float = 0
    """HTTP 302 to the same path; nothing is changed."""
    close_after: float = 0
    """The call is answered in order, then the connection is closed without a word."""

    # Shares of ids: an id that has such a fault has it for ever.
    fail_500_ids: float = 0
    """HTTP 500 with a returnCode and description: the documented "business failure"."""
    business_ids: float = 0
    """HTTP 200 with a returnCode other than "0"."""
    not_applied_ids: float = 0
    """Success is answered, but nothing is changed."""
    locked_ids: float = 0
    """Routes whose `editable` is "1" or "3"; drawn apart from the three above."""
    locked_enforced: bool = True
    """Changing a locked route is a business failure."""

    faulty: frozenset[str] = frozenset({MODIFY})
    """Endpoints the shares of calls apply to; those without an id count as one id each."""
    drip_s: float = 0.1
    keepalive_s: float = 75
    """Seconds after which an idle connection is closed."""

    throttle: float | None = None
    """Calls per second the gateway lets through, over all endpoints but tokenByAkSk."""
    throttle_shape: Literal["window", "leaky"] = "window"
    """`window`: at most R in any second. `leaky`: nginx's limit_req with `throttle_burst` and nodelay."""
    throttle_burst: int = 0
    throttle_status: Literal[429, 503] = 429
    throttle_forever: bool = False
    retry_after: str | None = None
    """Of a throttled answer: None leaves it out; `seconds` and `date` tell the truth; any other text is sent as it is."""

    token_life_s: float | None = None
    """Tokens live this long, whatever is asked for; None: X-Token-Expire, 600 where absent, 3600 at most."""
    token_expires: str | None = None
    """What `Expires` says instead of the truth."""
    token_fail_status: int = 500
    token_fail_times: int = 0
    """The first so many token requests answer `token_fail_status`."""
    token_limit: int | None = None
    """After so many tokens the endpoint refuses (403); 0 refuses from the start."""
    token_latency_s: float = 0
    token_answer: Literal["", "html", "empty", "list", "no_token"] = ""
    """A nonsense answer instead of a token."""
    token_single: bool = False
    """A new token ends the one before."""
    refuse_after: int | None = None
    """A token, the static one included, is revoked after so many calls under it."""
    refused_status: Literal[401, 403] = 403
    """What a missing, wrong, expired or revoked token gets."""
    require_app_key: bool = False

    read_delay_s: float = 0
    """queryCalledRoute shows the earlier binding for so long after a change."""
    unstable_order: int = 0
    """The first so many calls of queryCalledRoute each see another order of rows."""
    list_changes: int = 0
    """After each of the first so many calls of queryCalledRoute a foreign row appears at the top, or goes again."""
    wrong_total: int = 0
    """Added to the `total` of queryCalledRoute."""
    loose_filters: bool = False
    """queryCalledRoute does not heed extCode and media type, as in the vendor's example."""
    query_status: int | None = None
    """queryCalledRoute answers this status (404 missing, 403 refused, 500 ...) and nothing else."""
    refuse_missing_targets: bool = False
    """Binding to a queue or flow that does not exist is a business failure."""
    schema_wrapper: bool = False
    """queryIVRFlowList nests its answer in `schema`."""
    bare_access_codes: bool = False
    """queryAccessCodeList answers a bare array as `data`."""

    def __post_init__(self) -> None:
        """Raise ValueError for a knob out of its range."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0 and field.name != "wrong_total":
                raise ValueError(f"{field.name} is negative: {value}")
        for group in (PER_CALL, PER_ID, ("locked_ids",)):
            if sum(getattr(self, name) for name in group) > 1 + 1e-9:
                raise ValueError(f"the shares {', '.join(group)} sum to more than 1")
        if self.throttle is not None and not 0 < self.throttle < math.inf:
            raise ValueError(f"throttle is not a positive number: {self.throttle}")


class Dice:
    """Draws faults. Pure: what it returns depends on its arguments and on what it was made of, alone."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._seed = seed
        self._per_call = _slices(faults, PER_CALL)
        self._per_id = _slices(faults, PER_ID)

    def draw(self, *parts: object) -> float:
        """Return a number in [0, 1) that belongs to the seed and `parts`."""
        text = "\0".join(map(str, (self._seed, *parts)))
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest()
        return int.from_bytes(digest, "big") / 2**56

    def of_call(self, key: str, nth: int) -> str:
        """Return the fault that the `nth` call of an id meets, or ''."""
        return _pick(self._per_call, self.draw("call", key, nth)) if self._per_call else ""

    def of_id(self, route_id: str) -> str:
        """Return the fault that an id has for ever, or ''."""
        return _pick(self._per_id, self.draw("id", route_id)) if self._per_id else ""

    def lock(self, route_id: str) -> str:
        """Return the `editable` of an id locked by the share `locked_ids`, or ''."""
        share = self._faults.locked_ids
        drawn = self.draw("locked", route_id) if share else 1.0
        return "" if drawn >= share else "1" if drawn < share / 2 else "3"

    def latency_s(self, key: str, nth: int) -> float:
        """Return how long the `nth` call of an id takes, in seconds."""
        jitter_ms = self._faults.jitter_ms
        return (self._faults.latency_ms + (jitter_ms * self.draw("jitter", key, nth) if jitter_ms else 0)) / 1000


def _slices(faults: Faults, names: tuple[str, ...]) -> list[tuple[float, str]]:
    upper = 0.0
    slices = []
    for name in names:
        share = getattr(faults, name)
        if share:
            upper += share
            slices.append((upper, name))
    return slices


def _pick(slices: list[tuple[float, str]], drawn: float) -> str:
    return next((name for upper, name in slices if drawn < upper), "")
