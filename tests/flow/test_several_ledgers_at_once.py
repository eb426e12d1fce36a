"""`status` and `ctl` take several ledgers, a line each; what is wrong with one keeps nobody from the others."""

import json
import os
from pathlib import Path

import pytest

from bulkroute.cli import main
from tests.flow.test_signals_stop_in_good_order import wait_for
from tests.harness import bulkroute, for_anybody, ids, rights_of, serving, started, targets, write_csv


@pytest.mark.slow
def test_status_has_a_line_for_each(tmp_path: Path) -> None:
    with serving(ids(6)) as service:
        for name, more in (("a", ("--max-rows", "2", "--tenant", "shop-eu", "--note", "CHG7")), ("b", ())):
            write_csv(tmp_path / f"{name}.csv", targets(ids(6)))
            bulkroute("run", f"{name}.csv", "--base-url", service.url, *more, cwd=tmp_path)
    (tmp_path / "c.ledger.db").write_text("no ledger")
    found = bulkroute("status", "a.ledger.db", "c.ledger.db", "b.ledger.db", cwd=tmp_path)
    assert found.code == 5
    assert found.out.splitlines() == [
        "a.ledger.db for shop-eu (CHG7): 2 of 6 rows done, 0 failed, 4 left; run 1: --max-rows 2 is reached",
        "b.ledger.db: 6 of 6 rows done, 0 failed, 0 left; run 1: went through",
    ]
    assert "c.ledger.db: this is not a ledger" in found.err
    as_json = bulkroute("status", "a.ledger.db", "b.ledger.db", "--json", cwd=tmp_path)
    assert as_json.code == 0
    assert [json.loads(line)["succeeded"] for line in as_json.out.splitlines()] == [2, 4]


@pytest.mark.slow
def test_ctl_tells_each_of_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_csv(tmp_path / f"{name}.csv", targets(ids(400)))
    with serving(ids(400)) as one, serving(ids(400)) as other:
        more = ("--rate", "10", "--no-snapshot")
        with (
            started("run", "a.csv", "--base-url", one.url, *more, cwd=tmp_path) as first,
            started("run", "b.csv", "--base-url", other.url, *more, cwd=tmp_path) as second,
        ):
            wait_for(lambda: one.modified > 0 and other.modified > 0)
            both = ("a.ledger.db", "b.ledger.db")
            slower = bulkroute("ctl", *both, "rate", "4", cwd=tmp_path)
            assert slower.code == 0
            lines = slower.out.splitlines()
            assert [line.partition(": run 1: running; ")[0] for line in lines] == list(both)
            assert all("of 400 done, 0 failed, " in line and "/s of 4/s; 1 min " in line for line in lines)
            asked = bulkroute("ctl", *both, "none.db", "pause", "lunch", "break", "--json", cwd=tmp_path)
            assert asked.code == 69
            assert "none.db: no run is working on this ledger: there is no such file" in asked.err
            answers = [json.loads(line) for line in asked.out.splitlines()]
            assert [(each["ledger"], each["state"]) for each in answers] == [(name, "paused") for name in both]
            assert all(each["pauses"][0]["reason"] == "lunch break" for each in answers)
            assert bulkroute("ctl", *both, "stop", cwd=tmp_path).code == 0
            assert first.wait(30) == second.wait(30) == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "write LEDGER... VERB; the verbs are status, "),
        (("pause",), "write LEDGER... VERB"),
        (("a.db", "halt"), "halt is none of them"),
        (("a.db", "rate"), "write `rate "),
        (("a.db", "stop", "now"), "stop takes no value"),
    ],
)
def test_what_ctl_does_not_understand(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    refused = bulkroute("ctl", *words, cwd=tmp_path)
    assert refused.code == 2
    assert says in refused.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.slow
def test_a_colleague_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """The second man of the night has an account of his own, and the ledger has mode 0600."""
    with for_anybody() as (folder, user), serving(ids(200)) as service:
        write_csv(folder / "night.csv", targets(ids(200)))
        ledger = str(folder / "night.ledger.db")
        run = ("run", "night.csv", "--base-url", service.url, "--rate", "5", "--no-snapshot")
        with started(*run, cwd=folder):
            wait_for(lambda: service.modified > 0)
            for words, says in (
                (["status", ledger], f"{ledger}: cannot open the ledger: Permission denied; "),
                (["ctl", ledger, "pause"], f"{ledger}.ctl: only the user who started the run may control it; "),
            ):
                for asking in (None, user):  # first root, who may read where Python lies
                    with rights_of(asking), pytest.raises(SystemExit) as ended:
                        main(words)
                    assert ended.value.code == (0 if asking is None else 5)
                told = capsys.readouterr().err
                assert f"{says}it is root's (mode 0600): use `sudo -u root bulkroute ...`" in told
                assert f"`bulkroute watch {ledger} --control`" in told
