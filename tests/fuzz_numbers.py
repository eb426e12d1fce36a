"""Feeds manifests by number with cells made up by dice: `python -m tests.fuzz_numbers [CELLS] [SEED]`.

Whatever comes must end in a row or a fault, never a traceback; and a row must be what the plain matcher finds, which
shares no code with bulkroute: never a route that differs in a digit.
"""

import csv
import io
import random
import sys
import time

from bulkroute.live.resolve import Resolver
from bulkroute.live.route_index import KnownRoute, RouteIndex
from bulkroute.live.target_index import KnownTarget, TargetIndex
from bulkroute.manifest import Faults, Kind
from bulkroute.manifest.csv_reader import CsvReader
from bulkroute.manifest.decoding import TextBlocks
from tests.plain_matcher import DROPPED, FULL_WIDTH, Outcome, Route, Target, plain_outcomes

CODES = ["6688", "66881", "0800123", "+44207946", "0044207946", "44207946", "9911411", "*99#", "4008001234", "800123"]
EXTENSIONS = ["", "", "1", "2", "11", "#1", "81"]
NAMES = [
    "Night",
    "night",
    "Day",
    "夜间",
    "Café",
    "Cafe\u0301",
    "IVR #1",
    "IVR",
    "Night#7",
    "Two  blanks",
    "queue:x",
    "",
]
SPICE = [*DROPPED, *FULL_WIDTH, *"0123456789+*#", "'", '="', '"', ",", ".0", ".00", "E+12", "e5", "x", "٣", "²", "\n"]
TYPES = ["", "", "1", "3", "ivr", "queue", "Skill Queue", "flow", "pbx", "2"]
MEDIA = ["", "", "5", "voice", "Video", "19", "53", "Multimedia", "fax"]


def tenant(dice: random.Random) -> tuple[list[Route], list[Target]]:
    """Return routes and targets in which much is alike."""
    routes = [
        Route(str(number), spiced(dice, dice.choice(CODES), 0.05), dice.choice(EXTENSIONS), dice.choice([5, 19, None]))
        for number in range(dice.randrange(1, 12))
    ]
    targets = {}
    for _ in range(dice.randrange(1, 10)):
        devicetype, device_id = dice.choice([1, 3]), dice.randrange(1, 9)
        file, code = (
            (dice.choice(["night.xml", "Day.xml", ""]), dice.choice(["T1", "", "T2"])) if devicetype == 3 else ("", "")
        )
        targets[devicetype, device_id] = Target(
            devicetype, device_id, dice.choice(NAMES), dice.random() < 0.8, file, code
        )
    return routes, list(targets.values())


def spiced(dice: random.Random, text: str, share: float) -> str:
    """Return a text with something put in, or taken out, here and there."""
    out = ""
    for char in text:
        if dice.random() < share:
            out += dice.choice(SPICE) + dice.choice(["", char])
        else:
            out += char
    return out + (dice.choice(SPICE) if dice.random() < share else "")


def row(dice: random.Random, names: list[str], routes: list[Route], targets: list[Target]) -> dict[str, str]:
    """Return cells that mostly mean something."""
    route, goal = dice.choice(routes), dice.choice(targets)
    code, ext = dice.choice([(route.access_code, route.ext_code), (dice.choice(CODES), dice.choice(EXTENSIONS))])
    share = dice.choice([0, 0, 0.05, 0.3])
    name = dice.choice([goal.name, goal.name, dice.choice(NAMES)])
    device_id = dice.choice([goal.device_id, goal.device_id, dice.randrange(9)])
    target = dice.choice([name, f"ivr:{name}", f"queue:{name}", f"{name}#{device_id}", f"ivr-file:{goal.file}"])
    cells = {
        "accessCode": spiced(dice, code, share),
        "extCode": spiced(dice, ext, share),
        "number": spiced(dice, code + ext, share),
        "mediaType": dice.choice(["", str(route.media or ""), dice.choice(MEDIA)]),
        "devicetype": dice.choice([str(goal.devicetype), "", dice.choice(TYPES)]),
        "deviceId": dice.choice(
            ["", str(device_id), str(device_id), dice.choice(["x", "7.0", str(dice.randrange(1, 9))])]
        ),
        "target": dice.choice([target, target, target, f"ivr-code:{goal.code}", "", dice.choice(["#7", "ivr:"])]),
    }
    return {name: cells[name] for name in names}


def fuzz(seed: int, cells: int) -> tuple[int, int]:
    """Try so many cells; return how many there were, and how many rows were resolved. Raises AssertionError."""
    dice = random.Random(seed)
    tried = resolved = 0
    while tried < cells:
        routes, targets = tenant(dice)
        names = dice.choice([["accessCode", "extCode"], ["accessCode"], ["number"]]) + dice.choice(
            [["target"], ["target", "devicetype", "deviceId"], ["devicetype", "deviceId"]]
        )
        names += ["mediaType"] * dice.randrange(2)
        table = [row(dice, names, routes, targets) for _ in range(8)]
        found = outcomes_of(table, routes, targets)
        expected, dropped = plain_outcomes([trimmed(cells) for cells in table], routes, targets)
        if found != (expected, len(dropped)):
            raise AssertionError(f"seed {seed}: {routes} {targets} {table}: {found} is not {expected}")
        tried += len(table) * len(names)
        resolved += sum(outcome is not None for outcome in expected)
    return tried, resolved


def trimmed(cells: dict[str, str]) -> dict[str, str]:
    """Return a row as CSV gives it: without the blanks around its values."""
    return {name: text.strip() for name, text in cells.items()}


def outcomes_of(table: list[dict[str, str]], routes: list[Route], targets: list[Target]) -> tuple[list[Outcome], int]:
    """Return what bulkroute makes of each row, and how many it dropped."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(table[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    starts = []
    for cells in table:
        starts.append(out.getvalue().count("\n") + 1)
        writer.writerow(cells)
    faults = Faults("night.csv")
    reading = CsvReader(TextBlocks(io.BytesIO(out.getvalue().encode()).read), faults)
    if reading.kind is not Kind.BY_NUMBER:
        raise AssertionError(faults.kept)
    resolver = Resolver(
        RouteIndex(KnownRoute(*route) for route in routes),
        TargetIndex(
            KnownTarget(each.devicetype, each.device_id, each.name, None, each.loaded, each.file, each.code)
            for each in targets
        ),
        faults,
    )
    by_line = {
        each.line: (each.id, (each.devicetype, each.device_id)) for each in resolver.resolve(reading.numbered_rows())
    }
    resolver.finish()
    if not all(text.isprintable() for text in (*faults.kept, *faults.warnings)):
        raise AssertionError("a fault cannot be shown")
    return [by_line.get(start) for start in starts], resolver.dropped


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(2**32)
    started_s = time.monotonic()
    tried, resolved = fuzz(seed, wanted)
    print(f"seed {seed}: {tried:,} cells, {resolved:,} rows resolved, in {time.monotonic() - started_s:.0f} s")
