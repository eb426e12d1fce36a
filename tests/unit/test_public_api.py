"""What the package hands out, and how it is used from a program."""

import subprocess
import sys
from pathlib import Path

import pytest

import bulkroute
from bulkroute import Credentials, Engine, ExitCode, LedgerError, ManifestError, Secret, Settings, UsageError
from bulkroute.manifest import GivenRow
from bulkroute.simulator import Simulator, routes_for

ID = "1125397061153369092"


def test_every_public_name_has_a_home() -> None:
    for name in bulkroute.__all__:
        assert getattr(bulkroute, name) is not None
    with pytest.raises(AttributeError):
        bulkroute.nothing  # noqa: B018 -- reading it is the test


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, bulkroute, bulkroute.cli; print([m for m in ('aiohttp', 'rich', 'yaml', 'sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_rows_of_a_program(tmp_path: Path) -> None:
    rows: list[GivenRow] = [(ID, "ivr", 201), {"id": "0123", "devicetype": 1, "deviceId": "101"}]
    async with Simulator(routes_for([ID, "0123"])) as service:
        credentials = Credentials(app_key="demo-key", app_secret=Secret("demo-secret"))
        events: list[bulkroute.Event] = []
        async with Engine(Settings(base_url=service.url, credentials=credentials), watch=events.append) as engine:
            summary = await engine.run(rows, ledger=tmp_path / "x.ledger.db")
        assert dict(service.bindings) == {ID: (3, 201), "0123": (1, 101)}
    assert (summary.succeeded, summary.exit_code) == (2, ExitCode.DONE)
    assert [type(event).__name__ for event in events] == ["RunStarted", "RunEnded"]


async def test_faulty_rows_are_named_and_no_ledger_is_made(tmp_path: Path) -> None:
    async with Engine(Settings(base_url="http://127.0.0.1:9")) as engine:
        with pytest.raises(ManifestError) as caught:
            await engine.run([(ID, 2, 201), (4711, 1, 1)], ledger=tmp_path / "x.ledger.db")  # type: ignore[list-item]
        assert [fault.partition(":")[0] for fault in caught.value.faults] == ["row 1", "row 2"]
        with pytest.raises(UsageError, match="no ledger"):
            await engine.run([(ID, 1, 201)])
        with pytest.raises(LedgerError, match="lock"):
            await engine.run([(ID, 1, 201)], ledger=tmp_path / "missing" / "x.ledger.db")
    assert list(tmp_path.iterdir()) == []
