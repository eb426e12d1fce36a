"""A saved plan as a file: what a run would do with each row, who foretold it and when, and a fingerprint of all of it.

JSON lines in UTF-8: a head, a line for each row in the manifest's order, and a last line with the SHA-256 of all bytes
before it. There is one way to write each line, so the same content is the same bytes, and two plans can be compared by
any tool. No byte of it moves a cursor: what cannot be printed is escaped. Holds no secret.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple, TextIO

from bulkroute.errors import UsageError
from bulkroute.model import REFUSED, Binding, NamedTarget, Pair, grouped, number_text, route_text

FORMAT = "bulkroute plan"
VERSION = 1
"""Goes up when the same bytes may mean something else than before."""

SENT_IF_AS_PLANNED = frozenset({"change", "right"})
"""The standings of rows that a plan is about: bound to *before* when it was made, to be bound to *after*."""

STANDINGS = SENT_IF_AS_PLANNED | frozenset(map(str, REFUSED))

_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""What moves a cursor, turns text round or shows nothing: the same characters for every Python, as its tables would not be."""

MOST_LINE_BYTES = 1024 * 1024
MOST_IN_HEAD = 200
"""Pairs, waves and warnings that the head names, of each the first ones; the rows say all."""
MOST_NAME_CHARS = 256
"""Of a target's name and of a warning: they decide nothing."""


class PlanCounts(NamedTuple):
    """How many rows of a manifest a run would treat in which way."""

    total: int
    """Rows of the manifest."""
    to_change: int
    """Rows that a run would send."""
    already_right: int
    """Rows whose live binding is the wanted one."""
    drifted: int
    """Rows that were done by the ledger, and that another hand has changed since; the first run finds none."""
    skipped: int
    """Rows that `--skip` leaves alone."""
    refused: dict[str, int]
    """Rows that nothing would be sent for, by kind: `locked`, `unknown_id`, `conflict`, `drifted`, `moved`."""
    twice: int
    """Rows dropped because the manifest says the same further up."""


class PlanRow(NamedTuple):
    """One row of a plan."""

    line: int
    """In the manifest."""
    id: str
    """The called route's id."""
    standing: str
    """What a run would do with it: `change`, `right`, or why nothing is sent: a kind of `refused`."""
    drifted: bool
    """Whether it was done, and another hand has changed it since."""
    before: NamedTarget | None
    """Where it leads now."""
    after: NamedTarget
    """Where the manifest wants it to lead."""
    access_code: str
    """What callers dial; empty where it is not known."""
    ext_code: str
    """What they dial after it; may be empty."""
    media_type: int | None
    """A `MediaType`; None where it is not known."""
    editable: str | None
    """As the service lists it: the route is locked where it is "1" or "3"; None where the id is not listed."""
    wave: int | None
    """As the manifest or `--waves` says; None for none."""

    @property
    def route(self) -> str:
        """The called route as people know it: `4008001234 ext 2 (id 1125397061153369092)`."""
        return route_text(self.id, number_text(self.access_code, self.ext_code))

    def named_by(self, names: Mapping[Binding, str]) -> "PlanRow":
        """Return it with the names that these names have for its targets."""
        return self._replace(before=self.before and self.before.named_by(names), after=self.after.named_by(names))

    def to_json(self) -> dict[str, object]:
        """Return it as a line of the file says it."""
        return {
            "line": self.line,
            "id": self.id,
            "accessCode": self.access_code,
            "extCode": self.ext_code,
            "mediaType": self.media_type,
            "before": _target(self.before) if self.before else None,
            "after": _target(self.after),
            "editable": self.editable,
            "wave": self.wave,
            "standing": self.standing,
            "drifted": self.drifted,
        }


class PlanOrigin(NamedTuple):
    """Where a plan comes from."""

    version: str
    """Of the bulkroute that made it."""
    made_at: str
    """When live bindings had been read: ISO 8601, UTC."""
    made_by: str
    """user@host."""
    service: str
    """The service's root."""
    app_key: str
    """Fingerprint of the app key; empty if a ready token was used."""
    tenant: str
    """As `--tenant` named it; may be empty."""
    manifest: str
    """The manifest's name."""
    manifest_sha256: str | None
    """Of its bytes; None for rows that a program gave."""


class WaveRows(NamedTuple):
    """How many rows of a plan are of one wave."""

    wave: int | None
    """As the manifest or `--waves` says; None for rows of no wave."""
    rows: int
    """How many."""


class PlanHead(NamedTuple):
    """The first line of a saved plan."""

    origin: PlanOrigin
    """Who made it, when, and of what."""
    settled: bool
    """False where the service's list of called routes never came to rest."""
    rows: int
    """Lines that follow, but for the last one."""
    counts: PlanCounts
    """What a run would do with how many of them."""
    waves: list[WaveRows]
    """Rows of each wave, in order, the first ones; empty where all go in one."""
    pairs: list[Pair]
    """Where the rows to change lead and are to lead, the commonest first."""
    more_pairs: int
    """Pairs that are not named here: a head is never longer than a line may be."""
    warnings: list[str]
    """What a person must look at before a run."""

    def described(self, fingerprint: str) -> str:
        """Return the plan in words: `3f9c a1b2 77d0, made by ann@ops1 at 2026-03-28T12:00:00.000Z`."""
        return f"{grouped(fingerprint)}, made by {self.origin.made_by} at {self.origin.made_at}"

    def to_json(self) -> dict[str, object]:
        """Return it as the file says it."""
        origin = self.origin
        return {
            "format": FORMAT,
            "version": VERSION,
            "bulkroute": origin.version,
            "made_at": origin.made_at,
            "made_by": origin.made_by,
            "service": origin.service,
            "app_key_fingerprint": origin.app_key,
            "tenant": origin.tenant,
            "manifest": origin.manifest,
            "manifest_sha256": origin.manifest_sha256,
            "settled": self.settled,
            "row_count": self.rows,
            "counts": self.counts._asdict(),
            "waves": [each._asdict() for each in self.waves],
            "pairs": [
                {"from": _target(before) if before else None, "to": _target(after), "rows": rows}
                for before, after, rows in self.pairs
            ],
            "more_pairs": self.more_pairs,
            "warnings": self.warnings,
        }


def _target(target: NamedTarget) -> dict[str, object]:
    return target._replace(name=cut(target.name)).to_json()


def cut(text: str) -> str:
    """Return a text that is only for people, no longer than it may be."""
    return text if len(text) <= MOST_NAME_CHARS else f"{text[: MOST_NAME_CHARS - 1]}…"


def line_of(record: dict[str, object]) -> str:
    """Return the one line that says a record; whatever a terminal would not print is escaped."""
    text = json.dumps(record, ensure_ascii=False)
    return f"{_UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], text)}\n"


def write_plan(file: TextIO, head: PlanHead, rows: Iterable[PlanRow]) -> str:
    """Write a plan, one row at a time, and return its fingerprint. Raises UsageError for a row that fits no line."""
    sha256 = hashlib.sha256()
    records: Iterable[Any] = chain([head], rows)
    for number, record in enumerate(records, 1):
        line = line_of(record.to_json())
        data = line.encode()
        if len(data) > MOST_LINE_BYTES:
            raise UsageError(
                f"line {number} of the plan would have {len(data):,} bytes, and {MOST_LINE_BYTES:,} fit",
                hint="cut the manifest into several, and make a plan of each",
            )
        sha256.update(data)
        file.write(line)
    fingerprint = sha256.hexdigest()
    file.write(last_line(fingerprint))
    return fingerprint


def last_line(fingerprint: str) -> str:
    """Return the line that closes a plan."""
    return line_of({"sha256": fingerprint})
