"""Feeds the manifest readers with bytes that atheris makes up: `python -m tests.fuzz_manifests [-max_total_time=60]`.

Whatever comes must end in rows or faults. atheris has wheels for some systems only; pyproject.toml names them.
"""

import gc
import importlib
import sys
from types import FunctionType
from typing import Any

from bulkroute.manifest import Faults, Kind
from bulkroute.manifest.csv_reader import CsvReader
from bulkroute.manifest.decoding import TextBlocks
from bulkroute.manifest.yaml_reader import YamlReader


def read(data: bytes) -> None:
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
