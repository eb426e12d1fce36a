"""Bulk rebinding of Huawei Cloud CEC called routes: paced, resumable, verifiable.

    import asyncio
    from bulkroute import Credentials, Engine, Secret, Settings

    async def cutover() -> None:
        credentials = Credentials(app_key="...", app_secret=Secret("..."))
        async with Engine(Settings(base_url="https://cc.example.com", credentials=credentials)) as engine:
            summary = await engine.run([("1125397061153369092", "ivr", 201)], ledger="cutover.ledger.db")
        print(summary.done, "of", summary.total)

    asyncio.run(cutover())

This is the public API; everything else may change. Names are imported when they are first used, so that the command
line's help need not wait for the network libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bulkroute.version import __version__

if TYPE_CHECKING:
    from bulkroute.engine import Engine
    from bulkroute.errors import (
        BulkrouteError,
        CredentialsRefused,
        ExitCode,
        LedgerBusy,
        LedgerError,
        ManifestError,
        ServiceUnreachable,
        UsageError,
    )
    from bulkroute.events import Event, Summary
    from bulkroute.model import Binding, DeviceType, FailureKind, Row, Status
    from bulkroute.settings import Credentials, Secret, Settings

_HOMES = {
    "engine": ["Engine"],
    "errors": [
        "BulkrouteError",
        "CredentialsRefused",
        "ExitCode",
        "LedgerBusy",
        "LedgerError",
        "ManifestError",
        "ServiceUnreachable",
        "UsageError",
    ],
    "events": ["Event", "Summary"],
    "model": ["Binding", "DeviceType", "FailureKind", "Row", "Status"],
    "settings": ["Credentials", "Secret", "Settings"],
}

__all__ = [
    "Binding",
    "BulkrouteError",
    "Credentials",
    "CredentialsRefused",
    "DeviceType",
    "Engine",
    "Event",
    "ExitCode",
    "FailureKind",
    "LedgerBusy",
    "LedgerError",
    "ManifestError",
    "Row",
    "Secret",
    "ServiceUnreachable",
    "Settings",
    "Status",
    "Summary",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"bulkroute.{home}"), name)
    raise AttributeError(f"module 'bulkroute' has no attribute {name!r}")
