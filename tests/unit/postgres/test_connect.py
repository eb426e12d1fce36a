"""Nobody works over a session that could lose its lock unseen, and every refusal says what to do."""

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, cast

import psycopg
import pytest

from bulkroute.errors import StopKind, StoppedEarly, UsageError
from bulkroute.postgres.connect import Connection, connect, one_row, place_of, require_own_session
from tests.postgres import Cluster, needs_pgbouncer, pgbouncer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("url", ["", "db", "mysql://db/x", "postgresql://[", "host=db"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not the address") as caught:
        place_of(url)
    assert "PGPASSWORD" in caught.value.hint


def test_a_place_tells_nobody_who_uses_it() -> None:
    assert place_of("postgresql://me@db.example.com/fleet") == "postgresql://db.example.com:5432/fleet"


@pytest.mark.parametrize("url", ["postgresql://me:secret@db/x", "postgresql://db/x?password=secret"])
def test_a_password_on_the_command_line_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(UsageError, match="holds a password") as caught:
        place_of(url)
    assert "secret" not in str(caught.value)


def test_a_server_out_of_reach_stops_before_anything_is_sent() -> None:
    with pytest.raises(StoppedEarly, match="cannot be used") as caught:
        connect("postgresql://me@127.0.0.1:1/x")
    assert caught.value.stop is StopKind.COPY
    assert caught.value.exit_code == 4


def test_hosts_that_start_at_once_make_one_schema(url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        connections = list(threads.map(connect, [url] * 6))
    found = {one_row(each, "SELECT identity FROM bulkroute.identity") for each in connections}
    for each in connections:
        each.close()
    assert len(found) == 1


def test_a_silent_session_is_ended_and_commits_are_synchronous(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$"
        )
    with connect(url) as connection:
        settings = (
            "idle_session_timeout",
            "idle_in_transaction_session_timeout",
            "statement_timeout",
            "synchronous_commit",
        )
        found = [one_row(connection, f"SHOW {name}")[0] for name in settings]
    assert found == ["3s", "3s", "4s", "on"]


def test_a_schema_of_another_version_is_refused(url: str) -> None:
    connect(url).close()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("COMMENT ON SCHEMA bulkroute IS 'bulkroute 99'")
    with pytest.raises(UsageError, match="'bulkroute 99'"):
        connect(url)


@pytest.mark.parametrize(("encoding", "why"), [("SQL_ASCII", ""), ("LATIN1", "as LATIN1")])
def test_every_text_must_fit_into_the_database(postgres: Cluster, encoding: str, why: str) -> None:
    name = f"in_{encoding.lower()}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode())
    if why:
        with pytest.raises(UsageError, match=why):
            connect(postgres.url(name))
    else:
        with connect(postgres.url(name)) as connection:
            assert one_row(connection, "SELECT %s || 'x'", ("日本",)) == ("日本x",)


class Pooled:
    """One client of a pooler: each of its statements goes to the next of these sessions."""

    def __init__(self, sessions: list[Connection]) -> None:
        self._sessions = cycle(sessions)

    def execute(self, *given: Any) -> Any:
        return next(self._sessions).execute(*given)


def test_a_pooler_that_spreads_statements_or_shares_a_session_is_refused(url: str) -> None:
    with psycopg.connect(url) as one, psycopg.connect(url) as two, psycopg.connect(url) as three:
        require_own_session(one, two, "db")
        spread = cast("Connection", Pooled([one, three]))
        for pair in ((one, one), (spread, two), (two, spread)):
            with pytest.raises(UsageError, match="pooler") as caught:
                require_own_session(*pair, "db")
            assert "`session`" in caught.value.hint


@needs_pgbouncer
@pytest.mark.parametrize("more", ["", "server_round_robin = 1\nmin_pool_size = 3"])
def test_pgbouncer_with_pools_of_transactions_is_refused(postgres: Cluster, more: str) -> None:
    name = postgres.new_database()
    with pgbouncer(postgres, "transaction", more) as port, pytest.raises(UsageError, match="pooler"):
        connect(postgres.url(name, port))


@needs_pgbouncer
def test_pgbouncer_with_pools_of_sessions_will_do(postgres: Cluster) -> None:
    name = postgres.new_database()
    with pgbouncer(postgres, "session") as port:
        connect(postgres.url(name, port)).close()


def test_a_server_that_forgets_what_it_has_acknowledged_is_refused(postgres: Cluster) -> None:
    name = postgres.new_database()

    def turn(fsync: str) -> None:
        postgres.ask(name, f"ALTER SYSTEM SET fsync = {fsync}")
        postgres.ask(name, "SELECT pg_reload_conf()")
        while postgres.ask(name, "SHOW fsync") != [(fsync,)]:
            pass  # the server reads its settings in its own time

    turn("off")
    try:
        with pytest.raises(UsageError, match="fsync off") as caught:
            connect(postgres.url(name))
        assert caught.value.hint == "turn fsync on"
    finally:
        turn("on")
