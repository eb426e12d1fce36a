"""What happens by itself while the service runs: its port closes and opens again, its fixed token is replaced."""

import asyncio
import contextlib
import math
import os
from pathlib import Path

from .port import Port
from .service import Service


class Clockwork:
    """Follows the faults in force. `wake` tells it that the first call has come, or that other faults were set."""

    def __init__(self, service: Service, port: Port, token_file: Path | None) -> None:
        self._service = service
        self._port = port
        self._token_file = token_file
        self._woken = asyncio.Event()
        self._first_token = service.token_service.tokens.fixed or "token"
        self._replaced = 0
        self._stopwatch = service.stopwatch
        self._turns = 0

    def wake(self) -> None:
        """Look again. From the event loop's thread only."""
        self._woken.set()

    async def run(self) -> None:
        """Do what is due and wait for what comes next, until cancelled."""
        now = asyncio.get_running_loop().time
        while True:
            self._woken.clear()
            service = self._service
            if not service.stopwatch.runs and service.faults.times_from == "start":
                service.stopwatch.start(now())
            next_s = math.inf
            if service.stopwatch.runs:
                elapsed_s = service.stopwatch.elapsed_s(now())
                next_s = min(await self._keep_port(elapsed_s), self._keep_token(elapsed_s))
            else:
                await self._port.reopen()
            wait_s = next_s - service.stopwatch.elapsed_s(now())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), None if math.isinf(wait_s) else max(0.0, wait_s))

    async def _keep_port(self, elapsed_s: float) -> float:
        """Close or open the port as the outages want it; returns when that changes next."""
        outages = self._service.outages
        await (self._port.close() if outages.port_closed(elapsed_s) else self._port.reopen())
        return outages.port_changes_s(elapsed_s)

    def _keep_token(self, elapsed_s: float) -> float:
        """Replace the fixed token where its time is over; returns when that is next."""
        span_s = self._service.faults.token_rotate_s
        if span_s is None:
            return math.inf
        if self._stopwatch is not self._service.stopwatch:  # other faults were set
            self._stopwatch, self._turns = self._service.stopwatch, 0
        turns = math.floor(elapsed_s / span_s)
        if turns > self._turns:
            self._turns = turns
            self._replace_token()
        return (turns + 1) * span_s

    def _replace_token(self) -> None:
        token = f"{self._first_token}-{self._replaced + 1}"
        if self._token_file is not None:
            try:
                hand_out(token, self._token_file)
            except OSError:
                return  # a token that nobody can be told is not put in force
        self._replaced += 1
        self._service.token_service.tokens.replace_fixed(token)


def hand_out(token: str, path: Path) -> None:
    """Put a token into a file that its owner alone may read, at once and whole. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "w") as file:
        file.write(f"{token}\n")
    beside.replace(path)
