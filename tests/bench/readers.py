"""Reads one manifest in one way and prints the seconds it took, without the start of the process.

python -m tests.bench.readers bulkroute|csv.reader|yaml.load FILE
"""

import csv
import sys
import time

import yaml

from bulkroute.manifest import Faults, open_manifest


def read(way: str, path: str) -> int:
    """Read the file to its end; return how many rows it has."""
    if way == "bulkroute":
        with open_manifest(path) as manifest:
            return sum(1 for _ in manifest.rows(Faults()))
    if way == "csv.reader":
        with open(path, newline="", encoding="utf-8") as file:
            return sum(1 for _ in csv.reader(file)) - 1
    with open(path, encoding="utf-8") as file:
        return len(yaml.load(file, Loader=yaml.CSafeLoader))


if __name__ == "__main__":
    started_s = time.perf_counter()
    read(sys.argv[1], sys.argv[2])
    print(time.perf_counter() - started_s)
