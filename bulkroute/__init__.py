"""Bulk rebinding of Huawei Cloud CEC called routes: paced, resumable, verifiable.

    import asyncio
    from bulkroute import Credentials, Engine, Secret, Settings

    async def cutover() -> None:
        credentials = Credentials(app_key="...", app_secret=Secret("..."))
        async with Engine(Settings(base_url="https://cc.example.com", credentials=credentials)) as engine:
            summary = await engine.run([("1125397061153369092", "ivr", 201)], ledger="cutover.ledger.db")
        print(summary.done, "of", summary.total)

    asyncio.run(cutover())

This is the public API: everything that `Engine` takes, hands out or raises. Everything else may change. Its names stand in `bulkroute/api.py` and are imported when the
first of them is used, so that the command line's help need not wait for the network libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from bulkroute.version import __version__ as __version__

if TYPE_CHECKING:
    from bulkroute.api import *  # noqa: F403

    __all__: list[str]
else:

    def __getattr__(name: str) -> object:
        """Return a public name; `__all__` is the list of them."""
        if not name.startswith("__") or name == "__all__":
            public = {each: held for each, held in vars(import_module("bulkroute.api")).items() if each[0] != "_"}
            if name == "__all__":
                return [*sorted(public), "__version__"]
            if name in public:
                return public[name]
        raise AttributeError(f"module 'bulkroute' has no attribute {name!r}")

    def __dir__() -> list[str]:
        """Return the public names, for completion and `help`."""
        return [*globals(), *__getattr__("__all__")]
