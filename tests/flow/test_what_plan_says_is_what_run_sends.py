"""For any ledger, live state, manifest and flags: the rows that plan lists as to change are the calls that run makes."""

import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st

from bulkroute.credentials import Credentials, Secret
from bulkroute.engine import Engine
from bulkroute.errors import BulkrouteError
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.intake import written
from bulkroute.ledger.ledger import Ledger
from bulkroute.ledger.staging import Staged, Staging
from bulkroute.model import FailureKind
from bulkroute.settings import OnDrift, Settings
from bulkroute.simulator import Route, Simulator
from tests.harness import IN_MEMORY, Target, ids, write_csv
from tests.virtual_time import run_virtual

KNOWN = ids(4)
POOL = [*KNOWN, "7700000000000000001"]
TARGETS: list[Target] = [(1, 101), (1, 102), (3, 201)]
LOGIN = Credentials(app_key="demo-key", app_secret=Secret("demo-secret"))

Standing = tuple[str, str | None]

STANDINGS: list[Standing] = [
    *((status, None) for status in ("pending", "sent", "succeeded", "succeeded", "unchanged")),
    *(("failed", kind) for kind in ("business", "timeout", "locked", "unknown_id", "conflict", "conflict", "drifted")),
    *(("skipped", kind) for kind in ("locked", "unknown_id")),
]


@dataclass(frozen=True)
class Held:
    """A row of a ledger as some run may have left it."""

    target: Target
    standing: Standing
    listed: bool
    before: Target | None
    written: Target | None
    attempts: int


@dataclass(frozen=True)
class Night:
    """Everything that is drawn for one example."""

    live: Mapping[str, tuple[Target, str | None]]
    batches: Sequence[Mapping[str, Held]]
    rolled_back: bool
    wanted: Mapping[str, Target]
    flags: Mapping[str, Any]


target = st.sampled_from(TARGETS)
known_or_not = st.one_of(st.none(), target)
held = st.builds(
    Held,
    target,
    st.sampled_from(STANDINGS),
    st.sampled_from((True, True, True, False)),
    known_or_not,
    known_or_not,
    st.integers(0, 1),
)


@st.composite
def nights(draw: st.DrawFn) -> Night:
    batches = draw(st.lists(st.dictionaries(st.sampled_from(POOL), held, min_size=1), max_size=2))
    listed = {row_id: row.target for row_id, row in batches[-1].items() if row.listed} if batches else {}
    edits = draw(st.dictionaries(st.sampled_from(POOL), target, min_size=not listed, max_size=6))
    wanted = {**listed, **edits} if draw(st.booleans()) else edits or listed
    editable = st.sampled_from(("0", "0", "0", None, "1", "3"))
    return Night(
        live={row_id: (draw(target), draw(editable)) for row_id in KNOWN},
        batches=batches,
        rolled_back=draw(st.sampled_from((False, False, True))),
        wanted=wanted,
        flags={
            "on_drift": draw(st.sampled_from(OnDrift)).value,  # as text, which is what a program may give
            "skip": draw(st.frozensets(st.sampled_from((FailureKind.LOCKED, FailureKind.UNKNOWN_ID)))),
            "fresh": draw(st.sampled_from((False, False, False, True))),
            "expect": draw(st.sampled_from((*[None] * 6, len(wanted), len(wanted) + 1))),
        },
    )


def fill(ledger: Path, tenant: Tenant, batches: Sequence[Mapping[str, Held]], *, rolled_back: bool) -> None:
    """Make a ledger with these batches, the last of which is rolled back or not."""
    with Ledger(ledger).hold() as held, held.write() as writer:
        for rows in batches:
            manifest = write_csv(ledger.with_name("earlier.csv"), {row_id: row.target for row_id, row in rows.items()})
            with written(manifest, None, print) as read, writer.preparing(print):
                assert isinstance(read.rows, Staging)
                writer.take_over(Staged(read.rows, read.name, read.digest), tenant)
    with closing(sqlite3.connect(ledger)) as connection, connection:
        for number, rows in enumerate(batches, 1):
            connection.executemany(
                "UPDATE row SET status = ?, error = ?, listed = ?, before_devicetype = ?, before_device_id = ?,"
                " written_devicetype = ?, written_device_id = ?, attempts = ? WHERE batch = ? AND id = ?",
                [
                    (
                        *row.standing,
                        row.listed,
                        *(row.before or (None, None)),
                        *(row.written or (None, None)),
                        row.attempts,
                        number,
                        row_id,
                    )
                    for row_id, row in rows.items()
                ],
            )
            if not all(row.listed for row in rows.values()):  # a manifest taken over lists all its rows
                connection.execute("UPDATE batch SET digest = '' WHERE batch = ?", (number,))
        if rolled_back and batches:
            connection.execute(
                "INSERT INTO batch (created_at, manifest, digest, parent, service, app_key)"
                " SELECT created_at, manifest, '', max(batch), service, app_key FROM batch"
            )


def left_alone(ledger: Path) -> tuple[dict[str, int], int]:
    """Return how many rows of the manifest failed without a call, by kind, and how many were skipped."""
    with closing(sqlite3.connect(ledger)) as connection:
        found = connection.execute(
            "SELECT status, error, count(*) FROM row WHERE batch = (SELECT max(batch) FROM batch WHERE parent IS NULL)"
            " AND listed AND status IN ('failed', 'skipped') GROUP BY status, error"
        ).fetchall()
    refused = {kind: rows for status, kind, rows in found if status == "failed"}
    return refused, sum(rows for status, _kind, rows in found if status == "skipped")


async def foretold_and_done(night: Night, folder: Path) -> None:
    routes = [
        Route(row_id, *bound, editable=editable, ext_code=str(place))
        for place, (row_id, (bound, editable)) in enumerate(night.live.items())
    ]
    manifest = write_csv(folder / "night.csv", night.wanted)
    async with Simulator(routes) as simulator:
        chosen = Settings(base_url=simulator.url, credentials=LOGIN, rate_per_s=None, **night.flags)
        if night.batches:
            fill(folder / "night.ledger.db", Tenant.of(chosen), night.batches, rolled_back=night.rolled_back)
        async with Engine(chosen) as engine:
            stopped = None
            try:
                async with engine.plan(manifest) as plan:
                    to_change = {row.id for row in plan.rows() if row.standing == "change"}
                    foretold = plan.counts
            except BulkrouteError as error:
                stopped = error
            assert not simulator.calls_per_id
            if stopped is not None:
                with pytest.raises(type(stopped)) as refused:
                    await engine.run(manifest)
                assert (refused.value.what, refused.value.stop) == (stopped.what, stopped.stop)
                assert not simulator.calls_per_id
                event(f"stopped: {stopped.stop}")
                return
            summary = await engine.run(manifest)
        assert simulator.calls_per_id == dict.fromkeys(to_change, 1)
        assert foretold.to_change == len(to_change)
        assert (*left_alone(folder / "night.ledger.db"), summary.drifted) == (
            foretold.refused,
            foretold.skipped,
            foretold.drifted,
        )
        event(f"{len(night.batches)} batches, {'some' if to_change else 'nothing'} to change")
        for kind in foretold.refused:
            event(f"refused: {kind}")


CHANGED_BY_ANOTHER_HAND = dict.fromkeys(KNOWN, ((3, 201), "0"))
CONFLICT = Held((1, 101), ("failed", "conflict"), True, (1, 102), None, 1)
IN_DOUBT = Held((1, 101), ("sent", None), True, None, None, 0)
DONE = Held((3, 201), ("succeeded", None), True, (1, 102), None, 1)
TWO_ROWS: Mapping[str, Target] = {KNOWN[0]: (1, 101), KNOWN[1]: (3, 201)}
DEFAULT = {"on_drift": OnDrift.SEND}


@pytest.mark.slow
@settings(
    max_examples=300, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck)
)
@given(nights())
@example(Night(CHANGED_BY_ANOTHER_HAND, [{KNOWN[0]: CONFLICT, KNOWN[1]: DONE}], False, TWO_ROWS, DEFAULT))
@example(Night(CHANGED_BY_ANOTHER_HAND, [{KNOWN[0]: IN_DOUBT, KNOWN[1]: DONE}], False, TWO_ROWS, DEFAULT))
def test_the_rows_that_plan_lists_as_to_change_are_the_calls_that_run_makes(night: Night) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        run_virtual(foretold_and_done(night, Path(folder)))
