"""`-o`: no CSV under a name that says YAML, and no two outputs in one stream. Nothing is asked of a service for that."""

from pathlib import Path

import pytest

from bulkroute.cli import main

SELECT = ("select", "--from", "ivr:Old", "--to", "ivr:New")


@pytest.mark.parametrize("words", [SELECT, ("snapshot",), ("export", "night.ledger.db")])
@pytest.mark.parametrize("name", ["new.yaml", "NEW.YML"])
def test_a_name_that_says_yaml_is_refused(
    words: tuple[str, ...], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "-o", str(tmp_path / name)])
    assert ended.value.code == 2
    said = f"{tmp_path / name}: what is written is CSV, which no reader of YAML takes; call it .csv"
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


def test_a_selection_and_its_json_do_not_share_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*SELECT, "--json", "-o", "/dev/stdout"])
    assert ended.value.code == 2
    out, err = capfd.readouterr()
    assert not out
    assert "the manifest and --json cannot both go to standard output; name a file with -o" in " ".join(err.split())
