"""From the fleet file to tenants: flags are read as `run` reads them, and by the fleet file alone."""

import os
from pathlib import Path

import pytest

from bulkroute.cli.fleet.fleet_of import OF_THE_FLEET, fleet_of
from bulkroute.cli.messages import log_format
from bulkroute.cli.run import run
from bulkroute.errors import ManifestError
from bulkroute.settings import OnDrift, parse_waves

KEYS = "BULKROUTE_APP_KEY={}\nBULKROUTE_APP_SECRET=hush-hush\n"


def _fleet(tmp_path: Path, text: str) -> Path:
    for name in ("one", "two"):
        (tmp_path / f"{name}.env").write_text(KEYS.format(name))
        (tmp_path / f"{name}.env").chmod(0o600)
    (tmp_path / "token.env").write_text("BULKROUTE_TOKEN=hush-hush\n")
    (tmp_path / "token.env").chmod(0o600)
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    return file


def _faults(tmp_path: Path, text: str) -> list[str]:
    file = _fleet(tmp_path, text)
    with pytest.raises(ManifestError) as caught:
        fleet_of(file, [])
    assert caught.value.exit_code == 65
    return [fault.removeprefix(f"{file}:") for fault in caught.value.faults]


ONE = 'base-url: "https://a.example", manifest: m.csv, credentials: one.env'
TWO = 'base-url: "https://a.example", manifest: n.csv, credentials: two.env'


def test_flags_mean_what_they_mean_to_run(tmp_path: Path) -> None:
    text = f"""
defaults: {{rate: 600/m, strict-targets: true}}
limits: {{shared: 30}}
tenants:
  acme: {{{ONE}, snapshot: false, header: ["X-A: b"], skip: locked, on-drift: keep, limit: shared}}
  globex: {{{TWO}, waves: "1,rest", ledger: kept/g.db, rate: 5, format: yaml}}
"""
    acme, globex = fleet_of(_fleet(tmp_path, text), []).tenants
    assert (acme.settings.rate_per_s, globex.settings.rate_per_s) == (10.0, 5.0)
    assert acme.settings.strict_targets
    assert not acme.settings.snapshot
    assert acme.settings.headers == (("X-A", "b"),)
    assert acme.settings.skip == {"locked"}
    assert acme.settings.on_drift is OnDrift.KEEP
    assert globex.settings.wave_sizes == parse_waves("1,rest")
    assert (acme.settings.tenant, acme.settings.credentials.app_key, acme.limit) == ("acme", "one", "shared")
    assert (acme.manifest, acme.ledger) == (tmp_path / "m.csv", tmp_path / "m.ledger.db")
    assert (globex.ledger, globex.format, globex.limit) == (tmp_path / "kept/g.db", "yaml", None)


def test_neither_environment_nor_settings_file_nor_log_format_has_a_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BULKROUTE_RATE", "3")
    monkeypatch.setenv("BULKROUTE_TOKEN", "of-somebody-else")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bulkroute.toml").write_text("rate = 4\n")
    log_format.set("json")
    (acme,) = fleet_of(_fleet(tmp_path, f"tenants: {{acme: {{{ONE}}}}}"), []).tenants
    assert acme.settings.rate_per_s == 10.0
    assert acme.settings.credentials.token is None
    assert log_format.get() == "json"
    log_format.set("text")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"tenants:\n  a: {{{ONE}, rate: fast}}", "2: a: Invalid value for '--rate': 'fast' is not a rate"),
        (f"defaults: {{rate: fast}}\ntenants:\n  a: {{{ONE}}}", "1: a: Invalid value for '--rate'"),
        (f"tenants:\n  a: {{{ONE}, ratee: 5}}", "2: a: no flag of `bulkroute run` is called ratee; did you mean rate?"),
        (f"tenants:\n  a: {{{ONE}, json: true}}", "2: a: json is for the whole fleet, on the command line"),
        (f"tenants:\n  a: {{{ONE}, rate: [1, 2]}}", "2: a: rate must be one text, no list"),
        (f"tenants:\n  a: {{{ONE}, limit: x}}", "2: a: there is no limit x under `limits`"),
        (f"tenants:\n  a: {{{ONE}, canary: 1, waves: rest}}", "2: a: --canary N is the same as --waves N,rest"),
        (f"tenants:\n  a: {{{ONE}, gate-hold: true}}", "2: a: --gate-hold waits for a person"),
        (f"limits: {{x: unlimited}}\ntenants:\n  a: {{{ONE}}}", "1: limit x must be a rate: 20, or 600/m"),
        (f"limits: {{x: 0}}\ntenants:\n  a: {{{ONE}}}", "1: limit x: "),
        ("tenants:\n  a: {rate: 5}", "2: a has no base-url and no manifest and no credentials"),
        ("tenants:\n  a: {manifest: [m], base-url: x, credentials: y}", "2: a: manifest must be one text"),
        (
            "tenants:\n  a: {base-url: 'https://x/y', manifest: m.csv, credentials: one.env}",
            "2: a: base_url (--base-url) 'https://x/y' is not the root of a service",
        ),
        (
            "tenants:\n  a:\n    base-url: https://x\n    manifest: m.csv\n    credentials: none.env",
            "5: a: ",
        ),
        (f"tenants:\n  a: {{{ONE}}}\n  b: {{{TWO}, ledger: m.ledger.db}}", "3: b and a have one ledger"),
        (f"tenants:\n  a: {{{ONE}}}\n  b: {{{ONE}, ledger: b.db}}", "3: b and a have one service and one app key"),
    ],
)
def test_a_fault_has_its_line_and_its_tenant(tmp_path: Path, text: str, fault: str) -> None:
    found = _faults(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_a_link_to_a_ledger_is_that_ledger(tmp_path: Path) -> None:
    (tmp_path / "b.db").symlink_to("m.ledger.db")
    assert "have one ledger" in _faults(tmp_path, f"tenants:\n  a: {{{ONE}}}\n  b: {{{TWO}, ledger: b.db}}")[0]


def test_two_at_one_service_may_share_a_limit_and_tokens_do_not_tell(tmp_path: Path) -> None:
    token = 'base-url: "https://a.example:443", manifest: {}.csv, credentials: token.env'
    text = f"""
limits: {{x: 5, unused: 3}}
tenants:
  a: {{{ONE}, limit: x}}
  b: {{{ONE}, limit: x, ledger: b.db}}
  c: {{{token.format("c")}}}
  d: {{{token.format("d")}}}
"""
    notices: list[str] = []
    assert len(fleet_of(_fleet(tmp_path, text), notices).tenants) == 4
    assert [notice.partition(": ")[0] for notice in notices] == ["warning", str(tmp_path / "fleet.yaml")]
    assert "no tenant has the limit unused" in notices[0]
    assert "c and d go to one service with tokens" in notices[1]


def test_what_is_for_the_whole_fleet_are_flags_of_run() -> None:
    flags = {flag.removeprefix("--") for option in run.params for flag in option.opts}
    assert flags >= OF_THE_FLEET - {"help"}
    assert os.sep not in "".join(flags)
