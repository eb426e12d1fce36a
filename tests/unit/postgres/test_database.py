"""Several hosts, one database: a tenant is one host's at a time, and its ledger is the same wherever it goes on."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from bulkroute.errors import LedgerError, NotRunning, StopKind
from bulkroute.ledger import fetched
from bulkroute.ledger.batches import Tenant
from bulkroute.ledger.journal import Journal
from bulkroute.ledger.ledger import Ledger
from bulkroute.postgres import claim as claim_module
from bulkroute.postgres import session as session_module
from bulkroute.postgres import stored, words
from bulkroute.postgres.claim import Claim
from bulkroute.postgres.database import Database, tenant_number
from tests.ledgers import written
from tests.unit.ledger.test_replay import Night, content, ledger

pytestmark = pytest.mark.slow

ACME, GLOBEX = Tenant("https://cc.example.com", "k1"), Tenant("https://cc.example.com", "k2")


async def taken(database: Database, path: Path, tenant: Tenant = ACME) -> tuple[Claim, str | None]:
    claim = await database.claim(tenant, "acme")
    assert claim is not None
    return claim, await claim.bring_up(path)


async def kill_sessions(url: str) -> None:
    """End every session but this one, as a host that is cut off loses its own."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


class Host:
    """A host that has begun a run on a ledger of its own folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.night = Night(7, back=False)

    async def begin(self, database: Database) -> Claim:
        """Take the tenant, make a ledger with a run, and copy it."""
        claim, _ = await taken(database, self.path)
        run = ledger(self.path, back=False, marked=False)
        self.connection = written(self.path)
        self.journal = Journal(self.connection, self.path, run, lambda *_: None, claim.copy)
        await self.journal.begin()
        return claim

    async def work(self, commits: int) -> None:
        for _ in range(commits):
            self.journal._notes = self.night.notes()
            await self.journal.flush()

    def stop(self) -> None:
        self.connection.close()


async def test_a_tenant_is_one_process_s_until_it_gives_it_back_or_goes(url: str, tmp_path: Path) -> None:
    async with Database(url) as one, Database(url) as two:
        claim, _ = await taken(one, tmp_path / "x.db")
        assert await one.claim(ACME, "acme") is None
        assert await two.claim(ACME, "acme") is None
        assert await two.claim(GLOBEX, "globex") is not None
        await claim.give_back()
        again = await two.claim(ACME, "acme")
        assert again is not None
        await again.bring_up(tmp_path / "y.db")
        assert again.epoch == claim.epoch + 1
        await two._session.close()
        while await one.claim(ACME, "acme") is None:  # the server learns of it in its own time
            await asyncio.sleep(0.01)


def test_a_tenant_is_its_service_and_key() -> None:
    assert tenant_number(ACME, "acme") == tenant_number(ACME, "another fleet's name")
    assert tenant_number(ACME, "acme") != tenant_number(GLOBEX, "acme")
    by_token = Tenant("https://cc.example.com", "")
    assert tenant_number(by_token, "acme") != tenant_number(by_token, "globex")


async def test_another_host_goes_on_with_the_very_ledger(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "PART_BYTES", 20_000)  # several parts
    first = Host(tmp_path / "first.db")
    async with Database(url) as one:
        await first.begin(one)
        await first.work(12)
        await kill_sessions(url)
    first.stop()
    async with Database(url) as two:
        claim, told = await taken(two, tmp_path / "second.db")
        assert told is not None
        assert "taken over from" in told
        assert "made anew from its copy" in told
        assert content(tmp_path / "second.db") == content(first.path)
        assert claim.epoch == 2
        # Nor is it fetched again where it is there already.
        await claim.end(tmp_path / "second.db", 4, {"done": 3})
        _, told = await taken(two, tmp_path / "second.db")
        assert told is None


async def test_nothing_waits_for_a_copy_that_could_not_be_made(url: str, tmp_path: Path) -> None:
    first = Host(tmp_path / "first.db")
    async with Database(url) as one:
        claim, _ = await taken(one, first.path)
        run = ledger(first.path, back=False, marked=False)
        first.connection = written(first.path)
        first.journal = Journal(first.connection, first.path, run, lambda *_: None, claim.copy)
        claim._session.lose("the way there is cut")
        async with asyncio.timeout(10):
            with pytest.raises(LedgerError, match="out of reach"):
                await first.journal.begin()
            with pytest.raises(LedgerError, match="out of reach"):
                await first.work(1)
    first.stop()


async def test_who_has_lost_the_tenant_commits_nothing_more(url: str, tmp_path: Path) -> None:
    first = Host(tmp_path / "first.db")
    async with Database(url) as one, Database(url) as two:
        await first.begin(one)
        await first.work(2)
        assert await two.claim(ACME, "acme") is None
    async with Database(url) as one:
        claim = await one.claim(ACME, "acme")
        assert claim is not None
        await claim.bring_up(first.path)
        await kill_sessions(url)
        async with Database(url) as two:
            await taken(two, tmp_path / "second.db")
            with pytest.raises(LedgerError, match="out of reach") as caught:
                await claim._session.add(claim.tenant, claim.epoch, 99, b"late")
            assert caught.value.stop is StopKind.COPY
            assert one.lost is caught.value
    first.stop()


async def test_a_record_of_an_earlier_epoch_is_refused_by_the_database_too(url: str, tmp_path: Path) -> None:
    async with Database(url) as one:
        claim, _ = await taken(one, tmp_path / "x.db")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("UPDATE bulkroute.tenant SET epoch = epoch + 1")
        with pytest.raises(LedgerError, match="another host has taken"):
            await claim._session.add(claim.tenant, claim.epoch, 1, b"late")
        with psycopg.connect(url) as admin:
            assert admin.execute("SELECT count(*) FROM bulkroute.journal_commit").fetchone() == (0,)


async def test_a_copy_that_is_behind_is_left_alone_and_an_older_ledger_is_set_aside(url: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "first.db").symlink_to(tmp_path / "elsewhere" / "first.db")
    (tmp_path / "elsewhere" / "first.db").touch()
    first = Host(tmp_path / "first.db")
    async with Database(url) as one:
        claim = await first.begin(one)
        await first.work(3)
        first.stop()
        older = content(first.path)
        mark = fetched.mark_of(first.path)
        assert mark is not None
        with psycopg.connect(
            url, autocommit=True
        ) as admin:  # the answer to the last commit never came: here it was written
            admin.execute("DELETE FROM bulkroute.journal_commit WHERE number = %s", (mark.number,))
        await claim.give_back()
        claim, told = await taken(one, first.path)
        assert "anew" not in (told or "")
        assert content(first.path) == older
        await claim.give_back()

        await taken(one, tmp_path / "second.db")
        second = content(tmp_path / "second.db")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("UPDATE bulkroute.tenant SET base_epoch = epoch")
        await one._claims[tenant_number(ACME, "acme")].give_back()
        _, told = await taken(one, first.path)
        assert told is not None
        assert "kept as first.db.set-aside-1" in told
        assert content(tmp_path / "elsewhere" / "first.db.set-aside-1") == older
        assert content(first.path) == second


async def test_a_ledger_of_another_database_or_tenant_is_refused(url: str, tmp_path: Path) -> None:
    first = Host(tmp_path / "first.db")
    async with Database(url) as one:
        await first.begin(one)
        first.stop()
        claim = await one.claim(GLOBEX, "globex")
        assert claim is not None
        with pytest.raises(LedgerError, match="in another database, or of another tenant"):
            await claim.bring_up(first.path)
        with pytest.raises(LedgerError, match="has a copy"):
            fetched.require_free(first.path)


async def test_detached_it_is_a_ledger_like_any(url: str, tmp_path: Path) -> None:
    first = Host(tmp_path / "first.db")
    async with Database(url) as one:
        claim = await first.begin(one)
        await first.work(2)
        first.stop()
        await claim.detach(first.path)
        fetched.require_free(first.path)
        assert await one.overview([claim.tenant]) == {}
        with psycopg.connect(url) as admin:
            for table in ("tenant", "base", "journal_commit", "word"):
                assert admin.execute(f"SELECT count(*) FROM bulkroute.{table}").fetchone() == (0,)


async def test_any_host_sees_how_far_a_tenant_is(url: str, tmp_path: Path) -> None:
    first = Host(tmp_path / "first.db")
    async with Database(url) as one, Database(url) as two:
        claim = await first.begin(one)
        claim.state = {"done": 17, "name": "Größe"}
        while not (seen := (await two.overview([claim.tenant, 5]))[claim.tenant]).state:
            await asyncio.sleep(0.05)
        assert seen.is_held
        assert seen.ended_at is None
        assert (seen.name, seen.service, seen.state) == ("acme", ACME.service, {"done": 17, "name": "Größe"})
        first.stop()
        await claim.end(first.path, 1, {"done": 20})
        seen = (await two.overview([claim.tenant]))[claim.tenant]
        assert (seen.is_held, seen.exit_code, seen.state) == (False, 1, {"done": 20})
        assert seen.ended_at is not None


async def test_a_ledger_that_another_command_holds_for_good_is_given_back_all_the_same(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "TRY_EVERY_S", 0.01)
    first = Host(tmp_path / "first.db")
    async with Database(url) as one:
        claim = await first.begin(one)
        first.stop()
        with Ledger(first.path).hold():
            await claim.end(first.path, 4)
        seen = (await one.overview([claim.tenant]))[claim.tenant]
        assert (seen.is_held, seen.exit_code) == (False, 4)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_mistake_of_ours_in_the_session_is_no_hang(url: str) -> None:
    async with Database(url) as one:
        with pytest.raises(ZeroDivisionError):
            await one._session.run(lambda _connection: 1 / 0)
        one._session._thread.join()
        with pytest.raises(LedgerError, match="out of reach"):
            await one.overview([1])


async def test_any_host_may_ask_the_run_of_a_tenant(url: str, tmp_path: Path) -> None:
    async def obey(verb: str, value: str | None) -> dict[str, object]:
        if verb == "bad":
            raise NotRunning("it gets ready")
        return {"ok": True, "verb": verb, "value": value}

    async with Database(url) as one, Database(url) as two:
        claim, _ = await taken(one, tmp_path / "x.db")
        claim.on_word = obey
        assert await two.ask(ACME, "acme", "pause", "Größe") == {"ok": True, "verb": "pause", "value": "Größe"}
        assert await two.ask(ACME, "acme", "bad") == {"ok": False, "error": "it gets ready"}
        with psycopg.connect(url) as admin:
            assert admin.execute("SELECT count(*) FROM bulkroute.word").fetchone() == (0,)


async def test_a_word_that_nobody_hears_is_heard_by_no_later_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "HEARD_WITHIN_S", 0.3)
    heard = []

    async def obey(verb: str, value: str | None) -> dict[str, object]:
        heard.append(verb)
        return {"ok": True}

    async with Database(url) as one, Database(url) as two:
        with pytest.raises(NotRunning, match="no run on any host"):
            await two.ask(ACME, "acme", "pause")
        with psycopg.connect(url, autocommit=True) as admin:  # by one that was killed while it waited
            admin.execute(
                "INSERT INTO bulkroute.word (tenant, verb, said_at) VALUES (%s, 'stop', clock_timestamp() - interval '0.4 s')",
                (tenant_number(ACME, "acme"),),
            )
        claim, _ = await taken(one, tmp_path / "x.db")
        claim.on_word = obey
        while await two._session.run(lambda connection: connection.execute("SELECT 1 FROM bulkroute.word").fetchone()):
            await asyncio.sleep(0.1)
        assert heard == []


async def test_commits_while_the_copy_is_made_follow_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_module, "PART_BYTES", 5_000)
    monkeypatch.setattr(stored, "PARTS_AT_ONCE", 3)
    monkeypatch.setattr(stored, "RECORDS", 5)
    path = tmp_path / "x.db"
    async with Database(url) as one:
        claim, _ = await taken(one, path)
        run = ledger(path, back=False, marked=False)
        connection = written(path)
        journal = Journal(connection, path, run, lambda *_: None, claim.copy)
        await journal.flush()  # before: part of the copy
        making = asyncio.create_task(journal.begin())
        sent: list[asyncio.Future[None]] = []
        while not making.done():
            sent.append(journal.sent([1 + len(sent)]) if len(sent) < 12 else journal._commit_soon())
            await asyncio.sleep(0.005)
        await asyncio.gather(making, *sent)
        connection.close()
        await claim.give_back()
        claim, _ = await taken(one, tmp_path / "y.db")
        assert content(tmp_path / "y.db") == content(path)

        await claim.end(tmp_path / "y.db", 0)  # of what was before nothing is left
        with psycopg.connect(url) as admin:
            assert admin.execute("SELECT count(*) FROM bulkroute.journal_commit").fetchone() == (0,)
            assert admin.execute("SELECT count(DISTINCT base) FROM bulkroute.base").fetchone() == (1,)


async def test_a_server_that_stands_still_is_given_up(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "HUNG_S", 0.2)
    async with Database(url) as one:
        claim, _ = await taken(one, tmp_path / "x.db")
        blocked = await psycopg.AsyncConnection.connect(url)
        async with blocked:
            await blocked.execute("LOCK bulkroute.journal_commit")
            with pytest.raises(LedgerError, match="does not answer"):
                await claim._session.add(claim.tenant, claim.epoch, 1, b"late")
            with pytest.raises(LedgerError, match="does not answer"):
                await one.overview([claim.tenant])
