"""Settings of several tenants in one file: `--profile` takes one, and never mixes it with another."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness import APP_KEY, APP_SECRET, CREDENTIALS, bulkroute, ids, serving, targets, write_csv

NONE = dict.fromkeys(CREDENTIALS, "")
"""An environment without credentials."""

EU: dict[str, Any] = {"app_key": "eu-key", "app_secret": "eu-hush"}
CN: dict[str, Any] = {"app_key": "cn-key", "app_secret": "cn-hush"}


def write_settings(folder: Path, eu: str, cn: str) -> None:
    (folder / "eu.secret").write_text("eu-hush\n")
    (folder / "cn.secret").write_text("cn-hush\n")
    (folder / "bulkroute.toml").write_text(
        f"""
        rate = "unlimited"
        base-url = "{cn}"
        [profile.eu]
        base-url = "{eu}"
        app-key = "eu-key"
        app-secret-file = "eu.secret"
        [profile.cn]
        app-key = "cn-key"
        app-secret-file = "cn.secret"
        quiet = true
        """
    )


@pytest.mark.slow
def test_a_profile_is_taken_over_the_top_level(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    with serving(ids(2), **EU) as eu, serving(ids(2), **CN) as cn:
        write_settings(tmp_path, eu.url, cn.url)
        for words in (("--profile", "eu", "run", "night.csv"), ("run", "night.csv", "--profile", "eu", "--fresh")):
            assert bulkroute(*words, cwd=tmp_path, env=NONE).code == 0
        assert (eu.modified, cn.modified) == (2, 0)
        run = ("run", "night.csv", "--ledger", "cn.db")
        done = bulkroute(*run, cwd=tmp_path, env={**NONE, "BULKROUTE_PROFILE": "cn"})
        assert (done.code, done.err) == (0, "")
        assert (eu.modified, cn.modified) == (2, 2)
        # What is given comes before the profile, in whatever place.
        other = bulkroute("--profile", "cn", *run, "--profile", "eu", "--ledger", "e.db", cwd=tmp_path, env=NONE)
        assert other.code == 0
        assert f"{eu.url}" in other.err


@pytest.mark.slow
def test_credentials_of_two_tenants_are_never_mixed(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    with serving(ids(2), **EU) as eu:
        write_settings(tmp_path, eu.url, eu.url)
        run = ("run", "night.csv", "--profile", "eu")
        for env, names in (
            (CREDENTIALS, "BULKROUTE_APP_KEY, BULKROUTE_APP_SECRET"),
            ({**NONE, "BULKROUTE_TOKEN": "other"}, "BULKROUTE_TOKEN"),
            ({**NONE, "BULKROUTE_APP_SECRET": APP_SECRET}, "BULKROUTE_APP_SECRET"),
        ):
            refused = bulkroute(*run, cwd=tmp_path, env=env)
            assert refused.code == 2
            assert (
                f"bulkroute.toml, [profile.eu]: names credentials, and so does the environment ({names});"
                " unset those variables" in refused.err
            )
        assert not eu.simulator.calls_per_endpoint.total()
        # One pair, its halves in two places.
        (tmp_path / "bulkroute.toml").write_text(f'base-url = "{eu.url}"\napp-key = "eu-key"\n')
        halved = bulkroute("run", "night.csv", cwd=tmp_path, env={**NONE, "BULKROUTE_APP_SECRET": "eu-hush"})
        assert halved.code == 0


@pytest.mark.parametrize(
    ("content", "words", "says"),
    [
        (None, ("--profile", "eu"), "bulkroute.toml: cannot be read: No such file or directory"),
        ("rate = 20", ("--profile", "eu"), "bulkroute.toml: there is no profile eu; it has none"),
        ("[profile.cn]\nrate = 1", ("--profile", "eu"), "bulkroute.toml: there is no profile eu; it has cn"),
        ("[profile.cn]\nraet = 1", (), "bulkroute.toml, [profile.cn]: no command has the setting raet"),
        ("[profile.cn]\napp-secret = 'x'", (), "bulkroute.toml, [profile.cn]: holds a secret (app_secret)"),
        ("token = 'x'", (), "bulkroute.toml: holds a secret (token)"),
        ("profile = 'eu'", (), "bulkroute.toml: profile is no table"),
        ("config = 'other.toml'", (), "bulkroute.toml: no command has the setting config"),
        ("[run]\nrate = 1", (), "bulkroute.toml: no command has the setting run"),
    ],
)
def test_what_a_settings_file_may_not_say(
    tmp_path: Path, content: str | None, words: tuple[str, ...], says: str
) -> None:
    if content is not None:
        (tmp_path / "bulkroute.toml").write_text(content)
    refused = bulkroute("run", "night.csv", *words, cwd=tmp_path)
    assert refused.code == 2
    assert says in refused.err


@pytest.mark.slow
def test_a_variable_that_nothing_reads_is_told(tmp_path: Path) -> None:
    write_csv(tmp_path / "night.csv", targets(ids(2)))
    with serving(ids(2)) as service:
        misspelt = {"BULKROUTE_CANNARY": "3", "BULKROUTE_WINDOW": "x", "BULKROUTE_RATE": "unlimited"}
        address = ("--base-url", service.url)
        for words in (("run", "night.csv", *address), ("plan", "night.csv", *address)):
            done = bulkroute(*words, cwd=tmp_path, env=misspelt)
            assert done.code == 0
            assert "BULKROUTE_CANNARY is set in the environment, but no setting has that name;" in done.err
            assert "did you mean BULKROUTE_CANARY?" in done.err
            assert "BULKROUTE_WINDOW is set in the environment, but no setting has that name\n" in done.err
            assert "BULKROUTE_RATE" not in done.err
            assert APP_KEY not in done.err
