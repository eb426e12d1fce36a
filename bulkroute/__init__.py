"""Bulk rebinding of Huawei Cloud CEC called routes: paced, resumable, verifiable.

    import asyncio
    from bulkroute import Credentials, Engine, Secret, Settings

    async def cutover() -> None:
        credentials = Credentials(app_key="...", app_secret=Secret("..."))
        async with Engine(Settings(base_url="https://cc.example.com", credentials=credentials)) as engine:
            summary = await engine.run([("1125397061153369092", "ivr", 201)], ledger="cutover.ledger.db")
        print(summary.done, "of", summary.total)

    asyncio.run(cutover())

This is the public API: everything that `Engine` takes, hands out or raises. Everything else may change. Names are
imported when they are first used, so that the command line's help need not wait for the network libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bulkroute.version import __version__

if TYPE_CHECKING:
    from bulkroute.engine import Confirm, Engine
    from bulkroute.errors import (
        BulkrouteError,
        CredentialsRefused,
        ExitCode,
        KeysRefused,
        LedgerBusy,
        LedgerError,
        ManifestError,
        NotRunning,
        ProxyRefused,
        ReadingRefused,
        ServiceUnreachable,
        StopKind,
        StoppedEarly,
        UsageError,
    )
    from bulkroute.events import (
        Event,
        Notice,
        Pause,
        Progress,
        RateChanged,
        RowFailed,
        RunEnded,
        RunStarted,
        Stopping,
        Summary,
        WaitBegan,
        WaitEnded,
        Watcher,
    )
    from bulkroute.ledger.compare import Change, Difference, PlanCounts, PlanRow
    from bulkroute.ledger.intake import Source
    from bulkroute.ledger.live_bindings import LiveBindings, LiveRoute
    from bulkroute.live.plan import Plan
    from bulkroute.live.verify import Verified
    from bulkroute.manifest.given_rows import GivenRow
    from bulkroute.model import Binding, DeviceType, FailureKind, Row, Status
    from bulkroute.run.prepare import Prepared
    from bulkroute.run.run import Run
    from bulkroute.settings import Credentials, FailureLimit, Secret, Settings

_HOMES = {
    "engine": ["Confirm", "Engine"],
    "errors": [
        "BulkrouteError",
        "CredentialsRefused",
        "ExitCode",
        "KeysRefused",
        "LedgerBusy",
        "LedgerError",
        "ManifestError",
        "NotRunning",
        "ProxyRefused",
        "ReadingRefused",
        "ServiceUnreachable",
        "StopKind",
        "StoppedEarly",
        "UsageError",
    ],
    "events": [
        "Event",
        "Notice",
        "Pause",
        "Progress",
        "RateChanged",
        "RowFailed",
        "RunEnded",
        "RunStarted",
        "Stopping",
        "Summary",
        "WaitBegan",
        "WaitEnded",
        "Watcher",
    ],
    "ledger.compare": ["Change", "Difference", "PlanCounts", "PlanRow"],
    "ledger.intake": ["Source"],
    "ledger.live_bindings": ["LiveBindings", "LiveRoute"],
    "live.plan": ["Plan"],
    "live.verify": ["Verified"],
    "manifest.given_rows": ["GivenRow"],
    "model": ["Binding", "DeviceType", "FailureKind", "Row", "Status"],
    "run.prepare": ["Prepared"],
    "run.run": ["Run"],
    "settings": ["Credentials", "FailureLimit", "Secret", "Settings"],
}

__all__ = [
    "Binding",
    "BulkrouteError",
    "Change",
    "Confirm",
    "Credentials",
    "CredentialsRefused",
    "DeviceType",
    "Difference",
    "Engine",
    "Event",
    "ExitCode",
    "FailureKind",
    "FailureLimit",
    "GivenRow",
    "KeysRefused",
    "LedgerBusy",
    "LedgerError",
    "LiveBindings",
    "LiveRoute",
    "ManifestError",
    "NotRunning",
    "Notice",
    "Pause",
    "Plan",
    "PlanCounts",
    "PlanRow",
    "Prepared",
    "Progress",
    "ProxyRefused",
    "RateChanged",
    "ReadingRefused",
    "Row",
    "RowFailed",
    "Run",
    "RunEnded",
    "RunStarted",
    "Secret",
    "ServiceUnreachable",
    "Settings",
    "Source",
    "Status",
    "StopKind",
    "StoppedEarly",
    "Stopping",
    "Summary",
    "UsageError",
    "Verified",
    "WaitBegan",
    "WaitEnded",
    "Watcher",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"bulkroute.{home}"), name)
    raise AttributeError(f"module 'bulkroute' has no attribute {name!r}")
