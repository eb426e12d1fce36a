"""What takes a ledger's disk its time does not hold up the loop."""

import threading

import pytest

from bulkroute.run.holding import closed_in_thread


async def test_it_is_closed_in_a_thread() -> None:
    closed: list[threading.Thread] = []
    async with closed_in_thread() as exits:
        exits.callback(lambda: closed.append(threading.current_thread()))
    assert len(closed) == 1
    assert closed[0] is not threading.main_thread()


async def test_after_an_error_it_is_closed_before_anybody_hears_of_that() -> None:
    closed: list[str] = []

    async def fail() -> None:
        async with closed_in_thread() as exits:
            exits.callback(closed.append, "closed")
            raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        await fail()
    assert closed == ["closed"]
