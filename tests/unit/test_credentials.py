"""Credentials: where they come from, what cannot be one, and that a file for all to read is told."""

import os
from pathlib import Path

import pytest

from bulkroute.credentials import LONGEST_FILE_BYTES, Credentials
from bulkroute.errors import UsageError


def of_file(file: Path) -> Credentials:
    return Credentials.from_environment({"BULKROUTE_TOKEN_FILE": str(file)})


def token_of(credentials: Credentials) -> str:
    assert credentials.token is not None
    return credentials.token.reveal()


def test_secrets_from_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    found = Credentials.from_environment({"BULKROUTE_APP_KEY": "key", "BULKROUTE_APP_SECRET_FILE": str(file)})
    assert found.app_secret is not None
    assert found.app_secret.reveal() == "hush"


@pytest.mark.parametrize("written", [b"\xef\xbb\xbfhush", b"hush\r\n", b"  hush  \n"])
def test_what_editors_add_to_a_file_is_no_part_of_the_secret(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "token").write_bytes(written)
    assert token_of(of_file(tmp_path / "token")) == "hush"


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({}, "no credentials"),
        ({"BULKROUTE_APP_KEY": "key"}, "BULKROUTE_APP_SECRET is not set"),
        ({"BULKROUTE_APP_SECRET": "hush"}, "BULKROUTE_APP_KEY is not set"),
        ({"BULKROUTE_TOKEN": "a", "BULKROUTE_TOKEN_FILE": "b"}, "both"),
        ({"BULKROUTE_TOKEN_FILE": "/does/not/exist"}, "cannot read"),
        ({"BULKROUTE_TOKEN": "hu\nsh"}, "no HTTP header"),
        ({"BULKROUTE_TOKEN": "Bearer hush"}, "holds the word Bearer"),
        ({"BULKROUTE_TOKEN": "bearer: hush"}, "holds the word Bearer"),
        ({"BULKROUTE_TOKEN": '"hush"'}, "holds a quote"),
        ({"BULKROUTE_TOKEN": "'hush'"}, "holds a quote"),
        ({"BULKROUTE_TOKEN": "hush hush"}, "holds a blank"),
        ({"BULKROUTE_TOKEN": "“hush”"}, "no HTTP header"),
    ],
)
def test_credentials_that_are_missing_or_broken(environment: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        Credentials.from_environment(environment)
    assert "hush" not in str(caught.value)


def test_a_secret_of_quotes_and_blanks_is_one() -> None:
    found = Credentials.from_environment({"BULKROUTE_APP_KEY": "key", "BULKROUTE_APP_SECRET": "hush \"hush' bearer x"})
    assert found.app_secret is not None


@pytest.mark.parametrize(("mode", "told"), [(0o600, ""), (0o640, ""), (0o644, "read"), (0o602, "change")])
def test_a_file_that_every_user_may_read_is_told(tmp_path: Path, mode: int, told: str) -> None:
    file = tmp_path / "the token"
    file.write_text("hush")
    file.chmod(mode)
    warnings = of_file(file).warnings
    assert len(warnings) == bool(told)
    if told:
        assert f"every user of this machine may {told} the file of BULKROUTE_TOKEN_FILE" in warnings[0]
        assert f"`chmod o= '{file}'`" in warnings[0]


def test_only_a_regular_file_holds_a_secret(tmp_path: Path) -> None:
    """Nothing waits for a writer who never comes, and nothing reads a device that never ends."""
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(UsageError, match="is no regular file"):
            of_file(file)
    (tmp_path / "link").symlink_to(tmp_path / "token")
    (tmp_path / "token").write_text("hush")
    assert token_of(of_file(tmp_path / "link")) == "hush"


@pytest.mark.parametrize(
    ("written", "why"), [(b"x" * (LONGEST_FILE_BYTES + 1), "is too long"), ("hush".encode("utf-16"), "not UTF-8")]
)
def test_what_is_in_no_secrets_file(tmp_path: Path, written: bytes, why: str) -> None:
    (tmp_path / "token").write_bytes(written)
    with pytest.raises(UsageError, match=why):
        of_file(tmp_path / "token")
