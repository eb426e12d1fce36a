"""Opens a saved plan for whoever shows it: its rows come out only once all of it is known to be intact."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bulkroute.errors import UsageError
from bulkroute.manifest.faults import Faults
from bulkroute.manifest.plan_reader import PlanReader, not_intact
from bulkroute.manifest.saved_plan import PlanHead, PlanRow
from bulkroute.manifest.source import open_manifest


class SavedPlan:
    """An open plan that is intact; good for the block of `SavedPlan.open`."""

    @classmethod
    @contextmanager
    def open(cls, source: str | Path) -> Iterator["SavedPlan"]:
        """Open the saved plan at `source`, or on standard input for "-"; a pipe is copied, since it is read twice.

        Raises ManifestError if it is missing or not intact, and UsageError where a pipe cannot be copied (TMPDIR is full).
        """
        with open_manifest(source, "plan") as opened:
            if opened.rereadable:
                yield cls(opened.file, opened.name)
                return
            with tempfile.TemporaryFile() as copy:
                try:
                    shutil.copyfileobj(opened.file, copy)
                except OSError as error:
                    what = f"cannot be copied: {error.strerror}"
                    raise UsageError(what, where=opened.name, hint="see TMPDIR") from error
                yield cls(copy, opened.name)

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        faults, plan = self._read()
        for _row in plan.rows():
            pass
        if faults.total or plan.head is None:
            raise not_intact(faults)
        self.head: PlanHead = plan.head
        """Its first line."""
        self.fingerprint: str = plan.fingerprint
        """The SHA-256 of all bytes before its last line, 64 hex digits."""

    def rows(self) -> Iterator[PlanRow]:
        """Yield its rows in order, reading them again. Raises ManifestError where the file has changed since."""
        faults, plan = self._read()
        yield from plan.rows()
        if plan.fingerprint != self.fingerprint:
            faults.add(0, "the plan was changed while it was read")
            raise not_intact(faults)

    def _read(self) -> tuple[Faults, PlanReader]:
        self._file.seek(0)
        faults = Faults(self._name)
        return faults, PlanReader(self._file.readline, faults)
