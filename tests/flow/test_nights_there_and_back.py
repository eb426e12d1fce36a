"""Nights that follow one another, through the real command line: after each command the service is what it promised."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.crash.launcher import Launcher
from tests.harness import Result, Service, Target, ids, serving, write_csv

FAST = ("--rate", "unlimited", "--concurrency", "8", "--backoff", "0.01", "--backoff-cap", "0.05")
ROUTES = ids(30)
NIGHT: dict[str, Target] = dict.fromkeys(ROUTES, (3, 201))
DAY: dict[str, Target] = {row_id: (1, 101 + place % 3) for place, row_id in enumerate(ROUTES)}
FOREIGN = (1, 999)


class Centre:
    """A contact centre: its folder, its service, and what was said last."""

    def __init__(self, folder: Path, service: Service, launcher: Launcher) -> None:
        self.folder = folder
        self.service = service
        self.launcher = launcher
        write_csv(folder / "holiday.csv", NIGHT)
        write_csv(folder / "day.csv", DAY)

    def give(self, *words: str, at: Mapping[str, Target], code: int = 0, says: str = "") -> Result:
        """Give a command; it must end with that code and leave the routes bound like that."""
        result = self.launcher.run(*words, "--base-url", self.service.url, *FAST, cwd=self.folder).result
        assert result.code == code, result.err
        assert says in result.err, result.err
        assert dict(self.service.bindings) == dict(at)
        return result

    def kill(self, *words: str, after: int) -> None:
        """Start a command and kill it once so many calls were answered."""
        before = self.service.modified
        flags = ("--base-url", self.service.url, *FAST)
        struck = self.launcher.run(*words, *flags, cwd=self.folder, at="call: answered", nth=after)
        assert struck.result.code == -signal.SIGKILL
        assert after <= self.service.all_received() - before < len(ROUTES)


@pytest.mark.slow
def test_two_manifests_for_evening_and_morning_are_absolute_states(tmp_path: Path, launcher: Launcher) -> None:
    with serving(ROUTES) as service:
        centre = Centre(tmp_path, service, launcher)
        evening, morning = ("run", "holiday.csv"), ("run", "day.csv")
        centre.give(*evening, at=NIGHT, says="30 of 30 rows to do")
        centre.give(*morning, at=DAY, says="30 of 30 rows to do")
        for _night in range(3):
            centre.give(*evening, at=NIGHT, says="(30 changed by another hand since they were done)")
            centre.give(*morning, at=DAY, says="30 of 30 rows done")
        # A run that is killed is gone on with by the same command.
        centre.kill(*evening, after=10)
        centre.give(*evening, at=NIGHT, says="30 of 30 rows done")
        # The morning is lost: in the evening nothing is to do, and that is known from live bindings.
        centre.give(*evening, at=NIGHT, says="30 done already, as live bindings show")
        centre.give(*morning, at=DAY)
        # Another hand moves one number in the day; the evening takes it along, and says so.
        service.rebind({ROUTES[4]: FOREIGN})
        kept = {**NIGHT, ROUTES[4]: FOREIGN}
        service.rebind({row_id: target for row_id, target in NIGHT.items() if row_id != ROUTES[4]})
        stays = f"4008865495 (id {ROUTES[4]}): was skill_queue 102, wanted Callback 201 (ivr 201), is skill_queue 999"
        centre.give(*evening, "--on-drift", "stop", at=kept, code=6, says=stays)
        foretold = centre.give("plan", "holiday.csv", "--on-drift", "stop", at=kept, code=6)
        assert "1 row that was done has been changed by another hand, nothing was sent" in foretold.err
        foretold = centre.give("plan", "holiday.csv", "--on-drift", "keep", at=kept)
        assert "1 drifted: they were done, and another hand has changed them since, which stays so" in foretold.out
        assert "0 to change" in foretold.out
        centre.give(*evening, "--on-drift", "keep", at=kept, code=1, says="refused: 1 drifted")
        centre.give(*evening, at=NIGHT, says="1 of 30 rows to do (1 changed by another hand since they were done)")


@pytest.mark.slow
def test_evening_run_and_morning_rollback_go_there_and_back(tmp_path: Path, launcher: Launcher) -> None:
    with serving(ROUTES) as service:
        service.rebind(DAY)
        centre = Centre(tmp_path, service, launcher)
        evening, morning = ("run", "holiday.csv"), ("rollback", "holiday.ledger.db")
        for _night in range(3):
            centre.give(*evening, at=NIGHT, says="30 of 30 rows to do")
            centre.give(*morning, at=DAY, says="30 of 30 rows done")
        # A rollback that is killed is gone on with by the same command.
        centre.give(*evening, at=NIGHT)
        centre.kill(*morning, after=10)
        centre.give(*morning, at=DAY)
        # The morning is lost: the evening finds nothing to do, and the next morning puts back what the last but one did.
        centre.give(*evening, at=NIGHT)
        centre.give(*evening, at=NIGHT, says="30 done already, as live bindings show")
        centre.give(*morning, at=DAY)
        # The morning is lost, and another hand moves one number: the evening is about that one alone, and so is the next
        # morning, which names the others and how to put them back.
        centre.give(*evening, at=NIGHT)
        service.rebind({ROUTES[3]: FOREIGN})
        centre.give(*evening, at=NIGHT, says="1 of 30 rows to do (1 changed by another hand since they were done)")
        told = centre.give(
            *morning, at={**NIGHT, ROUTES[3]: FOREIGN}, says="30 rows that earlier batches changed stand"
        )
        (command,) = [text for text in told.err.split("`") if text.startswith("bulkroute rollback")]
        centre.give(*command.split()[1:], at=DAY)
        # Another hand moves one number in the night: it is left alone in the morning, told, and is not 0.
        centre.give(*evening, at=NIGHT)
        service.rebind({ROUTES[7]: FOREIGN})
        left = {**DAY, ROUTES[7]: FOREIGN}
        centre.give(*morning, at=left, code=1, says="refused: 1 conflict")
        # What was overwritten by the next evening is put back by the next morning.
        centre.give(*evening, at=NIGHT, says="30 of 30 rows to do")
        centre.give(*morning, at=left)
