"""A credentials file: the environment's names, nothing that others may read, and no value in any message."""

from pathlib import Path

import pytest

from bulkroute.errors import UsageError
from bulkroute.fleet.credentials_file import read_credentials

HUSH = "hush-hush-hush"


def _file(tmp_path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    file = tmp_path / "acme.env"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def test_lines_are_read_as_systemd_writes_them(tmp_path: Path) -> None:
    text = f"# of acme\n\n; and so on\nBULKROUTE_APP_KEY='key'\nexport BULKROUTE_APP_SECRET=\"{HUSH}\"\n"
    found = read_credentials(_file(tmp_path, text, 0o640))
    assert (found.app_key, found.app_secret and found.app_secret.reveal()) == ("key", HUSH)
    assert HUSH not in repr(found)


def test_a_secret_in_a_file_of_its_own_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(HUSH)
    found = read_credentials(_file(tmp_path, "BULKROUTE_TOKEN_FILE=token"))
    assert (found.token and found.token.reveal(), found.token_file) == (HUSH, tmp_path / "token")


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"BULKROUTE_TOKEN={HUSH}", 0o604, "every user of this machine may read or change these credentials"),
        (f"BULKROUTE_TOKEN={HUSH}", 0o602, "every user of this machine may read or change"),
        (f"BULKROUTE_TOKEN={HUSH}\nBULKROUTE_TOKEN={HUSH}", 0o600, "acme.env:2: BULKROUTE_TOKEN stands there twice"),
        (f"BULKROUTE_TOKEN={HUSH}\nBULKROUTE_RATE=5", 0o600, "acme.env:2: BULKROUTE_RATE is no credential"),
        (f"{HUSH}=x", 0o600, "acme.env:1: this is no `NAME=value`"),
        (HUSH, 0o600, "acme.env:1: this is no `NAME=value`"),
        (f"BULKROUTE_APP_SECRET={HUSH}", 0o600, "BULKROUTE_APP_KEY is not set"),
        (f"BULKROUTE_TOKEN=Bearer {HUSH}", 0o600, "BULKROUTE_TOKEN holds the word Bearer"),
        ("", 0o600, "no credentials"),
        (b"BULKROUTE_TOKEN=\xff", 0o600, "is not UTF-8"),
        ("#" * 70_000, 0o600, "is too long for credentials"),
    ],
)
def test_what_is_wrong_is_said_and_no_value_shown(tmp_path: Path, text: str | bytes, mode: int, said: str) -> None:
    file = _file(tmp_path, text, mode)
    with pytest.raises(UsageError) as caught:
        read_credentials(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert HUSH not in str(caught.value)


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "fifo")
    for name, said in (("fifo", "no regular file"), ("none", "No such file"), (".", "no regular file")):
        with pytest.raises(UsageError, match=said):
            read_credentials(tmp_path / name)
