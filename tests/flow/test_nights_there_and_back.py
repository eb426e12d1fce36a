"""Nights that follow one another, through the real command line: after each command the service is what it promised."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness import Result, Service, Target, bulkroute, ids, serving, started, write_csv

FAST = ("--rate", "unlimited", "--concurrency", "8", "--backoff", "0.01", "--backoff-cap", "0.05")
ROUTES = ids(30)
NIGHT: dict[str, Target] = dict.fromkeys(ROUTES, (3, 201))
DAY: dict[str, Target] = {row_id: (1, 101 + place % 3) for place, row_id in enumerate(ROUTES)}
FOREIGN = (1, 999)


class Centre:
    """A contact centre: its folder, its service, and what was said last."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder = folder
        self.service = service
        write_csv(folder / "holiday.csv", NIGHT)
        write_csv(folder / "day.csv", DAY)

    def give(self, *words: str, at: Mapping[str, Target], code: int = 0, says: str = "") -> Result:
        """Give a command; it must end with that code and leave the routes bound like that."""
        result = bulkroute(*words, "--base-url", self.service.url, *FAST, cwd=self.folder)
        assert result.code == code, result.err
        assert says in result.err, result.err
        assert dict(self.service.bindings) == dict(at)
        return result

    def kill(self, *words: str, after: int) -> None:
        """Start a command and kill it once the service has got so many more calls."""
        most = self.service.modified + after
        slow = ("--base-url", self.service.url, "--rate", "100", "--concurrency", "2")
        with started(*words, *slow, cwd=self.folder) as process:
            deadline_s = time.monotonic() + 60
            while self.service.modified < most:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline_s
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
        self.service.all_received()


@pytest.mark.slow
def test_two_manifests_for_evening_and_morning_are_absolute_states(tmp_path: Path) -> None:
    with serving(ROUTES) as service:
        centre = Centre(tmp_path, service)
        evening, morning = ("run", "holiday.csv"), ("run", "day.csv")
        centre.give(*evening, at=NIGHT, says="30 of 30 rows to do")
        centre.give(*morning, at=DAY, says="30 of 30 rows to do")
        for _night in range(2):
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
        centre.give(*evening, "--on-drift", "stop", at=kept, code=6, says="1 rows that were done have been changed")
        centre.give(*evening, "--on-drift", "keep", at=kept, code=1, says="refused: 1 drifted")
        centre.give(*evening, at=NIGHT, says="1 of 30 rows to do (1 changed by another hand since they were done)")


@pytest.mark.slow
def test_evening_run_and_morning_rollback_go_there_and_back(tmp_path: Path) -> None:
    with serving(ROUTES) as service:
        service.rebind(DAY)
        centre = Centre(tmp_path, service)
        evening, morning = ("run", "holiday.csv"), ("rollback", "holiday.ledger.db")
        for _night in range(3):
            centre.give(*evening, at=NIGHT, says="30 of 30 rows to do")
            centre.give(*morning, at=DAY, says="30 of 30 rows done")
        # A rollback that is killed is gone on with by the same command.
        centre.give(*evening, at=NIGHT)
        centre.kill(*morning, after=10)
        centre.give(*morning, at=DAY)
        # Another hand moves one number in the night: it is left alone in the morning, told, and is not 0.
        centre.give(*evening, at=NIGHT)
        service.rebind({ROUTES[7]: FOREIGN})
        left = {**DAY, ROUTES[7]: FOREIGN}
        centre.give(*morning, at=left, code=1, says="refused: 1 conflict")
        # What was overwritten by the next evening is put back by the next morning.
        centre.give(*evening, at=NIGHT, says="30 of 30 rows to do")
        centre.give(*morning, at=left)
