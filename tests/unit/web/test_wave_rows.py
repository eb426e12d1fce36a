"""The page's table of waves: states and gates at once, rows as time allows."""

from pathlib import Path

from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.manifest import Faults
from bulkroute.model import Row
from bulkroute.settings import parse_waves
from bulkroute.web import wave_rows
from bulkroute.web.wave_rows import WaveRows


def test_waves_are_shown_with_what_their_gates_said(tmp_path: Path) -> None:
    with (
        Staging() as rows,
        Ledger(tmp_path / "l.db").hold() as held,
        held.write() as writer,
        Ledger(held.path).read() as ledger,
    ):
        rows.load([Row(line, f"r{line}", 1, 101) for line in range(2, 12)], Faults("m.csv"))
        batch = writer.take_over(Staged(rows, "m.csv", "digest"), Tenant("s", ""))[0]
        shown = WaveRows(ledger, batch)
        assert shown.read() == {"total": 0, "is_held": False, "rows": []}
        batch.make_waves(parse_waves("2,rest"))
        first = shown.read()
        assert [(line["wave"], line["state"], line["rows"], line["done"]) for line in first["rows"]] == [
            (1, "waiting", 2, 0),
            (2, "waiting", 8, 0),
        ]
        assert shown.read() is first, "what has not changed is the same object"
        change = batch._connection.execute
        change("UPDATE row SET status = 'succeeded' WHERE wave = 1")
        change("UPDATE wave SET state = 'gate', words = 'a word' WHERE wave = 1")
        for gate, answer, words in (
            ("command", "not_yet", "dialled\nno agent"),
            ("hold", "waiting", ""),
            ("wait", "no_go", "x"),
        ):
            change("INSERT INTO gate VALUES (1, 1, ?, ?, 0, ?)", (gate, answer, words))
        held_up = shown.read()
        gated = held_up["rows"][0]
        assert (gated["state"], gated["done"]) == ("gate", 2)
        assert gated["words"] == "a word; command not yet: no agent; hold waiting"
        assert held_up["is_held"]
        # Waited for by a run that was killed, and asked no more by the one that went on.
        change("UPDATE wave SET state = 'done' WHERE wave = 1")
        change("UPDATE wave SET state = 'gate' WHERE wave = 2")
        change("INSERT INTO gate VALUES (1, 2, 'command', 'not_yet', 0, 'hold waiting')")
        assert not shown.read()["is_held"]


def test_of_many_waves_the_first_are_shown(tmp_path: Path) -> None:
    many = wave_rows.MOST_WAVES + 5
    with (
        Staging() as rows,
        Ledger(tmp_path / "l.db").hold() as held,
        held.write() as writer,
        Ledger(held.path).read() as ledger,
    ):
        rows.load([Row(line, f"r{line}", 1, 101) for line in range(2, many + 2)], Faults("m.csv"))
        batch = writer.take_over(Staged(rows, "m.csv", "digest"), Tenant("s", ""))[0]
        batch._connection.execute("UPDATE row SET wave = line")
        batch.make_waves(())
        shown = WaveRows(ledger, batch).read()
    assert (shown["total"], len(shown["rows"])) == (many, wave_rows.MOST_WAVES)
