"""One file of metrics for a fleet: each tenant's series with its name, kept as it ended, and tenants by state."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bulkroute.errors import UsageError
from bulkroute.fleet.metrics import FleetMetrics
from bulkroute.fleet.tenants import Fleet, FleetTenant
from bulkroute.fleet.views import ENDED, PREPARING, TO_COME, TenantView
from bulkroute.settings import Settings
from tests.unit.output.test_closing import SUMMARY
from tests.unit.output.test_words import PROGRESS


def values(file: Path, name: str, label: str = "tenant") -> dict[str, float]:
    """Return the values of a metric by one of its labels."""
    families = text_string_to_metric_families(file.read_text())
    return {each.labels[label]: each.value for family in families for each in family.samples if each.name == name}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def metrics(tmp_path: Path, told: list[str]) -> Iterator[FleetMetrics]:
    settings = Settings(base_url="https://cc.example.com")
    tenants = [
        FleetTenant(name, 1, settings, tmp_path / f"{name}.csv", None, tmp_path / f"{name}.ledger.db", None)
        for name in ("a", "b", "c")
    ]
    made = FleetMetrics(tmp_path / "f.prom", Fleet(tmp_path / "fleet.yaml", tenants, {}), told.append)
    yield made
    made.close()


def test_each_tenant_has_its_series_and_how_it_ended_stays(metrics: FleetMetrics, tmp_path: Path) -> None:
    file = tmp_path / "f.prom"
    states = values(file, "bulkroute_fleet_tenants", "state")
    assert (states["to_come"], sum(states.values())) == (3, 3)
    failed = TenantView("a", ENDED, exit_code=1, summary=SUMMARY)
    metrics.ended([failed, TenantView("b", "running", progress=PROGRESS), TenantView("c", PREPARING)])
    assert values(file, "bulkroute_calls_total") == {"a": SUMMARY.attempts, "b": PROGRESS.attempts, "c": 0}
    assert values(file, "bulkroute_last_run_exit_code") == {"a": 1, "b": -1, "c": -1}
    ledgers = values(file, "bulkroute_last_run_start_timestamp_seconds", "ledger")
    assert ledgers.keys() == {str(tmp_path / f"{name}.ledger.db") for name in "abc"}
    states = values(file, "bulkroute_fleet_tenants", "state")
    assert {state for state, tenants in states.items() if tenants} == {"failed", "running", "preparing"}
    ended_at = values(file, "bulkroute_last_run_end_timestamp_seconds")
    metrics.ended(
        [
            failed,
            TenantView("b", ENDED, exit_code=0, summary=replace(SUMMARY, attempts=PROGRESS.attempts + 5)),
            TenantView("c", TO_COME),
        ]
    )
    assert values(file, "bulkroute_calls_total")["b"] == PROGRESS.attempts + 5
    assert values(file, "bulkroute_last_run_end_timestamp_seconds")["a"] == ended_at["a"] > 0
    assert file.read_text().count("# HELP bulkroute_rows ") == 1


def test_a_file_that_can_no_longer_be_written_is_told_once_and_ends_nothing(
    metrics: FleetMetrics, told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "f.prom").unlink()
    (tmp_path / "f.prom").mkdir()
    for _ in range(3):
        metrics.ended([TenantView("a", PREPARING)])
    assert len(told) == 1
    assert "f.prom" in told[0]


def test_a_ledger_or_something_else_is_not_replaced(metrics: FleetMetrics, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet.yaml", [], {})
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no file of metrics"):
        FleetMetrics(tmp_path / "notes.txt", fleet, print)
