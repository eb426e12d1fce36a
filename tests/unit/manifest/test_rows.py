"""Wanted targets as a manifest writes them, so that what a message names can be pasted."""

import pytest

from bulkroute.manifest.rows import NumberedRow, WantedTarget
from bulkroute.manifest.targets import parse_target


@pytest.mark.parametrize(
    ("target", "written"),
    [
        (WantedTarget(None, None, "Night"), "Night"),
        (WantedTarget(1, None, "Billing"), "queue:Billing"),
        (WantedTarget(3, None, "Night"), "ivr:Night"),
        (WantedTarget(3, None, "night.xml", "file"), "ivr-file:night.xml"),
        (WantedTarget(3, None, "T1", "code"), "ivr-code:T1"),
    ],
)
def test_a_name_is_written_as_it_is_read(target: WantedTarget, written: str) -> None:
    assert str(target) == written
    assert parse_target(written) == target


def test_a_target_without_a_name_is_its_binding() -> None:
    assert str(WantedTarget(3, 3015, "")) == "ivr 3015"
    assert str(WantedTarget(None, None, "")) == "devicetype 0 0"


def test_a_number_as_people_write_it() -> None:
    assert NumberedRow(2, "6688", "1", None, WantedTarget(None, None, "Night")).number == "6688 ext 1"
    assert NumberedRow(2, "66881", None, None, WantedTarget(None, None, "Night")).number == "66881"
