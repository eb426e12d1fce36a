"""What the package hands out, and how it is used from a program."""

import inspect
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest

import bulkroute
import bulkroute.errors
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


def _types_in(hint: Any) -> set[type]:
    """Return the types of this package that an annotation names."""
    found = {hint} if isinstance(hint, type) and hint.__module__.startswith("bulkroute") else set()
    arguments = [part for part in typing.get_args(hint) if not isinstance(part, list)]
    arguments += [part for parts in typing.get_args(hint) if isinstance(parts, list) for part in parts]
    return found.union(*map(_types_in, arguments))


def _types_named_by(what: Any) -> set[type]:
    """Return the types that the public methods and fields of a class name."""
    members = [
        inspect.unwrap(member) for name, member in vars(what).items() if not name.startswith("_") or name == "__init__"
    ]
    hints = [typing.get_type_hints(member) for member in members if inspect.isfunction(member)]
    hints.append(typing.get_type_hints(what))
    return set().union(*(_types_in(hint) for each in hints for hint in each.values()))


def test_whatever_the_engine_hands_out_is_public() -> None:
    public = {getattr(bulkroute, name) for name in bulkroute.__all__}
    named = _types_named_by(Engine).union(*map(_types_named_by, (Settings, *typing.get_args(bulkroute.Event))))
    assert named - public == set()
    errors = {
        each for each in vars(bulkroute.errors).values() if isinstance(each, type) and issubclass(each, Exception)
    }
    assert errors - public == set()
