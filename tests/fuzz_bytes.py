"""Ways to spoil what was sound: bytes, and values of JSON. All by dice."""

import json
import random
from typing import Any

TEXTS = (
    "", "0", " ", "x", "a\nb", "\r", "\t", "\x00", "\x1b[2J", "\x9b31m", "\u202e", "\u2028", "\ufeff", "\ud800", "é", "夜",
    "e\u0301", "\U0001f600", "null", "1e5", "../x", "*" * 300, "change", "2026-03-28T12:00:00.000Z", "1125397061153369092",
    "APIG.0308", "0\u200b", "-1", "NaN",
)  # fmt: skip
NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    19,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    10**40,
    0.0,
    -0.0,
    1.5,
    1e308,
    float("inf"),
)


def odd_value(dice: random.Random, depth: int = 2) -> Any:
    """Return some value of JSON."""
    draw = dice.random()
    if draw < 0.35:
        return dice.choice(TEXTS)
    if draw < 0.7:
        return dice.choice(NUMBERS)
    if draw < 0.85 or not depth:
        return dice.choice((None, True, False, float("nan")))
    values = [odd_value(dice, depth - 1) for _ in range(dice.randrange(3))]
    return values if draw < 0.92 else {dice.choice(TEXTS): value for value in values}


def spoil_value(dice: random.Random, value: Any) -> Any:
    """Return a value with one thing in it changed, somewhere."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(list(value))
        draw = dice.random()
        if draw < 0.08:
            return {name: each for name, each in value.items() if name != key}
        if draw < 0.16:
            return {**value, dice.choice(TEXTS): odd_value(dice)}
        if draw < 0.2:
            return dict(dice.sample(list(value.items()), len(value)))
        return {**value, key: spoil_value(dice, value[key])}
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        draw = dice.random()
        if draw < 0.2:
            return value[:place] + value[place + 1 :]
        if draw < 0.4:
            return value[: place + 1] + value[place:]
        return [spoil_value(dice, each) if at == place else each for at, each in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and dice.random() < 0.3:
        return value + dice.choice((-1, 1))
    return odd_value(dice)


def json_text(dice: random.Random, value: Any) -> str:
    """Return a value as some program might write it."""
    text = json.dumps(
        value,
        ensure_ascii=dice.random() < 0.5,
        separators=dice.choice(((", ", ": "), (",", ":"), (" ,", " : "))),
        indent=dice.choice((None, None, 1)),
    )
    if dice.random() < 0.1 and text.startswith("{") and len(text) > 2:
        text = (
            f'{{"{dice.choice(("line", "id", "returnCode", "AccessToken"))}": {json.dumps(odd_value(dice))}, {text[1:]}'
        )
    return text


def spoil_bytes(dice: random.Random, data: bytes) -> bytes:
    """Return bytes with a few of them changed, taken out, put in, moved or cut off."""
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 1, 2, 8, 64)))
        draw = dice.randrange(6)
        if draw == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        elif draw == 1:
            data = data[:at] + data[end:]
        elif draw == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif draw == 3:
            data = (
                data[:at]
                + dice.choice((b"\xff", b"\x00", b"\r\n", b"\n", b"{", b'"', b"\\", b"\xef\xbb\xbf", b"1"))
                + data[at:]
            )
        elif draw == 4:
            data = data[:at]
        else:
            data = data[end:] + data[at:end]
    return data


def encoded(text: str) -> bytes:
    """Return a text as UTF-8; lone surrogates, which have no UTF-8, as those write them who do not look."""
    return text.encode("utf-8", "surrogatepass")
