"""When failed first tries say that the service is shaky, and little of rows."""

from bulkroute.rate.tries import FIRST_TRIES, Fate, FirstTries, Tries


def shaky_after(pattern: str) -> list[bool]:
    """Take first tries, `x` for a failed one; return after each whether they are shaky."""
    first = FirstTries()
    seen = []
    for letter in pattern:
        first.add(failed=letter == "x")
        seen.append(first.are_shaky)
    return seen


def test_ten_failures_of_thirty_are_shaky_until_fewer_than_five_are_left() -> None:
    assert FIRST_TRIES == 30
    assert shaky_after("x" * 10) == [False] * 9 + [True]
    assert shaky_after("x" * 9 + "." * 21 + "x") == [False] * 31, "the first one has left by then"
    calm = shaky_after("x" * 10 + "." * 40)
    assert calm.index(True) == 9
    # After 20 more the oldest leave, one with each: 5 of them are still shaky, 4 are not.
    assert calm[10:].index(False) == 20 + 10 - 5


def test_what_is_calm_needs_ten_failures_again() -> None:
    again = shaky_after("x" * 10 + "." * 40 + "x" * 10)
    assert again[50:] == [False] * 9 + [True]


def test_a_row_begins_with_nothing_used() -> None:
    tries = Tries(7)
    assert (tries.row, tries.used, tries.in_stretch, tries.uncounted, tries.gifts) == (7, 0, 0, 0, 0)
    assert tries.fate is Fate.AGAIN
    assert not tries.failed_before
