"""The values that pass between the rooms. Frozen, no I/O, nothing imported from bulkroute."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple

PAGE_ROWS = 100
"""The most the service gives at a time."""

NAME_CHARS = 60
"""So much of a target's name is shown."""


class DeviceType(IntEnum):
    """What a called route is bound to; the numbers are the vendor's (`devicetype`)."""

    SKILL_QUEUE = 1
    """A skill queue: `deviceId` is its skillId."""
    IVR = 3
    """An IVR flow: `deviceId` is the flow's id."""


class Binding(NamedTuple):
    """A called route's target. On the wire: `devicetype` and `deviceId`."""

    devicetype: int
    """1 skill queue, 3 IVR flow."""
    device_id: int
    """The number of the queue or flow."""

    def __str__(self) -> str:
        """Return the target as people write it: `skill_queue 101`."""
        names = {kind.value: kind.name.lower() for kind in DeviceType}
        return f"{names.get(self.devicetype, f'devicetype {self.devicetype}')} {self.device_id}"


class NamedTarget(NamedTuple):
    """A skill queue or IVR flow with its name, as people know it."""

    devicetype: int
    """1 skill queue, 3 IVR flow."""
    device_id: int
    """The number of the queue or flow."""
    name: str
    """Empty where none is known."""

    def __str__(self) -> str:
        """Return it with its name, if it has one: `Night (ivr 3015)`."""
        binding = Binding(self.devicetype, self.device_id)
        return f"{printable(self.name, NAME_CHARS)} ({binding})" if self.name else str(binding)

    def named_by(self, names: Mapping[Binding, str]) -> "NamedTarget":
        """Return it with the name that these names have for it, if they have one."""
        return self._replace(name=names.get(Binding(self.devicetype, self.device_id)) or self.name)

    def to_json(self) -> dict[str, object]:
        """Return it as JSON writes it."""
        return {"devicetype": self.devicetype, "deviceId": self.device_id, "name": self.name}


class Pair(NamedTuple):
    """Rows that go from one target to another."""

    before: NamedTarget | None
    """Where their routes lead now; None where no usable target is known."""
    after: NamedTarget
    """Where they are to lead."""
    rows: int
    """How many."""

    def __str__(self) -> str:
        """Return `from Billing (skill_queue 101) to Night (ivr 3015)`."""
        return f"from {self.before or 'no target'} to {self.after}"

    def named_by(self, names: Mapping[Binding, str]) -> "Pair":
        """Return it with the names that these names have for its targets."""
        return self._replace(before=self.before and self.before.named_by(names), after=self.after.named_by(names))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON writes it."""
        before = self.before.to_json() if self.before else None
        return {"from": before, "to": self.after.to_json(), "rows": self.rows}


def printable(text: str, limit: int) -> str:
    """Return a text from elsewhere on one line, fit for any terminal, cut at `limit` characters.

    Blanks and line breaks become one blank, control characters and terminal escapes U+FFFD.
    """
    text = text[: 4 * limit]
    if not text.isprintable():
        text = "".join(
            char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}" for char in text
        )
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def escaped(text: str) -> str:
    """Return `text` with control characters, and bytes that are no text, written as escapes: nothing of it is lost.

    Fit for any terminal, and to be kept.
    """
    return text if text.isprintable() else repr(text)[1:-1]


def grouped(fingerprint: str) -> str:
    """Return what people compare of a fingerprint, its first 12 digits in groups: `3f9c a1b2 77d0`."""
    return " ".join(fingerprint[place : place + 4] for place in (0, 4, 8))


def number_text(access_code: str, ext_code: str | None) -> str:
    """Return a number as people write it: `4008001234 ext 2`."""
    return f"{access_code} ext {ext_code}" if ext_code else access_code


def route_text(route_id: str, number: str) -> str:
    """Return a called route as people know it: `4008001234 ext 2 (id 1125397061153369092)`; its id alone if that is all."""
    return f"{number} (id {route_id})" if number else route_id


def wave_text(wave: int, place: int, waves: int) -> str:
    """Return `wave 2 of 4`; with its own number where the manifest counts otherwise: `wave 20 (2 of 4)`."""
    return f"wave {wave} of {waves}" if wave == place else f"wave {wave} ({place} of {waves})"


class Row(NamedTuple):
    """One line of the manifest: the called route `id` is to be bound to (`devicetype`, `device_id`).

    Flat, because a million of them are made in a row; `wanted` gives the pair.
    """

    line: int
    """Where it stands in the manifest, from 1."""
    id: str
    """The called route's id, as text."""
    devicetype: int
    """Wanted: 1 skill queue, 3 IVR flow."""
    device_id: int
    """Wanted: the number of the queue or flow."""

    @property
    def wanted(self) -> Binding:
        """The binding the manifest asks for."""
        return Binding(self.devicetype, self.device_id)


class MediaType(IntEnum):
    """What a called route carries; the numbers are the vendor's (`mediatypeId`, queryCalledRoute, cec_07_0043)."""

    VOICE_CLICK = 2
    """Voice, by a click on a page."""
    VOICE = 5
    """Voice; "audio-video" on some of the vendor's pages."""
    VIDEO_CLICK = 18
    """Video, by a click on a page."""
    VIDEO = 19
    """Video."""
    MULTIMEDIA = 53
    """Messages; such a route leads to skill queues only."""


class Status(StrEnum):
    """Where a row stands in the ledger."""

    PENDING = "pending"
    """Still to be sent."""
    SENT = "sent"
    """Its call is in flight; if no run holds the ledger, the row is in doubt."""
    SUCCEEDED = "succeeded"
    """The service accepted the call."""
    UNCHANGED = "unchanged"
    """The live binding was the wanted one already (or an earlier batch made it so, live not read); no call was made."""
    SKIPPED = "skipped"
    """Not to be sent, as `--skip` says of its kind: `error` says why; no failure."""
    FAILED = "failed"
    """It has failed for good in this run; `error` says why. A later run tries it again."""


class FailureKind(StrEnum):
    """Why a row failed: `error` in the ledger and its export."""

    BUSINESS = "business"
    """The service answered 200 with a `returnCode` other than "0"."""
    BAD_ANSWER = "bad_answer"
    """The answer cannot be read: no JSON, no `returnCode`, two that differ, too long, another 2xx than 200, or a redirect."""
    SERVER = "server"
    """The service, or a gateway before it, answered 5xx (or 408, 421, 425) at each try."""
    BAD_REQUEST = "bad_request"
    """The service answered 4xx: it does not accept the call as it is."""
    NOT_FOUND = "not_found"
    """The service answered 404: the path is not there."""
    FORBIDDEN = "forbidden"
    """The service refused this row's calls (401, 403) with tokens that let other rows' calls in."""
    CONNECTION = "connection"
    """No connection, or it broke, at each try."""
    TIMEOUT = "timeout"
    """No answer within `--timeout`, at each try."""
    UNKNOWN_ID = "unknown_id"
    """No called route has this id, as the live bindings show; never sent."""
    LOCKED = "locked"
    """The called route must not be edited (`editable` is "1" or "3"); never sent."""
    CONFLICT = "conflict"
    """The live binding is neither the earlier nor the wanted one: another hand changed it; not sent again."""
    DRIFTED = "drifted"
    """It was done, or is of a saved plan; another hand has changed it since, which `--on-drift keep` leaves so; not sent."""
    MOVED = "moved"
    """Its number is that of another called route since the batch was begun: the id leads elsewhere now; never sent."""


class PaceCause(StrEnum):
    """Why a run's pace changed: `cause` in the ledger."""

    STARTED = "started"
    """The run began."""
    OPERATOR = "operator"
    """Somebody asked for another rate, or for more or fewer calls at once."""
    THROTTLED = "throttled"
    """The service refused calls."""
    SERVICE = "service"
    """What the service allows went up or down by itself."""


OF_THE_ROW = frozenset(
    {
        FailureKind.BUSINESS,
        FailureKind.BAD_REQUEST,
        FailureKind.NOT_FOUND,
        FailureKind.FORBIDDEN,
        FailureKind.UNKNOWN_ID,
        FailureKind.LOCKED,
        FailureKind.CONFLICT,
        FailureKind.DRIFTED,
        FailureKind.MOVED,
    }
)
"""Failures that say something of one row, not of the service."""

REFUSED = frozenset(
    {FailureKind.UNKNOWN_ID, FailureKind.LOCKED, FailureKind.CONFLICT, FailureKind.DRIFTED, FailureKind.MOVED}
)
"""Failures without a call: what the live bindings say forbids it."""


class Ruling(Enum):
    """What follows from an answer."""

    DONE = "done"
    """The row has succeeded."""
    FAILED = "failed"
    """The row fails at once; another try would change nothing."""
    AGAIN = "again"
    """The row is tried again after a backoff; with its last try used up it fails, unless the service is down for all."""
    THROTTLED = "throttled"
    """The call is made again later, uses up no try, and the pace goes down. All calls wait where the service says for how
    long, or refuses everything."""
    REFUSED = "refused"
    """The token is renewed and the call made again, no try used up. Refused again, the row fails as `forbidden` if others are
    let in; else the run stops (exit 77)."""
    BARRED = "barred"
    """The proxy lets no call through; the run stops (exit 77)."""


UNCOUNTED = frozenset({Ruling.THROTTLED, Ruling.REFUSED, Ruling.BARRED})
"""After these a call is made again without using up a try."""


class Quota(NamedTuple):
    """What a service says that it allows: so many calls in so many seconds."""

    calls: float
    span_s: float


class Verdict(NamedTuple):
    """A ruling with what the service said.

    `kind` is set for FAILED, and for AGAIN: what the row fails with once its tries are used up. `retry_after_s` is
    what a throttling service asked for, `quota` what it says that it allows; None where it named nothing usable.
    """

    ruling: Ruling
    kind: FailureKind | None
    http_status: int | None
    return_code: str | None
    description: str | None
    retry_after_s: float | None = None
    quota: Quota | None = None

    @property
    def words(self) -> str:
        """The service's own words: `HTTP 429, APIG.0308, ...`, leaving out what is not there."""
        status = None if self.http_status is None else f"HTTP {self.http_status}"
        said = (status, self.return_code, self.description)
        return ", ".join(str(part) for part in said if part)


def iso(at: float) -> str:
    """Return a moment, in seconds since the epoch, as `2026-03-29T02:00:00.000Z`: so every output for machines writes one."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
