"""Fleet files made up by dice: see `tests/fuzz.py`.

One without a fault says the same again when what was read is written down; every fault of any other can be shown.
"""

import random
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml

from bulkroute.fleet.fleet_file import FleetFile, Given, read_fleet
from bulkroute.manifest import Faults
from tests.fuzz_bytes import encoded, json_text, spoil_bytes, spoil_value

LONGEST_FAULT = 400
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
KEYS = {
    "base-url": "https://cc.example.com",
    "manifest": "acme.csv",
    "credentials": "secrets/acme.env",
    "rate": 20,
    "limit": "partner-a",
    "until": "04:00",
    "snapshot": False,
    "header": ["X-A: 1", "X-B: 2"],
}


def make(dice: random.Random) -> bytes:
    """Return the bytes of a fleet file, sound or not."""
    tenants = {name: _given(dice) for name in dice.sample(("acme", "globex", "Ä-1", "夜", "a b"), dice.randrange(1, 4))}
    found: Any = {"defaults": _given(dice), "limits": {"partner-a": 50}, "tenants": tenants}
    for _ in range(dice.choice((0, 1, 1, 2))):
        found = spoil_value(dice, found)
    draw = dice.random()
    if draw < 0.5:
        text = json_text(dice, found)
    else:
        text = yaml.safe_dump(found, allow_unicode=draw < 0.8, default_flow_style=dice.choice((None, False)))
    if dice.random() < 0.05:
        text = f"{'[' * 30}{text}"
    return spoil_bytes(dice, encoded(text)) if dice.random() < 0.3 else encoded(text)


def _given(dice: random.Random) -> dict[str, Any]:
    return {key: KEYS[key] for key in dice.sample(list(KEYS), dice.randrange(4))}


def hold(data: bytes) -> bool:
    """Read a fleet file; return whether it is without a fault. Raises AssertionError where what came of it is wrong."""
    found, faults = _read(data)
    for fault in faults.kept:
        assert fault.isprintable(), fault
        assert len(fault) <= LONGEST_FAULT, fault
    if faults.total:
        return False
    assert found.tenants
    again, other = _read(_written({"limits": _plain(found.limits), "tenants": _tenants(found)}).encode())
    assert not other.total, other.kept
    assert (_plain(again.limits), _tenants(again)) == (_plain(found.limits), _tenants(found))
    return True


def _read(data: bytes) -> tuple[FleetFile, Faults]:
    file = Path(FOLDER.name) / "fleet.yaml"
    file.write_bytes(data)
    faults = Faults("fleet.yaml")
    return read_fleet(file, faults), faults


def _written(value: Any) -> str:
    """Return texts, lists and pairs as YAML that leaves nothing to be guessed."""
    if isinstance(value, str):
        bare = re.compile(r"[ !#-\[\]-~]")  # neither quotes nor backslashes
        return "".join(['"', *(each if bare.match(each) else f"\\U{ord(each):08x}" for each in value), '"'])
    if isinstance(value, list):
        return f"[{', '.join(_written(each) for each in value)}]"
    return f"{{{', '.join(f'{_written(key)}: {_written(each)}' for key, each in value.items())}}}"


def _plain(given: dict[str, Given]) -> dict[str, str | list[str]]:
    return {name: each.value for name, each in given.items()}


def _tenants(found: FleetFile) -> dict[str, dict[str, str | list[str]]]:
    return {each.name: _plain(each.given) for each in found.tenants}
