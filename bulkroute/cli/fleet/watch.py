"""`bulkroute fleet watch`: the live page of a fleet."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bulkroute.cli.fleet.options import fleet_file
from bulkroute.cli.options import CONTEXT
from bulkroute.cli.watch import require_private, serve, watch_options

if TYPE_CHECKING:
    from bulkroute.fleet.feed import FleetFeed
    from bulkroute.fleet.page_server import FleetServer
    from bulkroute.web.access import Access


@click.command(context_settings=CONTEXT)
@fleet_file
@watch_options
def watch(fleet: Path, listen: tuple[str, int], open_: bool, control: bool, public: bool) -> None:
    """Serve a page that shows all tenants of FLEET live, a line each, those first that need somebody, until Ctrl-C.

    A click on a tenant leads to its own page, as `bulkroute watch` serves it. With --control all runs can be paused,
    resumed and stopped there, and each run on its tenant's page.

    Only who opens the link that is printed gets in: other users of this machine reach the port too. It only reads, and
    asks the runs that go on: closing the page or ending this command never touches them.

    Example: bulkroute fleet watch fleet.yaml --open
    """
    import asyncio  # here, since help must not wait for these

    from bulkroute.cli.fleet.ledgers import ledgers_of
    from bulkroute.fleet.feed import FleetFeed
    from bulkroute.fleet.page_server import FleetServer
    from bulkroute.fleet.standing import Standing

    require_private(control=control, public=public)
    tenants = ledgers_of(fleet)

    def made(access: "Access") -> "tuple[FleetServer, FleetFeed]":
        feed = FleetFeed(Standing(tenants), fleet.name)
        return FleetServer(tenants, feed, access, may_control=control), feed

    asyncio.run(serve(str(fleet), made, listen, open_=open_, public=public))
