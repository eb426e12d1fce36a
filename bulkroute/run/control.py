"""Live control of a run over a unix socket: one JSON object a line, a question and its answer.

    {"verb": "rate", "value": "20"}        -> {"ok": true, ...status...}
    {"verb": "rate", "value": "zero"}      -> {"ok": false, "error": "..."}

Only the owner may connect (mode 0600), and nothing is ever read from or written to any other file. The socket lies
beside the ledger; where its path is too long for the kernel, in a folder of the owner's own, by a name that both
sides work out from the ledger's real path.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkroute.errors import LedgerError, NotRunning, StopKind
from bulkroute.ledger import lock
from bulkroute.ledger.guard import hint_for_colleagues
from bulkroute.ledger.paths import quoted
from bulkroute.model import printable
from bulkroute.run.own_folder import require_own, temporary_folder
from bulkroute.run.verbs import FLEET_STOPPED, VERBS, WHOLE_FLEET
from bulkroute.settings import parse_rate

if TYPE_CHECKING:  # here, since `ctl` must not wait for what only runs need
    from bulkroute.run.back_out import BackOut
    from bulkroute.run.run import Run

    Controlled = Run | BackOut
    """What may be talked to."""

LONGEST_PATH_BYTES = 107
"""The kernel's limit for a socket's path, its closing NUL left out."""

LONGEST_LINE_BYTES = 64 * 1024

ANSWER_WITHIN_S = 10.0

LONGEST_REASON = 200

_PEER = struct.Struct("3i")
"""Process, user and group of whoever listens (unix(7), SO_PEERCRED)."""


def socket_path(ledger: Path) -> Path:
    """Return where the socket of this ledger's run is, the same for every way of writing the ledger's path."""
    real = ledger.resolve()
    beside = real.with_name(real.name + ".ctl")
    if len(os.fsencode(beside)) <= LONGEST_PATH_BYTES:
        return beside
    name = hashlib.sha256(os.fsencode(real)).hexdigest()[:32] + ".ctl"
    return _own_folder() / name


def _own_folder() -> Path:
    """Return a folder that is ours alone, for sockets whose ledger lies too deep. Raises LedgerError."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and len(os.fsencode(given)) <= LONGEST_PATH_BYTES - 50:
        return require_own(Path(given) / "bulkroute")
    return require_own(temporary_folder())


@contextlib.asynccontextmanager
async def serving(ledger: Path, run: "Controlled", tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Answer at the ledger's socket until the block ends; whoever calls holds the ledger's lock.

    A leftover of a killed process is replaced, since the lock tells that nobody else serves it. Where no socket can be
    made the run goes on without, and `tell` gets the reason.
    """
    try:
        path = socket_path(ledger)
        listener = _listen(path)
    except LedgerError as error:
        tell(f"`bulkroute ctl` will not reach this run: {error}")
        yield
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _converse(reader, writer, run)

    server = await asyncio.start_unix_server(answer, sock=listener, limit=LONGEST_LINE_BYTES)
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(path.lstat().st_mode) or path.is_symlink():
                path.unlink()  # the link itself, never what it points to; `bind` makes a new file or fails
        mask = os.umask(0o177)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(mask)
        listener.listen(8)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        hint = "see to rights and space there, or put the ledger into another folder"
        raise LedgerError(f"cannot make the control socket: {error.strerror}", where=str(path), hint=hint) from error
    return listener


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, run: "Controlled") -> None:
    """Answer one line after the other until the other side has gone."""
    try:
        while line := await reader.readline():
            writer.write(json.dumps(_answer(line, run)).encode() + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError):
        pass  # gone, or a line beyond the limit: there is nobody to tell
    finally:
        writer.close()


def _answer(line: bytes, run: "Controlled") -> dict[str, Any]:
    try:
        question = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"ok": False, "error": f"not JSON: {error}"}
    if not isinstance(question, dict) or "verb" not in question:
        return {"ok": False, "error": "not a question; write an object with `verb` and, where it needs one, `value`"}
    value = question.get("value")
    try:
        obey(run, str(question["verb"]), None if value is None else str(value))
    except ValueError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, **run.progress().fields()}


def obey(run: "Controlled", verb: str, value: str | None) -> None:
    """Do what the operator asks. Raises ValueError for what makes no sense."""
    if verb == "pause":
        run.pause(printable(value or "", LONGEST_REASON) or "paused by the operator")
    elif verb == "resume":
        run.resume()
    elif verb == "rate":
        run.set_rate(parse_rate(value or ""))
    elif verb == "concurrency":
        if not (value and value.isascii() and value.isdigit() and len(value) < 7):
            raise ValueError(f"{value!r} is not a number of calls")
        run.set_concurrency(int(value))
    elif verb == "go":
        run.go()
    elif verb == "no-go":
        run.no_go(value or "")
    elif verb == "stop":
        run.stop(StopKind.CTL, FLEET_STOPPED if value == WHOLE_FLEET else "stopped by the operator (ctl stop)")
    elif verb != "status":
        raise ValueError(f"{verb!r} is none of {', '.join(VERBS)}")


async def ask(ledger: Path, verb: str, value: str | None = None) -> dict[str, Any]:
    """Ask the run that holds `ledger`, and return its answer; `ok` tells whether it obeyed.

    Raises NotRunning where no run holds the ledger, it is not at its socket yet, ends before it answers, or where
    somebody else is at its socket.
    """
    path = socket_path(ledger)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE_BYTES)
            try:
                _require_no_stranger(writer, ledger)
                writer.write(json.dumps({"verb": verb, "value": value}).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except PermissionError as error:
        hint = hint_for_colleagues(ledger)
        raise LedgerError("only the user who started the run may control it", where=str(path), hint=hint) from error
    except TimeoutError as error:
        raise NotRunning(
            "the run does not answer", where=str(ledger), hint="it may be stopped or overloaded"
        ) from error
    except (OSError, ValueError) as error:  # gone, or a line beyond the limit
        raise _nobody(ledger) from error
    if not line:
        raise _nobody(ledger)
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        raise NotRunning("what answers is no run of bulkroute", where=str(path), hint="see what listens there")
    return answer


def _require_no_stranger(writer: asyncio.StreamWriter, ledger: Path) -> None:
    """Refuse to talk to another user's process, which a folder that others may write to lets take the socket's place.

    Raises NotRunning.
    """
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, user, _ = _PEER.unpack(credentials)
    ours = {0, os.geteuid()}
    with contextlib.suppress(FileNotFoundError):
        ours.add(ledger.stat().st_uid)
    if user not in ours:
        hint = "remove it, and see who may write to that folder"
        raise NotRunning(f"another user's process (uid {user}) is at the run's socket", where=str(ledger), hint=hint)


def _nobody(ledger: Path) -> NotRunning:
    """Return the error of whoever asks where nobody answers: a wrong name, a run not at its socket, or none."""
    name = quoted(ledger)
    if holder := lock.holder(ledger):
        what = f"the run on this ledger ({holder}) cannot be talked to now: it gets ready, or is at its end"
        return NotRunning(what, where=str(ledger), hint="ask again in a moment")
    if not ledger.exists():
        what = "no run is working on this ledger: there is no such file"
        return NotRunning(what, where=str(ledger), hint="check the name; `bulkroute run` makes a ledger")
    return NotRunning(
        "no run is working on this ledger now",
        where=str(ledger),
        hint=f"`bulkroute status {name}` shows how it stands, `bulkroute run` goes on",
    )
