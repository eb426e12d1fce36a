"""`bulkroute fleet watch`: the live page of a fleet."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.fleet.options import fleet_file, of_hosts
from bulkroute.cli.options import CONTEXT
from bulkroute.cli.watch import require_private, serve, watch_options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bulkroute.fleet.feed import FleetFeed
    from bulkroute.fleet.page_server import FleetServer
    from bulkroute.fleet.views import TenantView
    from bulkroute.web.access import Access

    Look = Callable[[], Awaitable[list[TenantView]]]


@click.command(context_settings=CONTEXT)
@fleet_file
@watch_options
@of_hosts
def watch(fleet: Path, listen: tuple[str, int], open_: bool, control: bool, public: bool, on: str | None) -> None:
    """Serve a page that shows all tenants of FLEET live, a line each, those first that need somebody, until Ctrl-C.

    A click on a tenant leads to its own page, as `bulkroute watch` serves it. With --control all runs can be paused,
    resumed and stopped there, and each run on its tenant's page. With --on it shows what the hosts have said last that work
    on the tenants, and tells the runs on all of them; a tenant's own page is there if its ledger is on this host.

    Only who opens the link that is printed gets in: other users of this machine reach the port too. It only reads, and
    asks the runs that go on: closing the page or ending this command never touches them.

    Example: bulkroute fleet watch fleet.yaml --open
    """
    import asyncio  # here, since help must not wait for these
    from functools import partial

    from bulkroute.cli.fleet.ledgers import ledgers_of
    from bulkroute.fleet.feed import FleetFeed
    from bulkroute.fleet.page_server import FleetServer, TellAll
    from bulkroute.fleet.standing import Standing
    from bulkroute.fleet.steering import tell

    require_private(control=control, public=public)
    tenants = ledgers_of(fleet)
    look: Look = Standing(tenants).read
    tell_all: TellAll = partial(tell, tenants, whole=True)
    if on:
        from bulkroute.cli.fleet.fleet_of import fleet_of  # here, since only who asks for it needs psycopg
        from bulkroute.fleet import from_database

        known = fleet_of(fleet, []).tenants
        look, tell_all = partial(from_database.views, on, known), partial(from_database.tell, on, known, whole=True)

    def made(access: "Access") -> "tuple[FleetServer, FleetFeed]":
        feed = FleetFeed(look, tenants, fleet.name)
        return FleetServer(tenants, feed, access, tell_all if control else None), feed

    asyncio.run(serve(str(fleet), made, listen, open_=open_, public=public))
