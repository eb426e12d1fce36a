"""How a program that is type-checked uses the API: nothing runs here, `make lint` checks that it is typed as it says."""

import asyncio
from collections.abc import AsyncIterator
from typing import assert_type

import bulkroute
from bulkroute import (
    BackOut,
    Confirm,
    Credentials,
    Difference,
    Engine,
    Event,
    ExitCode,
    FailureLimit,
    LiveRoute,
    NamedTarget,
    OnEvent,
    Plan,
    PlanCounts,
    PlanRow,
    Progress,
    Proposal,
    RowFailed,
    Run,
    Secret,
    Settings,
    Source,
    StopKind,
    Summary,
)

settings = Settings(
    base_url="https://cc.example.com",
    credentials=Credentials(app_key="key", app_secret=Secret("secret")),
    rate_per_s=None,
    max_failures=FailureLimit(share=0.01),
)


def on_event(event: Event) -> None:
    if isinstance(event, RowFailed):
        assert_type(event.id, str)
        assert_type(event.http_status, int | None)
    elif isinstance(event, bulkroute.RunEnded):
        assert_type(event.summary, Summary)


async def agree(proposal: Proposal) -> bool:
    assert_type(proposal.refused, dict[str, int])
    return proposal.pending < 100


listener: OnEvent = on_event
confirm: Confirm = agree
sources: list[Source] = [
    "night.csv",
    [("1125397061153369092", "ivr", 201)],
    [{"id": "1", "devicetype": 1, "deviceId": 2}],
]


async def use() -> int | None:
    async with Engine(settings, on_event=listener, confirm=confirm) as engine:
        assert_type(engine.current, Run | BackOut | None)
        for source in sources:
            summary = await engine.run(source, ledger="x.ledger.db")
            assert_type(summary, Summary)
            assert_type(summary.stop, StopKind | None)
        async with engine.plan("night.csv", format="csv") as plan:
            assert_type(plan, Plan)
            assert_type(plan.counts, PlanCounts)
            assert_type(list(plan.rows()), list[PlanRow])
        async with engine.snapshot() as live:
            assert_type(next(live.routes()), LiveRoute)
        verified = await engine.verify("x.ledger.db")
        assert_type(verified.differences, list[Difference])
        assert_type(verified.differences[0].now, NamedTarget | None)
        summary = await engine.rollback("x.ledger.db")
    return summary.exit_code


async def stop_after(engine: Engine, wait_s: float) -> AsyncIterator[Progress]:
    await asyncio.sleep(wait_s)
    if engine.current is not None:
        engine.current.stop(StopKind.CTL, "enough")
        yield engine.current.progress()


assert_type(ExitCode(0), ExitCode)
assert_type(bulkroute.__version__, str)
