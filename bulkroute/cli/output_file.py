"""`-o FILE`: what it may be written over. No file without --force; never a ledger, nor the manifest that one names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bulkroute.cli.options import PATH, together
from bulkroute.errors import LedgerError, UsageError

F = TypeVar("F", bound=Callable[..., Any])


def output_to(**shown: Any) -> Callable[[F], F]:
    """Return a decorator that adds `-o` and `--force`."""
    return together(
        click.option("-o", "--output", type=PATH, **shown),
        click.option("--force", is_flag=True, help="Replace FILE if it is there. Never a ledger or its manifest."),
    )


def require_free(path: Path, *, force: bool, ledger: Path | None = None, manifest: str | None = None) -> None:
    """Refuse to write over a file that must stay: nothing, a device or a FIFO is free. Raises UsageError.

    `ledger`: whose rows are to be written. `manifest`: what they are made of.
    """
    from bulkroute.atomic_file import is_stream  # here, since help must not wait for these
    from bulkroute.ledger.paths import of_a_ledger, same_file

    if not os.path.lexists(path) or is_stream(path):
        return
    hint = "name another file with -o"
    if of_a_ledger(path):
        raise UsageError("is a ledger, or belongs to one", where=str(path), hint=hint)
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    for named_by in dict.fromkeys((ledger, place.with_suffix(".ledger.db"))):
        if named_by is not None and _is_manifest_of(path, named_by):
            raise UsageError(f"is the manifest of {named_by}", where=str(path), hint=hint)
    if manifest is not None and same_file(path, Path(manifest)):
        raise UsageError("is the manifest itself", where=str(path), hint=hint)
    if not force:
        raise UsageError("is there already", where=str(path), hint=f"{hint}, or replace it with --force")


def require_csv_name(path: Path) -> None:
    """Refuse a name by which readers of manifests would take the CSV that is to be written for YAML. Raises UsageError."""
    if path.suffix.lower() in (".yaml", ".yml"):
        raise UsageError("what is written is CSV, which no reader of YAML takes", where=str(path), hint="call it .csv")


def _is_manifest_of(path: Path, ledger: Path) -> bool:
    """Tell whether a ledger, if it is one that can be read, names this file as the manifest of any of its batches."""
    from bulkroute.ledger.ledger import Ledger  # here, as above
    from bulkroute.ledger.paths import same_file

    try:
        with Ledger(ledger).read() as reader:
            names = reader.manifests()
    except LedgerError:
        return False
    # As it was given then: from the folder of that run, which is often this one or the ledger's.
    return any(same_file(path, Path(name)) or same_file(path, ledger.parent / name) for name in names)
