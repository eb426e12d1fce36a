"""Secrets are blotted out of the service's texts, in every spelling."""

import json

import pytest

from bulkroute.cec.answers import TEXT_LIMIT
from bulkroute.cec.clean_text import TOKENS_REMEMBERED, CleanText
from tests.disguises import DISGUISES, made_out


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


@pytest.mark.parametrize(
    "secret",
    [
        'hush"secret\\of/the+night',
        "eyJhbGciOi.hush-token-of-the-night_123",
        "hush-tok&night",
        "hushhush\\x4",
    ],
)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_disguise_keeps_a_secret(disguise: str, secret: str) -> None:
    clean = CleanText(["another secret", secret])
    for around in ("{}", "no {} there", "x" * 480 + "{}", " " * 1990 + "{}"):
        shown = DISGUISES[disguise](around.format(secret))
        assert made_out(shown, secret), "what is not there cannot be blotted out"
        assert not made_out(clean(shown), secret)


@pytest.mark.parametrize("secret", ["hush-token%deadb", "hush-tok\\x41en", "hush-tok&night"])
@pytest.mark.parametrize("disguise", ["in full-width letters", "in JSON's escapes", "split over lines", "in base64"])
def test_a_secret_may_hold_what_looks_like_an_escape(disguise: str, secret: str) -> None:
    for around in ("{}", "no {} there"):
        assert CleanText([secret])(around.format(DISGUISES[disguise](secret))) == "***"


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_long_secret_that_a_text_ends_within_takes_the_text_with_it(disguise: str) -> None:
    secret = "eyJhbGciOi.hush-token-of-the-night_123"
    clean = CleanText([secret])
    shown = DISGUISES[disguise](f"no {secret}")
    for kept in range(len(shown)):
        assert not made_out(clean(shown[:kept]), secret[:24])


@pytest.mark.parametrize(
    "text",
    [
        "route 1125397061153369092 is locked by another-hand",
        "100% of a&b, C:\\new\\table, caf\u00e9 应用 &amp; \uff21",
        "hush, secret of the night",
        "aHVzaC1zZWNyZXQ",
        "Hush Token of the day",
        "PATH=/usr/bin:/opt/hush-token-of/bin",
        "the password has expired",
    ],
)
def test_innocent_texts_stay_as_they_are(text: str) -> None:
    clean = CleanText(["hush-token-of-the-night", "seven77", "a/b", "password2026!"])
    assert clean(text) == text
    assert clean.fields({"name": text}, text) == {"name": text}


def test_a_short_secret_is_blotted_out_where_it_stands_as_it_is() -> None:
    clean = CleanText(["seven77"])
    assert clean("seven77 se-ven-77") == "*** se-ven-77"


def test_the_fields_of_an_answer_lose_secrets_at_any_depth_but_no_number_is_touched() -> None:
    clean = CleanText(["hush-token/1", "40080012"])
    said = {"data": {"list": [{"id": "4008001234", "name": 'a "hush-token/1"', "total": 40080012, "no": None}]}}
    found = clean.fields(said, json.dumps(said).replace("/", "\\/"))
    assert found == {"data": {"list": [{"id": "4008001234", "name": 'a "***"', "total": 40080012, "no": None}]}}
    assert clean.fields({"hush-token/1": ["hush-token/1"]}, "hush-token/1") == {"***": ["***"]}


def test_the_longest_way_to_write_a_secret_counts() -> None:
    assert CleanText([]).longest == 0
    clean = CleanText(["four", "a/b"])
    plain = clean.longest
    assert plain >= len("&#x0061;&#x002f;&#x0062;")
    clean.learn("a longer token")
    assert clean.longest > plain


def test_a_text_that_was_clean_is_looked_at_again_once_a_token_is_known() -> None:
    clean = CleanText([])
    assert clean("it said tok-1234567890") == "it said tok-1234567890"
    clean.learn("tok-1234567890")
    assert clean("it said tok-1234567890") == "it said ***"


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["\\", "\\\\u00", "&", "&amp;", "&a", "a", "%", "%25", "\\n", "\\\\x4", "0", "\u200b"]
)
def test_a_long_text_of_anything_is_looked_through_in_one_go(piece: str) -> None:
    text = piece * (2**18 // len(piece))
    clean = CleanText(["hush-token-of-the-night"])
    for hostile in (text, f"{text}!", f"!{text}"):
        assert clean.blot_out(hostile) == hostile
        assert len(clean(hostile)) <= TEXT_LIMIT
