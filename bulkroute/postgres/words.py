"""Words from any host to the run of a tenant on another one, and the answers: for `ctl`.

A word is obeyed within seconds or never: one that waits while nobody works on its tenant is not heard by a later run.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from bulkroute.errors import NotRunning
from bulkroute.postgres.connect import Connection, one_row
from bulkroute.postgres.session import Session

HEARD_WITHIN_S = 5
"""After so long nobody hears a word any more."""

LOOK_EVERY_S = 0.1
"""How often an answer is looked for."""


class Word(NamedTuple):
    """Something that is asked of a tenant's run."""

    word: int
    tenant: int
    verb: str
    value: str | None


async def ask(session: Session, tenant: int, name: str, verb: str, value: str | None) -> dict[str, Any]:
    """Ask the run of a tenant, on whatever host, and return its answer. Raises NotRunning, LedgerError."""
    clock = asyncio.get_running_loop().time
    give_up_at_s = clock() + HEARD_WITHIN_S
    word = await session.run(partial(_say, tenant=tenant, verb=verb, value=value))
    try:
        while clock() < give_up_at_s:
            await asyncio.sleep(LOOK_EVERY_S)
            if (answer := await session.run(partial(_answer_to, word=word))) is not None:
                return answer
    finally:
        await session.run(partial(_forget, word=word))
    raise NotRunning("no run on any host answers", where=name, hint="`bulkroute fleet status` shows which go on")


def _say(connection: Connection, *, tenant: int, verb: str, value: str | None) -> int:
    said = "INSERT INTO bulkroute.word (tenant, verb, value) VALUES (%s, %s, %s) RETURNING word"
    return int(one_row(connection, said, (tenant, verb, value))[0])


def _answer_to(connection: Connection, *, word: int) -> dict[str, Any] | None:
    (answer,) = one_row(connection, "SELECT (SELECT answer FROM bulkroute.word WHERE word = %s)", (word,))
    return answer if isinstance(answer, dict) else None


def _forget(connection: Connection, *, word: int) -> None:
    connection.execute("DELETE FROM bulkroute.word WHERE word = %s", (word,))


def hear(connection: Connection, tenants: Sequence[int]) -> list[Word]:
    """Take what has just been said to these tenants; forget what nobody heard."""
    connection.execute(
        "DELETE FROM bulkroute.word WHERE said_at < clock_timestamp() - make_interval(secs => %s)",
        (2 * HEARD_WITHIN_S,),
    )
    found = connection.execute(
        "UPDATE bulkroute.word SET is_taken = true WHERE tenant = ANY(%s) AND NOT is_taken"
        " AND said_at > clock_timestamp() - make_interval(secs => %s) RETURNING word, tenant, verb, value",
        (list(tenants), HEARD_WITHIN_S),
    )
    return sorted(Word(*each) for each in found)


def answer(connection: Connection, *, word: int, found: Mapping[str, Any]) -> None:
    """Answer a word."""
    connection.execute("UPDATE bulkroute.word SET answer = %s WHERE word = %s", (json.dumps(found), word))
