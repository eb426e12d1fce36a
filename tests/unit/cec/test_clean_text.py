"""Secrets are blotted out of the service's texts, in every spelling."""

from bulkroute.cec.answers import TEXT_LIMIT
from bulkroute.cec.clean_text import TOKENS_REMEMBERED, CleanText


def test_every_spelling_is_blotted_out_and_nothing_else() -> None:
    clean = CleanText(['a"b/c'])
    assert clean('plain a"b/c, JSON a\\"b/c, URL a%22b%2Fc; a"b stays') == 'plain ***, JSON ***, URL ***; a"b stays'


def test_the_last_tokens_are_remembered_and_fixed_secrets_for_ever() -> None:
    clean = CleanText(["fixed-secret"])
    for number in range(TOKENS_REMEMBERED + 1):
        clean.learn(f"token-no-{number}!")
    assert clean("fixed-secret token-no-0! token-no-1!") == "*** token-no-0! ***"


def test_what_is_kept_is_printable_and_short() -> None:
    clean = CleanText([])
    assert "\x1b" not in clean("red \x1b[31m")
    assert len(clean("x" * 10 * TEXT_LIMIT)) <= TEXT_LIMIT


def test_a_long_text_keeps_its_lines_and_its_length() -> None:
    clean = CleanText(["hush"])
    assert clean.blot_out("a hush\n" + "x" * 10 * TEXT_LIMIT) == "a ***\n" + "x" * 10 * TEXT_LIMIT


def test_the_longest_spelling_counts() -> None:
    assert CleanText([]).longest == 0
    clean = CleanText(["a/b", "four"])
    assert clean.longest == len("a%2Fb")
    clean.learn("a token")
    assert clean.longest == len("a%20token")
