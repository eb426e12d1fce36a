"""`bulkroute fleet`: many tenants at once, one command a file."""

import click

from bulkroute.cli import FLEET
from bulkroute.cli.lazy_group import LazyGroup
from bulkroute.cli.options import CONTEXT


@click.group(cls=LazyGroup, package="bulkroute.cli.fleet", lines=FLEET, context_settings=CONTEXT)
def fleet() -> None:
    """Work on many tenants at once, each with its own manifest, ledger, credentials, rate and outcome.

    The fleet file names them; what a tenant is given are the flags of `bulkroute run` by their names:

    \b
    defaults: {rate: 20, canary: 5, until: "04:00"}
    limits: {partner-a: 50}
    tenants:
      acme:
        base-url: https://cc1.example.com
        manifest: acme.csv
        credentials: secrets/acme.env
        limit: partner-a

    A tenant that fails touches no other, and each command of bulkroute works on the ledger of each tenant.
    """
