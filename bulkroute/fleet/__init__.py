"""Fleets: the routes of many tenants rebound in one night, each with its own manifest, ledger, credentials and outcome."""
