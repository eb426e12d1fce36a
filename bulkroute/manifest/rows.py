"""Rows of a manifest by number, before and after their routes are found."""

from typing import Literal, NamedTuple

from bulkroute.model import Binding, DeviceType, number_text

TargetKey = Literal["name", "file", "code"]
"""What the name of a wanted target is held against: the name of a queue or the description of a flow; the file name of a
flow (`ivr-file:night.xml`); the access code of a flow (`ivr-code:T1`). No enum, since a hundred thousand are compared."""


class WantedTarget(NamedTuple):
    """A target as the manifest writes it: by name, by id, or by both, which must agree then."""

    devicetype: int | None
    """1 skill queue, 3 IVR flow; None for either. Never None where `name` is empty."""
    device_id: int | None
    """The number of the queue or flow; None where only the name is given."""
    name: str
    """As written, `Night` or `Night#3015`; empty where only the id is given."""
    key: TargetKey = "name"
    """What `name` is held against."""

    def __str__(self) -> str:
        """Return the target as a manifest may write it: `ivr:Night`, `queue:Billing`, `skill_queue 101`."""
        if not self.name:
            return str(Binding(self.devicetype or 0, self.device_id or 0))
        if self.key != "name":
            return f"ivr-{self.key}:{self.name}"
        kinds = {DeviceType.SKILL_QUEUE: "queue:", DeviceType.IVR: "ivr:"}
        return f"{kinds[DeviceType(self.devicetype)] if self.devicetype else ''}{self.name}"


class NumberedRow(NamedTuple):
    """One line of a manifest by number; which called route it is, and which target, only live bindings tell."""

    line: int
    """Where it stands in the manifest, from 1."""
    access_code: str
    """Digits, `*`, `#` and `+`; the whole number where `ext_code` is None."""
    ext_code: str | None
    """The extension, "" for none; None where `access_code` is both, as callers dial them."""
    media_type: int | None
    """A `MediaType`; None for any."""
    target: WantedTarget
    """Where the route is to lead."""
    wave: int | None = None
    """In which wave it goes, as the manifest says; None where it says none: with the last."""

    @property
    def number(self) -> str:
        """The number as people write it: `4008001234 ext 2`."""
        return number_text(self.access_code, self.ext_code)


class LabelledRow(NamedTuple):
    """One line of a manifest by id, with what stands beside the id: held against live bindings, it decides nothing."""

    line: int
    """Where it stands in the manifest, from 1."""
    id: str
    """The called route's id, as text."""
    devicetype: int
    """Wanted: 1 skill queue, 3 IVR flow."""
    device_id: int
    """Wanted: the number of the queue or flow."""
    access_code: str
    """Without blanks, hyphens and the like; "" where it is not said."""
    ext_code: str | None
    """Likewise; None where the manifest has no such column, "" for no extension."""
    media_type: int | None
    """A `MediaType`; None where it is not said."""
    target: str
    """The wanted target's name; "" where it is not said."""
    wave: int | None
    """In which wave it goes, as the manifest says; None where it says none: with the last."""
