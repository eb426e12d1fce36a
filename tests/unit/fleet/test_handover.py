"""When a service has fallen silent towards a run: not where nothing is asked, it takes long as ever, or never answered."""

from bulkroute.fleet.handover import SILENT_S, Silence
from bulkroute.progress import Pause, Progress

DOWN = (Pause("down", "service down", None, 0.0),)


def at(succeeded: int, in_flight: int, *, down: bool = False) -> Progress:
    return Progress(
        ledger="x.db",
        run=1,
        seconds=1.0,
        total=100,
        succeeded=succeeded,
        unchanged=0,
        skipped=0,
        failed=0,
        refused=0,
        in_flight=in_flight,
        in_backoff=0,
        attempts=succeeded,
        retries=0,
        throttled=0,
        concurrency=8,
        asked_per_s=20.0,
        rate_per_s=20.0,
        started_per_s=20,
        pauses=list(DOWN) if down else [],
        stopping=None,
        ends_at=None,
        eta_s=None,
    )


def heard(*looks: tuple[float, Progress]) -> list[bool]:
    silence = Silence()
    return [silence.look(progress, now) for now, progress in looks]


def test_one_that_answered_and_says_nothing_for_a_while_is_silent() -> None:
    answered = [(0.0, at(5, 8)), (0.5, at(6, 8))]
    assert heard(*answered, (0.5 + SILENT_S - 0.1, at(6, 8)), (0.5 + SILENT_S, at(6, 8))) == [False] * 3 + [True]
    assert heard(*answered, (0.5 + SILENT_S, at(6, 0, down=True)))[-1]


def test_one_that_has_not_answered_here_is_not_however_many_rows_were_done_before() -> None:
    assert not any(heard((0.0, at(5, 8)), (60.0, at(5, 8)), (90.0, at(5, 0, down=True))))


def test_nor_is_one_that_is_not_asked() -> None:
    looks = [(0.0, at(5, 1)), (0.5, at(6, 0)), (20.0, at(6, 0)), (20.25, at(6, 1)), (20.25 + SILENT_S / 2, at(6, 1))]
    assert not any(heard(*looks))


def test_nor_one_that_takes_its_time_as_ever() -> None:
    slow = [(0.0, at(5, 2)), (5.0, at(6, 2))]
    assert heard(*slow, (14.9, at(6, 2)), (15.0, at(6, 2)))[-2:] == [False, True]


def test_how_long_an_outage_took_is_not_how_long_answers_take() -> None:
    outage = [(0.0, at(5, 2)), (0.5, at(6, 2)), (60.0, at(6, 0, down=True)), (60.5, at(7, 1, down=True))]
    assert heard(*outage, (60.5 + 2 * SILENT_S, at(7, 1)))[-1]
