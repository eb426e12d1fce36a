"""A file of metrics for node_exporter's textfile collector, replaced as a whole, readable by all.

Several commands may share it: each keeps the metrics of the others as they are. It never replaces anything else.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, Metric, disable_created_metrics, generate_latest

from bulkroute.atomic_file import replacing
from bulkroute.errors import UsageError
from bulkroute.ledger.paths import require_apart
from bulkroute.model import escaped

READABLE = 0o644
"""Mode of a new file: node_exporter is another user."""

BEGINS = b"# HELP bulkroute_"
"""How every file of metrics begins."""

HINT = "name another file with --metrics-file"

_FAMILY = re.compile(r"^# HELP (?P<name>\w+).*?(?=^# HELP |\Z)", re.MULTILINE | re.DOTALL)


class Labelled(CollectorRegistry):
    """Metrics whose series all have some labels in common, so that those of several runs fit into one folder."""

    def __init__(self, labels: dict[str, str]) -> None:
        super().__init__()
        self._labels = labels

    def gauge(self, name: str, means: str, *labels: str) -> Gauge:
        """Return a new gauge in it."""
        return Gauge(name, means, labels, registry=self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with their labels."""
        for metric in super().collect():
            metric.samples = [each._replace(labels={**self._labels, **each.labels}) for each in metric.samples]
            yield metric


class _Joined(CollectorRegistry):
    """The metrics of several registries; those of one name are one metric with the series of all."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[Labelled] = []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, each once."""
        found: dict[str, Metric] = {}
        for metric in (each for part in self.parts for each in part.collect()):
            known = found.setdefault(metric.name, metric)
            if known is not metric:
                known.samples += metric.samples
        yield from found.values()


class MetricsFile:
    """The metrics of one command in a file that others may share."""

    def __init__(self, file: Path, ledgers: Iterable[Path]) -> None:
        """Take the file. Raises UsageError for one with something else in it, or that of one of the ledgers."""
        for ledger in ledgers:
            require_apart(file, ledger, hint=HINT)
        _require_metrics(file)
        self._file = file
        self._all = _Joined()
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double each counter to say what the start timestamp says

    def of_ledger(self, ledger: Path, tenant: str) -> Labelled:
        """Return a place for what is of one ledger."""
        # In full: two jobs in two folders may have ledgers of one name.
        labels = {"ledger": escaped(os.path.abspath(ledger))}  # noqa: PTH100 -- a link stays one
        return self.labelled({**labels, "tenant": tenant} if tenant else labels)

    def labelled(self, labels: dict[str, str]) -> Labelled:
        """Return a place for series that all have these labels."""
        self._all.parts.append(Labelled(labels))
        return self._all.parts[-1]

    def write(self) -> None:
        """Replace the file. Raises UsageError where it cannot be written."""
        text = generate_latest(self._all).decode()
        own = {found["name"] for found in _FAMILY.finditer(text)}
        text += "".join(found[0] for found in _FAMILY.finditer(self._there()) if found["name"] not in own)
        # Not synced: that would keep a run waiting, and after a power loss the next one writes it anew.
        with replacing(self._file, what="the metrics", hint=HINT, mode=READABLE, durable=False) as file:
            file.write(text)

    def _there(self) -> str:
        """Return what the file holds now; nothing where that is no file, which writing says."""
        try:
            return self._file.read_text(encoding="utf-8") if self._file.is_file() else ""
        except (OSError, UnicodeDecodeError):
            return ""


def _require_metrics(file: Path) -> None:
    """Refuse to replace a file with something else in it than metrics. Raises UsageError."""
    try:
        if not file.is_file():
            return  # nothing is there; or what is there is never replaced, which writing says
        with file.open("rb") as opened:
            head = opened.read(len(BEGINS))
    except OSError as error:
        raise UsageError(f"the metrics cannot be written: {error.strerror}", where=str(file), hint=HINT) from error
    if head not in (b"", BEGINS):
        raise UsageError("is no file of metrics, and is not replaced", where=str(file), hint=HINT)
