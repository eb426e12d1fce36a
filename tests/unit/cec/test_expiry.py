"""One timer ends the waiting of each call at its own time, in whatever order calls begin and end."""

import asyncio
import random

import pytest

from bulkroute.cec.expiry import Expiry
from tests.virtual_time import VirtualTimeLoop, run_virtual


class Late(Exception):
    """What overdue calls end with."""


class Call:
    """A call that waits; it notes when it was ended and with what."""

    def __init__(self) -> None:
        self.ended: list[tuple[float, type[BaseException]]] = []

    def set_exception(self, error: BaseException, /) -> None:
        self.ended.append((round(asyncio.get_running_loop().time(), 3), type(error)))


def test_each_is_ended_at_its_time_but_those_that_were_answered() -> None:
    async def scenario() -> list[list[tuple[float, type[BaseException]]]]:
        expiry = Expiry(asyncio.get_running_loop(), Late)
        calls = [Call() for _ in range(4)]
        for call, due_s in zip(calls, (5.0, 9.0, 3.0, 6.0), strict=True):
            expiry.begin(call, due_s)
        await asyncio.sleep(4)
        expiry.end(calls[0])
        await asyncio.sleep(10)
        expiry.begin(calls[0], 20.0)  # the same connection, for its next call, when no timer is set
        await asyncio.sleep(10)
        return [call.ended for call in calls]

    assert run_virtual(scenario()) == [[(20.0, Late)], [(9.0, Late)], [(3.0, Late)], [(6.0, Late)]]


@pytest.mark.parametrize("seed", range(2))
def test_of_many_calls_none_is_ended_early_late_or_twice(seed: int) -> None:
    dice = random.Random(seed)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        expiry = Expiry(loop, Late)

        async def make_calls() -> None:
            call = Call()
            for _ in range(10):
                due_s, answered_s = loop.time() + dice.uniform(1, 9), loop.time() + dice.uniform(0, 9.5)
                expiry.begin(call, due_s)
                await asyncio.sleep(answered_s - loop.time())
                expiry.end(call)
                if answered_s > due_s + 0.01:
                    ((ended_s, error),) = call.ended
                    assert error is Late
                    assert ended_s == pytest.approx(due_s, abs=0.01)
                elif answered_s < due_s - 0.01:
                    assert call.ended == []
                call.ended.clear()

        await asyncio.gather(*(make_calls() for _ in range(8)))

    run_virtual(scenario())


def test_after_a_stall_what_has_come_meanwhile_is_read_before_anybody_is_overdue() -> None:
    async def scenario() -> list[list[tuple[float, type[BaseException]]]]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        expiry = Expiry(loop, Late)
        answered, silent = Call(), Call()
        for call in (answered, silent):
            expiry.begin(call, 3.0)
        await asyncio.sleep(1)
        loop.stall(5)
        loop.call_later(0.05, expiry.end, answered)  # a turn or two later, as bytes are read and made an answer
        await asyncio.sleep(9)
        return [answered.ended, silent.ended]

    assert run_virtual(scenario()) == [[], [(6.1, Late)]]
