"""What is kept of many faults, and how it is said."""

from bulkroute.manifest import Faults
from bulkroute.manifest.faults import FAULTS_KEPT, quote


def filled(*parts: int) -> Faults:
    """Return faults of several parts of a check, each with so many; the later parts name earlier lines."""
    faults = Faults("m.csv")
    for place, count in enumerate(parts):
        if place:
            faults.next_part()
        for number in range(count):
            faults.add(1000 * (len(parts) - place) + number, f"part {place}")
    return faults


def kept(*parts: int) -> list[int]:
    texts = filled(*parts).kept
    return [sum(f"part {place}" in text for text in texts) for place in range(len(parts))]


def test_fifty_faults_are_kept_and_all_are_counted() -> None:
    assert FAULTS_KEPT == 50
    for count in (1, 50, 51, 1000):
        faults = filled(count)
        assert (len(faults.kept), faults.total) == (min(count, 50), count)
        assert faults.keeps_more is (count < 50)


def test_no_part_of_a_check_pushes_another_out_and_what_one_does_not_need_is_the_next_ones() -> None:
    assert kept(1000, 1) == [49, 1]
    assert kept(1, 1000) == [1, 49]
    assert kept(1000, 1000) == [25, 25]
    assert kept(1000, 1000, 1000) == [18, 16, 16]
    assert kept(10, 0, 1000) == [10, 0, 40]
    assert kept(0, 0, 0) == [0, 0, 0]


def test_faults_are_told_by_line_whatever_part_found_them() -> None:
    lines = [int(text.split(":")[1]) for text in filled(3, 3).kept]
    assert lines == [1000, 1001, 1002, 2000, 2001, 2002]


def test_a_quoted_text_has_forty_characters_at_most() -> None:
    assert quote("x" * 40) == f"'{'x' * 40}'"
    assert quote("x" * 41) == f"'{'x' * 37}...'"
    assert quote("\x1b[31m") == r"'\x1b[31m'"


def test_what_a_program_gives_has_rows_for_places() -> None:
    faults = Faults()
    faults.add(3, "is wrong")
    faults.add(0, "are too few")
    assert faults.kept == ["rows: are too few", "row 3: is wrong"]
    assert faults.error().where == "rows"
    assert faults.error().total == 2
    assert Faults("m.csv").error().where == "m.csv"
