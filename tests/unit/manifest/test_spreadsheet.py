"""Columns of ids that lost digits are told from those that did not: no honest column is refused."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.manifest import Faults
from bulkroute.manifest.spreadsheet import FloatTrace, LostDigits, damage_to_id, damage_to_number


def judged(ids: list[str]) -> Faults:
    """Return what is said of a column, every id of it shown."""
    faults, lost_digits = Faults(), LostDigits("id")
    for line, id_ in enumerate(ids, start=1):
        lost_digits.note(line, id_)
    lost_digits.report(faults, len(ids))
    return faults


def snowflakes(dice: random.Random, count: int, worker: int, sequence: Callable[[], int], shift: int = 22) -> list[int]:
    """Return ids of a clock in milliseconds, a worker and a counter, as MyBatis, Twitter and others make them."""
    now_ms = dice.randrange(2**38, 2**40)
    ids = []
    for _ in range(count):
        now_ms += dice.randrange(1, 10**6)
        ids.append((now_ms << shift) + (worker << 12) + sequence())
    return ids


@st.composite
def honest_columns(draw: st.DrawFn) -> list[str]:
    """Return ids as systems make them, none of which went through a float."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 300))
    kind = draw(st.sampled_from(["random", "counted", "clock", "clock of others", "round", "short", "text", "mixed"]))
    digits = draw(st.integers(16, 20))
    start = dice.randrange(10 ** (digits - 1), 10**digits)
    ids: list[int] = []
    if kind in ("random", "mixed"):
        ids = [dice.randrange(10 ** (digits - 1), 10**digits) for _ in range(count)]
    if kind == "counted":
        step = draw(st.integers(1, 1000))
        ids = [start // 4096 * 4096 + step * place for place in range(count)]
    if kind in ("clock", "mixed"):  # many leave the counter at 0 while there is little to do
        sequence = draw(st.sampled_from([lambda: 0, lambda: 1, lambda: dice.randrange(4)]))
        ids += snowflakes(dice, count, dice.randrange(1024), sequence)
    if kind == "clock of others":
        low_bits = dice.randrange(2**16)
        ids = snowflakes(dice, count, 0, lambda: low_bits, shift=draw(st.integers(16, 24)))
    if kind == "round":
        unit = draw(st.sampled_from([1, 10, 100, 1000, 3200, 25_600]))
        ids = [number // unit * unit for number in (dice.randrange(10**18, 10**19) for _ in range(count))]
    if kind == "short":
        ids = [dice.randrange(10**9) for _ in range(count)]
    texts = [str(id_) for id_ in ids] or [f"r{place}" for place in range(count)]
    return dice.sample(texts, len(texts))


@given(honest_columns())
def test_no_honest_column_is_taken_for_one_of_floats(ids: list[str]) -> None:
    assert not [text for text in judged(ids).kept if "64-bit float" in text]


def as_exact(id_: int) -> str:
    return str(int(float(id_)))


def as_shortest(id_: int) -> str:
    """Print as JavaScript and others do: the shortest digits that give the float again, then zeros."""
    mantissa, exponent = repr(float(id_)).split("e+")
    whole, _, fraction = mantissa.partition(".")
    return whole + fraction + "0" * (int(exponent) - len(fraction))


@given(st.integers(0, 2**32), st.integers(50, 300), st.booleans())
def test_ids_that_a_float_printed_in_full_are_a_fault(seed: int, count: int, are_snowflakes: bool) -> None:
    dice = random.Random(seed)
    made = (
        snowflakes(dice, count, dice.randrange(1024), lambda: dice.randrange(1, 4096))
        if are_snowflakes
        else [dice.randrange(10**18, 10**19) for _ in range(count)]
    )
    assert (
        f"row 1: all {count} ids are numbers that a 64-bit float can hold: a program has rounded them; "
        "export it again and import that column as text"
    ) in judged([as_exact(id_) for id_ in made]).kept


@given(st.integers(0, 2**32), st.integers(FloatTrace.LEAST_SHORTEST + 8, 300))
def test_ids_that_a_float_printed_shortly_are_a_fault(seed: int, count: int) -> None:
    dice = random.Random(seed)
    faults = judged([as_shortest(dice.randrange(10**18, 10**19)) for _ in range(count)])
    assert [text for text in faults.kept if "64-bit float" in text]


def rounded(count: int) -> list[str]:
    dice = random.Random(count)
    return [as_exact(dice.randrange(10**18, 10**19)) for _ in range(count)]


def test_one_id_with_all_its_digits_clears_the_column() -> None:
    ids = rounded(1000)
    assert judged(ids).kept[0].startswith("row 1: all 1,000 ids are numbers that a 64-bit float can hold")
    for others in (["1125397061153369092"], ["r1"], ["112539706"]):
        assert not any("float" in text for text in judged([*ids, *others]).kept)


def test_too_few_to_be_sure_are_a_warning() -> None:
    ids = rounded(FloatTrace.LEAST_EXACT - 1)
    faults = judged(ids)
    assert not faults.total
    assert faults.warnings == [
        f"row 1: all {len(ids)} ids are numbers that a 64-bit float can hold: a program may have rounded them; "
        "compare with the original"
    ]
    assert not judged(ids[:2]).warnings
    assert not judged(ids[:2] * 100).warnings


def test_the_vendors_own_ids_are_honest() -> None:
    assert not judged(["1125397061153369092", "1127983948544239618", "1127986019188238339"]).warnings


@pytest.mark.parametrize("wanted", [True, False])
def test_a_search_that_found_nothing_is_over(wanted: bool) -> None:
    trace = FloatTrace("id")
    trace.note(1, "1125397061153369088" if wanted else "1125397061153369092")
    assert trace.possible is wanted


@pytest.mark.parametrize("number", ["0755.0", "0755,00", "+49 755 12.0", "1.0.0"])
def test_a_number_with_a_point_and_zeros_was_taken_for_a_quantity(number: str) -> None:
    assert str(damage_to_number(number)).startswith("has a decimal point")


@pytest.mark.parametrize("number", ["0755.12", "+49 755.01", "12.000", "0755"])
def test_points_are_nothing_unusual_in_a_number(number: str) -> None:
    assert damage_to_number(number) is None


@pytest.mark.parametrize("id_", ["123.", "123.0", "123,00000"])
def test_an_id_with_a_point_and_zeros_was_taken_for_a_quantity(id_: str) -> None:
    assert str(damage_to_id(id_)).startswith("has a decimal point")
