"""What it costs that each commit of a ledger goes to PostgreSQL too: the same fleet with `--on` and without, in turn."""

import json
from pathlib import Path

from tests.bench import manifests
from tests.bench.figures import Finding, at_least, ratios, spread
from tests.bench.processes import ENVIRONMENT, SCRIPT, json_of, spend
from tests.bench.service import Nginx
from tests.postgres import cluster, programs


def cost(folder: Path, service: Nginx, *, rows: int, rounds: int) -> list[Finding]:
    """Return rows per second with a copy against those without; nothing where PostgreSQL is not installed."""
    if programs() is None:
        return []
    own = folder / "copied"
    own.mkdir()
    rates: dict[str, list[float]] = {"alone": [], "copied": []}
    with cluster(folder) as server:
        for _ in range(rounds):
            fleet = _fleet(own, service.root, rows)
            rates["alone"].append(_rate(fleet))
            fleet = _fleet(own, service.root, rows)
            rates["copied"].append(_rate(fleet, "--on", server.url(server.new_database())))
    return [
        Finding("rows/s: a tenant of a fleet, with a copy in PostgreSQL", spread(rates["copied"])),
        Finding("rows/s with a copy in PostgreSQL", ratios(rates["copied"], rates["alone"]), at_least(0.7)),
    ]


def _fleet(folder: Path, root: str, rows: int) -> Path:
    """Write a fleet of one tenant that has no ledger yet."""
    for left in folder.glob("*.ledger.db*"):
        left.unlink()
    manifests.write_csv(folder / "acme.csv", rows)
    secret = folder / "secret.env"
    secret.write_text(f"BULKROUTE_TOKEN={ENVIRONMENT['BULKROUTE_TOKEN']}\n")
    secret.chmod(0o600)
    tenant = {"base-url": root, "manifest": "acme.csv", "credentials": "secret.env"}
    given = {"rate": "unlimited", "concurrency": 64, "snapshot": False, "timeout": 600, **tenant}
    fleet = folder / "fleet.yaml"
    fleet.write_text(json.dumps({"tenants": {"acme": given}}))  # JSON is YAML
    return fleet


def _rate(fleet: Path, *more: str) -> float:
    spent = spend([SCRIPT, "fleet", "run", fleet, "--json", "--quiet", "--yes", *more], cwd=fleet.parent)
    return float(json_of(spent)["tenants"][0]["rate"])
