"""From the fleet file to tenants: what it gives by the names of `run`'s flags is read as that command reads its flags.

Neither the environment nor bulkroute.toml has a say in what a tenant gets: the fleet file is all of it.
"""

import contextvars
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bulkroute.cli.command_line import as_given
from bulkroute.cli.options import settings_from
from bulkroute.cli.run import run
from bulkroute.cli.wave_options import require_somebody
from bulkroute.errors import UsageError
from bulkroute.fleet.credentials_file import read_credentials
from bulkroute.fleet.fleet_file import Entry, FleetFile, Given, read_fleet
from bulkroute.fleet.tenants import Fleet, FleetTenant, require_apart
from bulkroute.ledger.intake import default_ledger
from bulkroute.manifest import Faults
from bulkroute.settings import parse_rate

NEEDED = ("base-url", "manifest", "credentials")
OWN = ("manifest", "credentials", "limit")
"""What is given to a tenant and is no flag."""

OF_THE_FLEET = frozenset(
    {
        "config",
        "profile",
        "tenant",
        "on",
        "yes",
        "json",
        "quiet",
        "log-format",
        "log-file",
        "metrics-file",
        "simulate",
        "help",
    }
)
"""Flags of `run` that a single tenant cannot have."""


def fleet_of(path: Path, notices: list[str]) -> Fleet:
    """Return the tenants of a fleet file; `notices` gets what somebody should know.

    Raises ManifestError with every fault of the file, of its values and of the credentials files, each with its line.
    """
    faults = Faults(str(path))
    found = read_fleet(path, faults)
    limits = _limits(found.limits, faults)
    tenants = [tenant for entry in found.tenants if (tenant := _tenant(entry, found, faults)) is not None]
    require_apart(tenants, faults)
    for name in limits.keys() - {tenant.limit for tenant in tenants}:
        faults.warn(f"no tenant has the limit {name}", found.limits[name].line)
    if faults.total:
        raise faults.error()
    notices += [*(f"warning: {text}" for text in faults.warnings), *faults.notices]
    return Fleet(path, tenants, limits)


def _limits(given: Mapping[str, Given], faults: Faults) -> dict[str, float]:
    limits = {}
    for name, (value, line) in given.items():
        try:
            rate_per_s = parse_rate(value) if isinstance(value, str) else None
        except ValueError as error:
            faults.add(line, f"limit {name}: {error}")
            continue
        if rate_per_s is None:
            faults.add(line, f"limit {name} must be a rate: 20, or 600/m")
        else:
            limits[name] = rate_per_s
    return limits


def _tenant(entry: Entry, fleet: FleetFile, faults: Faults) -> FleetTenant | None:
    """Return a tenant; None, and faults, where anything is wrong with it."""
    before = faults.total
    missing = [name for name in NEEDED if name not in entry.given]
    if missing:
        faults.add(entry.line, f"{entry.name} has no {' and no '.join(missing)}")
    limit = entry.given.get("limit")
    if limit is not None and (not isinstance(limit.value, str) or limit.value not in fleet.limits):
        faults.add(limit.line, f"{entry.name}: there is no limit {limit.value} under `limits`")
    options = _options(entry, faults)
    if faults.total > before or options is None:
        return None
    given, beside = entry.given["credentials"], fleet.path.parent
    try:
        credentials = read_credentials(beside / str(given.value))
    except UsageError as error:
        faults.add(given.line, f"{entry.name}: {error}")
        return None
    try:
        require_somebody(options)
        settings = settings_from(options, credentials=credentials, tenant=entry.name, command_line=as_given())
    except UsageError as error:
        faults.add(entry.line, f"{entry.name}: {error}")
        return None
    manifest = beside / str(entry.given["manifest"].value)
    ledger = beside / options["ledger"] if options["ledger"] else default_ledger(manifest)
    shared = str(limit.value) if limit else None
    return FleetTenant(entry.name, entry.line, settings, manifest, options["format_"], ledger, shared)


def _options(entry: Entry, faults: Faults) -> dict[str, Any] | None:
    """Return what the flags that a tenant is given come to; None, and faults, where one is no good."""
    flags = _flags()
    values: dict[str, Any] = {}
    before = faults.total
    for name, (value, line) in entry.given.items():
        option = flags.get(name)
        if name in OWN:
            if not isinstance(value, str):
                faults.add(line, f"{entry.name}: {name} must be one text")
        elif option is None or option.name is None:
            faults.add(line, f"{entry.name}: {_unknown(name, flags)}")
        elif isinstance(value, list) and not option.multiple:
            faults.add(line, f"{entry.name}: {name} must be one text, no list")
        else:
            values[option.name] = [value] if option.multiple and isinstance(value, str) else value
    if faults.total > before:
        return None
    try:
        # In a context of its own: flags of `run` that say how it talks are none of a tenant's.
        return contextvars.copy_context().run(_parse, values)
    except click.UsageError as error:
        named = error.param.name if isinstance(error, click.BadParameter) and error.param else None
        lines = [given.line for name, given in entry.given.items() if name in flags and flags[name].name == named]
        faults.add(lines[0] if lines else entry.line, f"{entry.name}: {error.format_message()}")
        return None


def _parse(values: dict[str, Any]) -> dict[str, Any]:
    """Return the options of `run` with these values, read as the command line reads them. Raises click.UsageError."""
    with run.make_context("run", ["-"], default_map=values, auto_envvar_prefix=None) as context:
        return context.params


def _flags() -> dict[str, click.Option]:
    """Return the flags of `run` that a tenant may be given, by their names."""
    return {
        name: option
        for option in run.params
        if isinstance(option, click.Option)
        for flag in option.opts
        if (name := flag.removeprefix("--")) not in OF_THE_FLEET
    }


def _unknown(name: str, flags: Mapping[str, click.Option]) -> str:
    if name in OF_THE_FLEET:
        return f"{name} is for the whole fleet, on the command line"
    near = difflib.get_close_matches(name, [*flags, *OWN], 1, 0.7)
    return f"no flag of `bulkroute run` is called {name}{f'; did you mean {near[0]}?' if near else ''}"
