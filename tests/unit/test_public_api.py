"""What the package hands out, and how it is used from a program."""

import asyncio
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
from bulkroute.cli import cli
from bulkroute.manifest import GivenRow
from bulkroute.simulator import Simulator, routes_for
from tests.harness import environment

ID = "1125397061153369092"


def test_every_public_name_has_a_home() -> None:
    for name in bulkroute.__all__:
        assert getattr(bulkroute, name) is not None
    with pytest.raises(AttributeError):
        bulkroute.nothing  # type: ignore[attr-defined]  # noqa: B018 -- reading it is the test


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, bulkroute, bulkroute.cli; print([m for m in ('aiohttp', 'rich', 'yaml', 'sqlite3') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(measured=False), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_of_the_whole_waits_for_little_but_click() -> None:
    code = (
        "import sys; from bulkroute.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print('imported:', [m for m in ('asyncio', 'pathlib', 'shlex', 'shutil') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(measured=False), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "imported: []"


@pytest.mark.parametrize("command", cli.all_commands())
def test_help_waits_for_nothing_that_only_work_needs(command: str) -> None:
    code = (
        "import sys; from bulkroute.cli import cli\n"
        f"try: cli([*{command.split()!r}, '--help'])\n"
        "finally: print('imported:', [m for m in ('aiohttp', 'rich', 'yaml', 'sqlite3', 'csv', 'bulkroute.manifest')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(measured=False), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "imported: []"


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        ("none.such", ("asyncio", "dataclasses", "pathlib")),  # no command: what is imported before any is
        ("status none.db", ("aiohttp", "tenacity", "asyncio", "logging")),
        ("ctl none.db status", ("aiohttp", "tenacity")),
        ("show none.plan", ("aiohttp", "tenacity")),
        ("export none.db", ("aiohttp", "tenacity")),
    ],
)
def test_what_calls_nobody_does_not_wait_for_the_means_to_do_so(
    words: str, unused: tuple[str, ...], tmp_path: Path
) -> None:
    code = (
        "import sys; from bulkroute.cli import main\n"
        f"try: main({words.split()!r})\n"
        f"finally: print('imported:', [m for m in {unused} if m in sys.modules])"
    )
    env = environment(measured=False)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "none." in done.stderr
    assert done.stdout.splitlines()[-1] == "imported: []"


async def test_rows_of_a_program(tmp_path: Path) -> None:
    rows: list[GivenRow] = [(ID, "ivr", 201), {"id": "0123", "devicetype": 1, "deviceId": "101"}]
    async with Simulator(routes_for([ID, "0123"])) as service:
        credentials = Credentials(app_key="demo-key", app_secret=Secret("demo-secret"))
        events: list[bulkroute.Event] = []
        async with Engine(Settings(base_url=service.url, credentials=credentials), on_event=events.append) as engine:
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
    if isinstance(hint, list):  # what a callable takes
        return set().union(*map(_types_in, hint))
    found = {hint} if isinstance(hint, type) and hint.__module__.startswith("bulkroute") else set()
    return found.union(*map(_types_in, typing.get_args(hint)))


def _handed_out_by(what: type) -> set[type]:
    """Return the types of a value's fields, and of what the public methods and properties of a class return.

    Of the engine also what they take: nobody else is called with objects that a program makes.
    """
    hints = list(typing.get_type_hints(what).values())
    for name, member in vars(what).items():
        member = inspect.unwrap(member.fget) if isinstance(member, property) and member.fget else inspect.unwrap(member)
        if not inspect.isfunction(member) or (name.startswith("_") and (what, name) != (Engine, "__init__")):
            continue
        named = typing.get_type_hints(member)
        hints += named.values() if what is Engine else [named["return"]]
    return set().union(*map(_types_in, hints))


def test_whatever_the_engine_takes_or_hands_out_is_public() -> None:
    errors = {each for each in vars(bulkroute.errors).values() if inspect.getmodule(each) is bulkroute.errors}
    found: set[type] = {Engine, Settings, *typing.get_args(bulkroute.Event)} | errors
    new = set(found)
    while new:
        new = set().union(*map(_handed_out_by, new)) - found
        found |= new
    public = {getattr(bulkroute, name) for name in bulkroute.__all__}
    assert {each.__qualname__ for each in found - public} == set()
    assert {bulkroute.Pause, bulkroute.PlanRow, bulkroute.LiveRoute, bulkroute.FailureLimit} <= found
    for name in (
        "OnEvent",
        "Confirm",
        "Source",
        "GivenRow",
        "Event",
    ):  # what annotations of the engine are written with
        assert name in bulkroute.__all__


@pytest.mark.parametrize("name", [name for name in bulkroute.__all__ if isinstance(getattr(bulkroute, name), type)])
def test_every_public_type_and_every_public_method_is_described(name: str) -> None:
    what = getattr(bulkroute, name)
    assert what.__doc__
    assert not what.__doc__.startswith(f"{name}("), "a NamedTuple's own docstring says nothing"
    for each, member in vars(what).items():
        if not each.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert member.__doc__, f"{name}.{each}"


def test_an_engine_that_is_not_open_says_how_it_is_opened(tmp_path: Path) -> None:
    engine = Engine(Settings(base_url="http://127.0.0.1:9"))

    async def plan() -> None:
        async with engine.plan([(ID, 1, 201)]):
            pass

    async def snapshot() -> None:
        async with engine.snapshot():
            pass

    async def closed() -> None:
        async with engine:
            pass
        await engine.run([(ID, 1, 201)], ledger=tmp_path / "x.ledger.db")

    for work in (
        lambda: engine.run([(ID, 1, 201)], ledger=tmp_path / "x.ledger.db"),
        lambda: engine.rollback(tmp_path / "x.ledger.db"),
        lambda: engine.verify(tmp_path / "x.ledger.db"),
        plan,
        snapshot,
        closed,
    ):
        with pytest.raises(UsageError, match="async with Engine"):
            asyncio.run(work())
    assert list(tmp_path.iterdir()) == []


async def test_what_is_about_to_be_sent_is_asked_about(tmp_path: Path) -> None:
    asked: list[bulkroute.Proposal] = []

    async def agree(proposal: bulkroute.Proposal) -> bool:
        asked.append(proposal)
        return len(asked) > 1

    ledger = tmp_path / "x.ledger.db"
    async with Simulator(routes_for([ID, "0123"])) as service:
        credentials = Credentials(app_key="demo-key", app_secret=Secret("demo-secret"))
        settings = Settings(base_url=service.url, credentials=credentials, rate_per_s=None, tenant="eu", note="CHG7")
        rows: list[GivenRow] = [(ID, "ivr", 201), ("0123", "ivr", 201), ("unknown", "ivr", 201)]
        async with Engine(settings, confirm=agree) as engine:
            with pytest.raises(bulkroute.StoppedEarly, match="nothing was sent") as declined:
                await engine.run(rows, ledger=ledger)
            assert declined.value.stop is bulkroute.StopKind.DECLINED
            assert not service.calls_per_id
            await engine.run(rows, ledger=ledger)
            await engine.rollback(ledger)
    run, _again, back = asked
    assert tuple(run) == (
        *(str(ledger), 1, None, settings.service_name, "eu", "CHG7"),
        *(2, asked[0].pairs, 0, 0, {"unknown_id": 1}, 0, True, None, 16, None, (), (), (), ""),
    )
    assert sum(pair.rows for pair in run.pairs) == 2
    assert {(pair.after.devicetype, pair.after.device_id) for pair in run.pairs} == {(3, 201)}
    assert (back.batch, back.puts_back, back.pending, back.refused) == (2, 1, 2, {})
