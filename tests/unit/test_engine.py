"""What ends a run before anything is written: whoever cancels it, while plain code runs or a moment before."""

import asyncio
from pathlib import Path

import pytest

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.events import Event
from bulkroute.settings import Settings
from bulkroute.simulator import Simulator, routes_for
from tests.harness import ids, targets, write_csv
from tests.virtual_time import run_virtual

DOOR = Credentials(token=Secret("door"))


@pytest.mark.parametrize("early", [True, False])
def test_who_cancels_while_a_manifest_is_taken_in_leaves_no_trace(tmp_path: Path, early: bool) -> None:
    manifest = write_csv(tmp_path / "night.csv", targets(ids(3)))
    manifest.write_text(manifest.read_text() + manifest.read_text().splitlines()[1] + "\n")  # which is told
    told: list[Event] = []

    async def scenario() -> None:
        task = asyncio.current_task()
        assert task is not None

        def on_event(event: Event) -> None:
            told.append(event)
            asyncio.get_running_loop().call_soon(task.cancel)

        async with Simulator(routes_for(ids(3), 1), static_token="door") as simulator:
            settings = Settings(base_url=simulator.url, credentials=DOOR, snapshot=False)
            async with Engine(settings, on_event=on_event) as engine:
                if early:
                    engine.refuse_reading()
                with pytest.raises(asyncio.CancelledError):
                    await engine.run(manifest)
                task.uncancel()
                assert engine.current is None
                assert not simulator.calls

    run_virtual(scenario())
    assert len(told) == (0 if early else 1)
    assert {file.name for file in tmp_path.iterdir()} == {"night.csv"}
