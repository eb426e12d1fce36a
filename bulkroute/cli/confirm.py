"""The question before the first call: asked once, wherever a person sits, and never where nobody could answer.

A person sits where standard input is a terminal, whatever became of stdout and stderr: the question is shown on a
terminal, never in a file or a pipe. Only --yes and rehearsals ask nothing; --quiet is no yes.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from bulkroute.engine import Confirm
from bulkroute.errors import UsageError
from bulkroute.output.pairs import pair_lines
from bulkroute.output.tables import say_each
from bulkroute.output.words import clock, duration, in_waves, rate
from bulkroute.progress import Proposal

LINE_BYTES = 1024

MOST_PAIRS = 8
"""Pairs of targets in the question: all of it should fit on a screen of 24 lines."""


def confirm_with(options: dict[str, Any], warnings: Sequence[str]) -> Confirm | None:
    """Return what asks on the terminal; None where nothing is to be asked. `warnings` are those told until then."""
    if options["yes"] or options.get("simulate") or not somebody_sits_there():
        return None

    async def confirm(proposal: Proposal) -> bool:
        return await ask(describe(proposal, warnings), "Send now?")

    return confirm


def somebody_sits_there() -> bool:
    """Tell whether a person could answer."""
    return sys.stdin is not None and sys.stdin.isatty()


async def ask(facts: Sequence[tuple[str, str]], question: str) -> bool:
    """Show labelled facts on the terminal, ask, and return whether the answer was yes. Raises UsageError."""
    with _terminal() as terminal:
        say_each(facts, terminal)
        terminal.write(f"{question} [y/N] ")
        terminal.flush()
        answer = await _answer()
    return answer.strip().lower() in (b"y", b"yes")


@contextlib.contextmanager
def _terminal() -> Iterator[TextIO]:
    """Give the terminal of the person who is to answer. Raises UsageError."""
    if sys.stderr.isatty():
        yield sys.stderr
        return
    # In a container the terminal may have no name here, and without a session there is no /dev/tty.
    names = [os.ttyname(0)] if _is_named(0) else []
    for name in (*names, "/dev/tty"):
        with contextlib.suppress(OSError):
            descriptor = os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
            break
    else:
        raise UsageError("the question cannot be shown: stderr is no terminal, and no other is found", hint="add --yes")
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as terminal:
        yield terminal


def _is_named(descriptor: int) -> bool:
    try:
        return bool(os.ttyname(descriptor))
    except OSError:
        return False


async def _answer() -> bytes:
    """Return the line that the person types. Not input(): it would keep Ctrl-C waiting."""
    answered = asyncio.Event()
    loop, terminal = asyncio.get_running_loop(), sys.stdin.fileno()
    loop.add_reader(terminal, answered.set)
    try:
        await answered.wait()
    finally:
        loop.remove_reader(terminal)
    try:
        return os.read(terminal, LINE_BYTES)
    except OSError:  # the terminal is gone, and with it whoever could say yes
        return b""


def describe(proposal: Proposal, warnings: Sequence[str]) -> list[tuple[str, str]]:
    """Return what is about to happen, labelled: where, which rows, how long it takes, and what to look at."""
    verb = "to change" if proposal.puts_back is None else "to put back"
    known = "already right" if proposal.live_read else "done by the ledger; live was not read"
    labels = [("tenant", proposal.tenant), ("note", proposal.note), ("plan", proposal.plan)]
    lines = [
        ("service", proposal.service),
        *((label, text) for label, text in labels if text),
        ("rows", f"{proposal.pending:,} {verb}, {proposal.done:,} {known}"),
    ]
    all_by = "rollback --dry-run --json" if proposal.puts_back is not None else "plan --json"
    if proposal.plan:
        all_by = "show --rows"
    pairs = list(pair_lines(proposal.pairs, whence=proposal.live_read, most=MOST_PAIRS, all_by=all_by))
    width = max((len(f"{rows:,}") for rows, _text in pairs), default=0)
    lines += [("change", f"{rows:>{width},} {text}") for rows, text in pairs]
    if proposal.waves:
        lines.append(("waves", in_waves(proposal.waves, proposal.gates)))
    if proposal.drifted:
        these = "1 of these rows was done, and another hand has changed it since"
        if proposal.drifted > 1:
            these = f"{proposal.drifted:,} of these rows were done, and another hand has changed them since"
        lines.append(("drifted", these))
    if proposal.refused:
        refused = ", ".join(f"{rows:,} {error}" for error, rows in sorted(proposal.refused.items()))
        lines.append(("refused", f"{refused}; nothing is sent for them"))
    if proposal.skipped:
        lines.append(("skipped", f"{proposal.skipped:,}, as asked for"))
    lines.append(("pace", _pace(proposal)))
    if proposal.ends_at is not None:
        lines.append(("window", f"no call starts after {clock(proposal.ends_at)}"))
    if proposal.back_out_on:
        reasons = ", ".join(proposal.back_out_on)
        lines.append(("back-out", f"by itself, without a further question, if it stops by {reasons}"))
    if not proposal.live_read:
        lines.append(("warning", "with --no-snapshot no earlier binding is kept: this cannot be rolled back"))
    lines += [("warning", text) for text in warnings]
    return lines


def _pace(proposal: Proposal) -> str:
    text = f"{rate(proposal.rate_per_s)}, {proposal.concurrency} at once"
    if proposal.rate_per_s is None:
        return text
    takes_s = proposal.pending / proposal.rate_per_s
    return f"{text}: about {duration(takes_s)}, until {clock(time.time() + takes_s)}"
