"""Pings of a monitor, by the convention of healthchecks: `URL/start`, then `URL`, or `URL/<exit code>` for an alarm.

A ping that fails is a text that says why, never an error. Its URL is shown nowhere: who knows it can silence the alarm.
"""

import asyncio
from collections.abc import Container

import aiohttp

from bulkroute.cec.client import describe

TIMEOUT_S = 5.0
"""For one try."""

RETRY_AFTER_S = (1.0, 3.0)
"""How long to wait before each further try."""

WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Statuses below 500 that may be others the next time."""


class Pings:
    """Tells one monitor how a run begins and ends."""

    def __init__(self, url: str, ok: Container[int]) -> None:
        """`ok`: the exit codes that are no alarm."""
        self._url = url.rstrip("/")
        self._ok = ok

    async def start(self) -> str:
        """Say that the run begins; return what went wrong, nothing if it was heard."""
        return await self._send("/start", b"")

    async def end(self, exit_code: int, body: bytes) -> str:
        """Say how the run ended; return what went wrong, nothing if it was heard."""
        return await self._send("" if exit_code in self._ok else f"/{exit_code}", body)

    async def _send(self, suffix: str, body: bytes) -> str:
        timeout, headers = aiohttp.ClientTimeout(total=TIMEOUT_S), {"Content-Type": "application/json"}
        trouble = ""
        async with aiohttp.ClientSession(trust_env=True, timeout=timeout, headers=headers) as session:
            for wait_s in (0.0, *RETRY_AFTER_S):
                await asyncio.sleep(wait_s)
                try:
                    async with session.post(self._url + suffix, data=body, allow_redirects=False) as response:
                        status = response.status
                except TimeoutError:
                    trouble = f"no answer within {TIMEOUT_S:g} s"
                except aiohttp.InvalidURL:  # which the error's text repeats
                    return "the URL is not valid"
                except (aiohttp.ClientError, OSError) as error:
                    trouble = describe(error)
                else:
                    trouble = "" if 200 <= status < 300 else f"the answer was HTTP {status}"
                    if status < 500 and status not in WORTH_ANOTHER_TRY:
                        break
        return trouble
