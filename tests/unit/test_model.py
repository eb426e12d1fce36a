"""The values that pass between the rooms, and texts from elsewhere made harmless."""

from bulkroute.model import Binding, Row, printable


def test_a_target_is_written_as_people_do() -> None:
    assert str(Row(1, "0123", 3, 201).wanted) == "ivr 201"
    assert str(Binding(1, 101)) == "skill_queue 101"
    assert str(Binding(7, 5)) == "devicetype 7 5"


def test_texts_from_elsewhere_are_made_harmless() -> None:
    assert printable("a\x1b[31mred\x07\nb\u202e \ud800", 50) == "a\ufffd[31mred\ufffd b\ufffd \ufffd"
    assert printable("  two\t\u00a0 words\r\n", 50) == "two words"
    assert printable("夜间公告", 50) == "夜间公告"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 200, 200) == "x" * 200
    assert printable("x" * 201, 200) == "x" * 199 + "…"
    assert len(printable(" x" * 1_000_000, 200)) == 200
