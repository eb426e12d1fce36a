"""What the service may do wrong: every knob of a rehearsal.

Shares strike by the seed (see `dice`); limits, outages and token lives go by the clock, as they must. Moments count
from the first call, or from the start (`times_from`), of the rehearsal or of the moment when these faults were set.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from .moments import change
from .outages import outage

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
PER_ID = ("fail_500_ids", "business_ids", "not_applied_ids", "forbidden_ids")

ThrottleShape = Literal["window", "strict", "fixed", "bucket", "leaky", "queue"]
ThrottleBody = Literal["gateway", "billing", "vendor", "html"]
OthersPattern = Literal["steady", "on_off", "walk", "bursts"]
RateHeaders = Literal["draft-06", "draft-07", "draft-10", "x-ratelimit", "x-ratelimit-epoch", "x-apig"]
TokenAnswer = Literal[
    "", "html", "empty", "list", "no_token", "error", "ret_code", "oauth", "no_expires", "null_expires", "number_expires",
    "bearer",
]  # fmt: skip


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
    fail_status: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Shares of any other status: {"522": 0.1}; nothing is changed."""
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
    forbidden_ids: float = 0
    """HTTP 403 whatever the token."""
    bad_ids: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Ids that have one of these four for certain: {"1125397061153369092": "forbidden_ids"}."""
    locked_ids: float = 0
    """Routes whose `editable` is "1" or "3"; drawn apart from the others."""
    locked_enforced: bool = True
    """Changing a locked route is a business failure."""

    faulty: frozenset[str] = frozenset({MODIFY})
    """Endpoints the shares of calls apply to; those without an id count as one id each."""
    drip_s: float = 0.1
    keepalive_s: float = 75
    """Seconds after which an idle connection is closed."""

    outages: tuple[str, ...] = ()
    """When the service is down: `5s+20s:503` and so on, see `outages`."""
    times_from: Literal["first_call", "start"] = "first_call"
    """What the moments of `outages` and `throttle_at` count from."""

    # What the gateway lets in, over all endpoints but tokenByAkSk.
    refuse: float = 0
    """Share of calls refused at random, as by the limit below, whatever their rate."""
    throttle: float | None = None
    """Calls let in in each span; None lets everything in."""
    throttle_span_s: float = 1
    throttle_shape: ThrottleShape = "window"
    """`window`: at most R in any span. `strict`: the same, and refused calls count too. `fixed`: R in each span of the
    clock. `bucket`: a token bucket. `leaky`: nginx's limit_req with nodelay. `queue`: calls wait, then are refused."""
    throttle_burst: int = 0
    """Of `leaky`: the burst. Of `bucket`: its size, of `queue`: how many may wait; as many as R if 0."""
    throttle_at: tuple[str, ...] = ()
    """When the limit changes, and to what: `120s:10`, `240s:0`, `300s:none`."""
    throttle_forever: bool = False
    nodes: int = 1
    """Gateways that each have this limit; a call comes to one at random ..."""
    node_span_s: float = 0
    """... which stays the same for so long."""
    others: float = 0
    """Calls a second that other people make at most, at random moments, and that spend the same limit."""
    others_pattern: OthersPattern = "steady"
    """`on_off`: none in the first half of each period. `walk`: a random walk between an eighth of them and all.
    `bursts`: an eighth of them, all in the last tenth of each period."""
    others_period_s: float = 60
    throttle_status: Literal[429, 503, 403, 200] = 429
    throttle_code: str = "APIG.0308"
    throttle_body: ThrottleBody = "gateway"
    throttle_says: str | None = None
    """The policy in the words of the refusal, instead of the truth."""
    retry_after: str | tuple[str, ...] | None = None
    """Of a refusal: None leaves it out; `seconds`, `date` and `epoch` tell the truth; any other text is sent as it is.
    Several make several headers."""
    rate_headers: tuple[RateHeaders, ...] = ()
    """Headers of every answer that tell the limit; `x-apig` only where the call has `X-Apig-Mode: debug`."""

    token_life_s: float | None = None
    """Tokens live this long, whatever is asked for; None: X-Token-Expire, 600 where absent, 3600 at most."""
    token_expires: str | None = None
    """What `Expires` says instead of the truth."""
    token_status: int = 200
    """The status of an answer that holds a token."""
    token_fail_status: int = 500
    token_fail_times: int = 0
    """The first so many token requests answer `token_fail_status`."""
    token_limit: int | None = None
    """After so many tokens the endpoint refuses (403); 0 refuses from the start."""
    token_latency_s: float = 0
    token_answer: TokenAnswer = ""
    """Another answer than the documented one. `html` to `ret_code` hold no token; from `oauth` on they hold one, but
    under other names, without its life, with a number for it, or with the word Bearer before it."""
    token_single: bool = False
    """A new token ends the one before."""
    token_rotate_s: float | None = None
    """The fixed token is replaced this often: TOKEN, then TOKEN-1, TOKEN-2; the one before ends at once."""
    refuse_after: int | None = None
    """A token, the fixed one included, is revoked after so many calls under it."""
    refused_status: Literal[401, 403] = 403
    """What a missing, wrong, expired or revoked token gets."""
    refuse_token: float = 0
    """Share of calls whose token is refused although it is good."""
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
    skills_status: int | None = None
    """querySkills likewise: a key may read routes and not queues."""
    refuse_missing_targets: bool = False
    """Binding to a queue or flow that does not exist is a business failure."""
    multimedia_enforced: bool = True
    """Binding a route of media type 53 to an IVR flow is a business failure."""
    refuse_media_mismatch: bool = False
    """Binding a route to a queue of another media type is a business failure."""
    schema_wrapper: bool = False
    """queryIVRFlowList nests its answer in `schema`."""
    bare_access_codes: bool = False
    """queryAccessCodeList answers a bare array as `data`."""
    charset: Literal["", "utf-8", "gbk", "gb18030"] = ""
    """Answers are in Chinese, in this encoding; '' leaves them in English."""
    charset_declared: bool = True
    """Content-Type names the encoding."""

    def __post_init__(self) -> None:
        """Raise ValueError for a knob out of its range."""
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, int | float) and value < 0 and knob.name != "wrong_total":
                raise ValueError(f"{knob.name} is negative: {value}")
        for name in ("throttle_span_s", "others_period_s", "nodes", "token_rotate_s"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} is 0")
        for text in self.outages:
            outage(text)
        self._require_shares()
        self._require_limit()

    def _require_shares(self) -> None:
        more = self.fail_status.values()
        for group in (PER_CALL, PER_ID, ("locked_ids",), ("refuse",), ("refuse_token",)):
            if sum(getattr(self, name) for name in group) + (sum(more) if group is PER_CALL else 0) > 1 + 1e-9:
                raise ValueError(f"the shares {', '.join(group)} sum to more than 1")
        for status, share in self.fail_status.items():
            if not (status.isascii() and status.isdecimal() and 400 <= int(status) <= 599) or not 0 <= share <= 1:
                raise ValueError(f"fail_status: {status} is no status of a failure, 400 to 599, or its share no share")
        for route_id, kind in self.bad_ids.items():
            if kind not in PER_ID:
                raise ValueError(f"bad_ids: {route_id} has {kind!r}, which is none of {', '.join(PER_ID)}")

    def _require_limit(self) -> None:
        for text in self.throttle_at:
            change(text)
        if self.throttle is not None and not 0 < self.throttle < math.inf:
            raise ValueError(f"throttle is not a positive number: {self.throttle}")
        if (self.others or self.nodes > 1) and self.throttle is None and not self.throttle_at:
            raise ValueError("others and nodes need a limit that they spend or have: set throttle")
