"""Phone numbers: what is dropped, what is kept, what is refused; and the operator's own rules."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkroute.live.resolve import rewritten
from bulkroute.manifest.numbers import normalised, number_problem
from bulkroute.settings import parse_rewrite_rule


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("4008001234", "4008001234"),
        ("0044 20 7946-0958", "00442079460958"),
        ("+55 (11) 4002–8922", "+551140028922"),
        ("0800.123/456", "0800123456"),
        ("'0800123", "0800123"),
        ('="0800123"', "0800123"),
        (" ＋44".replace("＋", "+"), "+44"),
        ("４００８００", "400800"),
        ("\u202d0800\u00a0123\u202f456\u200b\u202c", "0800123456"),
        ("*99#", "*99#"),
        ("000", "000"),
        ("", ""),
        ("-", ""),
        ("''12", "'12"),
    ],
)
def test_what_people_put_between_digits_is_dropped(written: str, number: str) -> None:
    assert normalised(written) == number
    assert normalised(number.replace("'", "x")) == number.replace("'", "x")


@pytest.mark.parametrize(
    ("field", "written", "says"),
    [
        ("accessCode", "", "accessCode is empty; give the digits"),
        ("number", " - ", "number is empty; give the digits"),
        ("number", "5.51E+12", "number '5.51E+12' is in scientific notation, a spreadsheet has changed it"),
        ("number", "5,51e12", "is in scientific notation"),
        ("number", "4008001234.0", "has a decimal point, a program has taken it for a quantity"),
        ("number", "4008 001 234.0", "has a decimal point"),
        ("number", "+5511.00", "has a decimal point"),
        ("number", "11.4002.8922.0", "has a decimal point"),
        ("extCode", "2.0", "has a decimal point"),
        ("extCode", "２.０", "has a decimal point"),
        ("number", "+.0", "has a decimal point"),
        ("number", ".0", "has a decimal point"),
        ("accessCode", "0800 CALL", "holds 'C'; it is made of digits, *, # and +"),
        ("accessCode", "1,125", "holds ','; it is made of digits"),
        ("accessCode", "1\n2", "holds '\\n'; it is made of digits"),
        ("accessCode", "١٢", "has the digit ١ (U+0661); write it with the digits 0 to 9"),
        ("accessCode", "²", "holds '²'"),
        ("accessCode", "=12", "holds '='"),
        ("accessCode", "1：", "holds '：'"),
        ("accessCode", "1／", "holds '／'"),
        ("extCode", "+1", "holds '+'; it is made of digits, * and #"),
        ("accessCode", "1" * 33, "has 33 digits; at most 32 are accepted"),
        ("extCode", "1" * 101, "has 101 digits; at most 100 are accepted"),
        ("number", "1" * 133, "has 133 digits; at most 132 are accepted"),
    ],
)
def test_what_is_no_number(field: str, written: str, says: str) -> None:
    problem = number_problem(field, written)
    assert problem
    assert says in problem
    assert problem.startswith(field)


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("accessCode", "0"),
        ("accessCode", "1" * 32),
        ("accessCode", "+1*#"),
        ("accessCode", "01.23.45.67.00"),
        ("accessCode", "400.800.1234"),
        ("number", "1" * 132),
        ("extCode", "*#" * 50),
        ("extCode", ""),
        ("extCode", "-"),
    ],
)
def test_what_is_a_number(field: str, written: str) -> None:
    assert number_problem(field, written) is None


def digits_of(text: str) -> str:
    """Return the digits and signs of a text as a person reads them."""
    return "".join(
        str(unicodedata.digit(char)) if unicodedata.digit(char, None) is not None else char
        for char in text
        if unicodedata.digit(char, None) is not None or char in "+*#"
    )


PIECES = st.sampled_from(
    [*"0123456789+*#.,-–()/ '\"=eEx", "\u00a0", "\u202f", "\u200b", "０", "９", "٣", "²", "\t", "\n"]
)


@given(
    st.one_of(st.text(max_size=12), st.lists(PIECES, max_size=12).map("".join)), st.sampled_from(["number", "extCode"])
)
def test_no_number_differs_in_a_digit_from_what_was_written(written: str, field: str) -> None:
    number = normalised(written)
    assert normalised(number) == number or number_problem(field, written)
    if number_problem(field, written) is None:
        assert number == digits_of(written)
        assert not written.strip().endswith((".0", ",0"))


def test_rules_apply_in_their_order() -> None:
    rules = [parse_rewrite_rule("^00=+"), parse_rewrite_rule(r"^\+44(\d)=0\1"), parse_rewrite_rule("x=y")]
    assert rewritten("00442079", rules) == ("02079", [0, 1])
    assert rewritten("+441", rules) == ("01", [1])
    assert rewritten("9911", rules) == ("9911", [])
    assert [str(rule) for rule in rules] == ["^00=+", r"^\+44(\d)=0\1", "x=y"]


def test_what_follows_the_last_equals_sign_is_the_replacement() -> None:
    assert rewritten("a=b0", [parse_rewrite_rule("a=b0=")])[0] == ""
    assert rewritten("12", [parse_rewrite_rule("(?=2)=9")])[0] == "192"
