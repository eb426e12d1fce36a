"""Sizes of waves: how they are written, and what is cut out of the rows to send."""

import pytest

from bulkroute.settings.wave_sizes import MOST_SIZES, cut, parse_waves


@pytest.mark.parametrize(
    ("text", "rows", "waves"),
    [
        ("1,10,25%,rest", 100, [1, 10, 25, 64]),
        ("1,10,25%", 100, [1, 10, 25, 64]),
        ("5,rest", 3, [3]),
        ("1,REST", 2, [1, 1]),
        ("50%,50%,rest", 7, [4, 3]),
        ("0.1%,rest", 10, [1, 9]),
        (" 3 , 2.5 % ", 200, [3, 5, 192]),
        ("100%", 8, [8]),
        ("10,rest", 0, []),
    ],
)
def test_each_row_goes_in_one_wave_and_no_wave_is_empty(text: str, rows: int, waves: list[int]) -> None:
    assert cut(rows, parse_waves(text)) == waves
    assert sum(waves) == rows


@pytest.mark.parametrize("text", ["", "0", "1,,2", "0%", "101%", "-1", "rest,1", "rest,rest", "1.5", "all", "1;2", "١"])
def test_what_is_no_size_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"wave|rest"):
        parse_waves(text)


def test_the_most_waves() -> None:
    assert len(parse_waves(",".join(["1"] * MOST_SIZES))) == MOST_SIZES
    with pytest.raises(ValueError, match="too many"):
        parse_waves(",".join(["1"] * (MOST_SIZES + 1)))


def test_sizes_are_told_as_they_were_written() -> None:
    assert ",".join(map(str, parse_waves("1,10,12.5%,rest"))) == "1,10,12.5%,rest"
