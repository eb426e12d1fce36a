"""The bench's own arithmetic, and that it says what is missing. What it measures is no test."""

import pytest

from tests.bench.figures import Finding, Spread, Target, at_least, at_most, per_row, ratios, spread, table
from tests.bench.pace import mean_per_s, most_in_a_second
from tests.bench.tools import TOOLS, missing


def test_a_spread_is_the_median_with_the_extremes() -> None:
    assert spread([3, 1, 10]) == Spread(3, 1, 10)
    assert spread([1, 2]) == Spread(1.5, 1, 2)


def test_ratios_are_taken_round_by_round() -> None:
    # The second round was slow for both sides: its ratio is like the others, that of the medians would not be.
    assert ratios([90, 9, 100], [100, 10, 100]) == Spread(0.9, 0.9, 1.0)


def test_a_ratio_wants_both_sides_of_every_round() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        ratios([1, 2], [1])


def test_what_a_start_costs_is_taken_off() -> None:
    assert per_row(0.5 + 20_000 * 0.001, 20_000, 0.5 + 1_000 * 0.001, 1_000) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("target", "figure", "reached"),
    [(at_least(0.9), 0.9, True), (at_least(0.9), 0.89, False), (at_most(5), 5, True), (at_most(5), 5.01, False)],
)
def test_the_median_decides(target: Target, figure: float, reached: bool) -> None:
    finding = Finding("speed", Spread(figure, 0, 100), target)
    assert finding.mark == ("yes" if reached else "NO")


def test_the_table_shows_target_figure_and_spread() -> None:
    lines = table(
        [Finding("speed", Spread(0.91, 0.88, 1.2), at_least(0.9)), Finding("rows/s", Spread(5000, 5000, 5000))]
    )
    assert lines.splitlines()[1:] == [
        "speed   >= 0.9 x  0.91 (0.88 to 1.2)               yes",
        "rows/s            5,000",
    ]


def test_arrivals_are_counted_in_every_half_open_second() -> None:
    assert most_in_a_second([0, 500, 999, 1500]) == 3
    assert most_in_a_second([0, 1001, 2002]) == 1
    assert most_in_a_second([0, 1000]) == 2  # notes in whole milliseconds: it may have been 999.1
    assert mean_per_s([0, 500, 1000]) == 2


def test_nothing_is_missing_where_everything_is_found() -> None:
    assert missing(lambda name: f"/usr/bin/{name}") == {}


@pytest.mark.parametrize("name", TOOLS)
def test_a_missing_program_is_named_with_what_is_lost_and_how_to_get_it(name: str) -> None:
    said = missing(lambda program: None if program == name else program)
    assert list(said) == [name]
    assert said[name].startswith(f"{name} is missing: ")
    assert f"apt-get install {TOOLS[name].package}" in said[name]
