"""Feeds the manifest readers with bytes that atheris makes up: `python -m tests.fuzz_manifests [-max_total_time=60]`.

Whatever comes must end in rows or faults. atheris has wheels for some systems only; pyproject.toml names them. Manifests
made up by dice, which are ten times as fast, are `python -m tests.fuzz manifests`.
"""

import gc
import importlib
import random
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

from bulkroute.manifest import Faults, Kind
from bulkroute.manifest.csv_reader import CsvReader
from bulkroute.manifest.decoding import TextBlocks
from bulkroute.manifest.yaml_reader import YamlReader
from tests.fuzz_bytes import TEXTS, encoded, spoil_bytes

LONGEST_FAULT = 600


CASES = [path.read_bytes() for path in sorted((Path(__file__).parent / "cases" / "manifests").iterdir())]
SOUND = [case for case in CASES if len(case) < 2000]
CELLS = (
    *TEXTS,
    "id",
    "devicetype",
    "deviceId",
    "accessCode",
    "target",
    "1",
    "3",
    "ivr",
    "queue",
    "101",
    "3015",
    "4008001234",
)


def make(dice: random.Random) -> bytes:
    """Return a byte for `read` to choose by, and a manifest: a case with something changed, or cells put together."""
    if dice.random() < 0.5:
        data = spoil_bytes(dice, dice.choice(SOUND))
    else:
        head = ["id,devicetype,deviceId", "accessCode,extCode,target", "number;type;id", "- id: 1"]
        rows = [",".join(dice.choice(CELLS) for _ in range(3)) for _ in range(dice.randrange(4))]
        data = encoded(dice.choice(("\n", "\r\n")).join([dice.choice(head), *rows]))
    return bytes([dice.randrange(16)]) + data


def hold(data: bytes) -> bool:
    """Read a made-up manifest; return whether it has no fault. Raises AssertionError for one that cannot be shown."""
    faults = read(data)
    for text in (*faults.kept, *faults.warnings, *faults.notices):
        assert text.isprintable(), text
        assert len(text) <= LONGEST_FAULT, text
    return not faults.total


def read(data: bytes) -> Faults:
    """Read one made-up manifest: the first byte chooses the format, the size of the blocks and what is asked for."""
    kind, rest = data[:1], data[1:]
    size = (1, 7, 4096)[(kind[0] >> 1) % 3] if kind else 1
    places = iter(range(0, len(rest) + size, size))

    def block(_size: int) -> bytes:
        start = next(places, len(rest))
        return rest[start : start + size]

    faults = Faults("night")
    reader: Any = YamlReader if kind and kind[0] & 1 else CsvReader
    reading = reader(TextBlocks(block), faults)
    if reading.kind is Kind.BY_NUMBER:
        rows = reading.numbered_rows()
    else:
        rows = reading.labelled_rows() if kind and kind[0] & 8 else reading.rows()
    count = sum(1 for _ in rows)
    if not count and not faults.total:
        raise AssertionError("neither rows nor faults")
    return faults


GUIDES = ("bulkroute.manifest", "yaml")
"""The modules whose branches guide it; to begin with those of all of Python would take half a minute."""


def main() -> None:
    atheris: Any = importlib.import_module("atheris")
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and (function.__module__ or "").startswith(GUIDES):
            atheris.instrument_func(function)
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
