"""The same cutover by id, and by number and name, sends the same calls in the same order; in virtual time.

The tenants are drawn: access codes with and without extensions, numbers that are told apart by their media type alone,
several targets of one name, names of queues that flows bear too, Chinese names and accents in both of Unicode's ways.
"""

import csv
import io
import json
import random
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.settings import Settings
from bulkroute.simulator import Flow, Route, Simulator, Skill
from tests.virtual_time import run_virtual

CODES = ["6688", "66881", "0800123", "+5511400289", "5511400289", "9911411", "*99#", "4008001234", "008001234"]
EXTENSIONS = ["", "", "1", "2", "11", "#1", "*7", "012345678901234567890123"]
MEDIA = [5, 5, 19, 53, 2, 18]
NAMES = ["Night", "night", "Day", "夜间值班", "客服", "Café", "Menú principal", "Night 2", "Two  blanks", "IVR #1"]
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
TYPES = {1: ["1", "skill_queue", "Skill Queue", "queue", "技能队列"], 3: ["3", "ivr", "IVR flow", "flow", "IVR流程"]}
MEDIA_NAMES = {5: "voice", 19: "视频", 53: "Multimedia", 2: "voice-click", 18: "18"}

Target = Skill | Flow


class Cutover(NamedTuple):
    """A tenant, and where some of its routes are to lead."""

    routes: list[Route]
    skills: list[Skill]
    flows: list[Flow]
    wanted: list[tuple[Route, Target]]


def drawn(dice: random.Random) -> Cutover:
    skills = [Skill(number, dice.choice(NAMES), dice.choice([5, 5, 19, 53])) for number in dice.sample(range(1, 40), 6)]
    flows = [Flow(number, dice.choice(NAMES)) for number in dice.sample(range(1, 40), 5)]
    numbers = {(dice.choice(CODES), dice.choice(EXTENSIONS), dice.choice(MEDIA)) for _ in range(40)}
    routes = [
        Route(str(10**18 + 7919 * place), 1, 900, "", code, ext, mediatype_id=media)
        for place, (code, ext, media) in enumerate(sorted(numbers, key=lambda _each: dice.random()))
    ]
    chosen = dice.sample(routes, dice.randrange(1, len(routes)))
    targets: list[Target] = [*skills, *flows]
    return Cutover(routes, skills, flows, [(route, dice.choice(targets)) for route in chosen])


def by_id(cutover: Cutover) -> str:
    lines = [f"{route.id},{kind_of(target)},{target.id}" for route, target in cutover.wanted]
    return "\n".join(["id,devicetype,deviceId", *lines, ""])


def by_number(dice: random.Random, cutover: Cutover) -> list[dict[str, str]]:
    """Return the cells of each row, written in any way that says the same."""
    return [
        {
            "Access Code": decorated(dice, route.access_code),
            "Ext.": decorated(dice, route.ext_code),
            "媒体类型": media_cell(dice, cutover.routes, route),
            **target_cells(dice, cutover, target),
        }
        for route, target in cutover.wanted
    ]


def decorated(dice: random.Random, number: str) -> str:
    """Return a number as somebody may write it."""
    if not number:
        return dice.choice(["", " "])
    signs = [sign + dice.choice(["", "", "", " ", "-", "\u00a0"]) for sign in number]
    text = "".join(signs).strip()
    return dice.choice([text, text, f'="{number}"', f"'{number}", number.translate(FULL_WIDTH), f"({text})"])


def media_cell(dice: random.Random, routes: Iterable[Route], route: Route) -> str:
    same = [each for each in routes if (each.access_code, each.ext_code) == (route.access_code, route.ext_code)]
    if len(same) == 1 and dice.random() < 0.5:
        return ""
    return dice.choice([str(route.mediatype_id), MEDIA_NAMES[route.mediatype_id or 5]])


def target_cells(dice: random.Random, cutover: Cutover, target: Target) -> dict[str, str]:
    """Return one way to say a target that nothing else can be meant by."""
    kind = kind_of(target)
    targets: list[Target] = [*cutover.skills, *cutover.flows]
    of_name = [each for each in targets if each.name == target.name]
    of_kind = [each for each in of_name if kind_of(each) == kind]
    spelled = dice.choice([target.name, f" {target.name}", unicodedata.normalize("NFD", target.name)])
    prefix = "ivr:" if kind == 3 else dice.choice(["queue:", "Skill Queue："])
    typed = dice.choice(TYPES[kind])
    ways = [
        ("", f"{prefix}{spelled}#{target.id}", ""),
        (typed, "", str(target.id)),
        (typed, spelled, str(target.id)),
    ]
    ways += [("", f"{prefix}{spelled}", ""), (typed, spelled, "")] if len(of_kind) == 1 else []
    ways += [("", spelled, "")] * 2 if len(of_name) == 1 else []
    devicetype, name, device_id = dice.choice(ways)
    return {"device type": devicetype, "Target": name, "target id": device_id}


def kind_of(target: Target) -> int:
    return 1 if isinstance(target, Skill) else 3


def sent(folder: Path, cutover: Cutover, name: str, text: str) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Return the ids called, in their order, and how all routes are bound then."""
    manifest = folder / name
    manifest.write_text(text, encoding="utf-8")

    async def scenario() -> tuple[list[str], dict[str, tuple[int, int]]]:
        tenant = Simulator(cutover.routes, static_token="hush-hush", skills=cutover.skills, flows=cutover.flows)
        async with tenant as simulator:
            settings = Settings(
                base_url=simulator.url,
                credentials=Credentials(token=Secret("hush-hush")),
                rate_per_s=None,
                concurrency=1,
                max_consecutive_failures=None,
            )
            async with Engine(settings) as engine:
                summary = await engine.run(manifest, ledger=folder / f"{name}.db")
            assert summary.total == len(cutover.wanted)
            return [call.id for call in simulator.calls if call.endpoint == "modifyCalledRoute"], dict(
                simulator.bindings
            )

    return run_virtual(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("place", range(12))
def test_the_same_calls(tmp_path: Path, place: int) -> None:
    # Half of the tenants are the same each time.
    seed = place if place < 6 else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    cutover = drawn(dice)
    expected = sent(tmp_path, cutover, "ids.csv", by_id(cutover))
    assert expected[0]
    rows = by_number(dice, cutover)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), delimiter=dice.choice(",;\t"))
    writer.writeheader()
    writer.writerows(rows)
    assert sent(tmp_path, cutover, "numbers.csv", table.getvalue()) == expected
    assert sent(tmp_path, cutover, "numbers.yaml", json.dumps(by_number(dice, cutover), ensure_ascii=False)) == expected
