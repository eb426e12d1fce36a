"""What commands write for machines: columns, JSON objects, the events of the JSON log, metrics."""

import contextlib
import functools
import io
import json
import re
import tempfile
import typing
from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bulkroute.events import Event, RunEnded
from bulkroute.fleet.metrics import FleetMetrics
from bulkroute.fleet.tenants import Fleet
from bulkroute.ledger.compare import DifferenceKind
from bulkroute.ledger.queries import EXPORT_COLUMNS, Reason
from bulkroute.live.verify import Verified
from bulkroute.manifest.saved_plan import PlanCounts
from bulkroute.output.json_log import Records
from bulkroute.output.metrics import Metrics, VerifyMetrics
from bulkroute.progress import Progress, Summary
from tests.docs.markdown import table
from tests.docs.members import first_line, hints, json_type, lines_of, lines_of_properties, sample

OTHERS: Mapping[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "failure_group": (
        "At the end, rows that failed alike: one line for each kind and text, the commonest first.",
        {},
    ),
    "closing": (
        "The last line: what happened, and what to do next.",
        {
            "text": ("text", "One sentence."),
            "next": ("list", "Objects with `purpose` and `command`, the command exactly as it is to be typed."),
        },
    ),
    "manifest_fault": (
        "A fault of the manifest; the first 50 have a line each. An `error` follows.",
        {"text": ("text", "`file:line: what is wrong, what to do`.")},
    ),
    "error": (
        "The command ended with an error.",
        {
            "text": ("text", "What happened, where, what to do next."),
            "exit_code": ("integer", "As the process returns it."),
            "traceback": ("text", "Only with exit code 70, a bug."),
        },
    ),
}
"""Lines of the log that are no events of a run."""


def export_columns() -> str:
    return table(("column", "holds"), [(f"`{name}`", line) for name, line in EXPORT_COLUMNS.items()])


def summary() -> str:
    """Return the fields of `run --json`."""
    return _fields(Summary, json.loads(sample(Summary).to_json()))


def progress() -> str:
    """Return the fields of `ctl status --json`, `ok` left out."""
    return _fields(Progress, sample(Progress).fields())


def plan() -> str:
    """Return the counts of `plan --json`."""
    return _fields(PlanCounts, sample(PlanCounts)._asdict())


def verify() -> str:
    """Return the fields of `verify --json`."""
    return _fields(Verified, {**sample(Verified)._asdict(), "groups": []})


def difference_kinds() -> str:
    return table(("kind", "means"), [(f"`{kind}`", lines_of(DifferenceKind)[kind.name]) for kind in DifferenceKind])


def _fields(cls: type, shown: Mapping[str, object]) -> str:
    """Return a table of what is shown of an object of `cls`."""
    return table(("field", "type", "meaning"), _rows(cls, shown))


def _rows(cls: type, shown: Mapping[str, object]) -> list[tuple[str, str, str]]:
    lines = {**lines_of_properties(cls), **lines_of(cls)}
    types = hints(cls)
    rows = []
    for name, value in shown.items():
        hint = types.get(name, type(value))
        kind, text = json_type(hint, value), re.sub(r"\bNone\b", "null", lines[name])
        rows.append((f"`{name}`", kind, text.replace(", in seconds since the epoch", "") if "ISO" in kind else text))
    return rows


def fields_of_events() -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    """Return the lines of the JSON log by `event`: what each is, and its fields with type and meaning.

    The fields are those of lines that the log really wrote.
    """
    found = {}
    for cls in typing.get_args(Event):
        name, shown = _written(functools.partial(Records().on_event, sample(cls)))
        found[name] = (first_line(cls), _rows(Summary if cls is RunEnded else cls, shown))
    name, shown = _written(functools.partial(Records().tick, sample(Progress)))
    found[name] = (f"How far the run is, every {Records.every_s:g} s.", _rows(Progress, shown))
    for name, (about, others) in OTHERS.items():
        found[name] = (about, [(f"`{field}`", *rest) for field, rest in others.items()])
    found["failure_group"] = (OTHERS["failure_group"][0], _rows(Reason, sample(Reason)._asdict()))
    return found


def _written(write: Callable[[], None]) -> tuple[str, dict[str, object]]:
    """Return the event's name and its fields as the log writes them."""
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        write()
    record = json.loads(stream.getvalue())
    del record["ts"]
    return record.pop("event"), record


def events() -> str:
    """Return a section for each event of the JSON log."""
    sections = []
    for name, (about, rows) in fields_of_events().items():
        sections.append(f"### `{name}`\n\n{about}\n\n{table(('field', 'type', 'meaning'), rows)}")
    return "\n\n".join(sections)


def metrics() -> str:
    """Return the metrics that a file of them holds."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "metrics.prom"
        written = Metrics(file, ledger=Path("/srv/routes/cutover.ledger.db"), tenant="eu")
        written.tick(sample(Progress))
        written.ended(0)
        VerifyMetrics(file, ledger=Path("/srv/routes/cutover.ledger.db"), tenant="eu").ended(
            0, dict.fromkeys(["right", *DifferenceKind], 1)
        )
        fleet = FleetMetrics(Path(folder) / "fleet.prom", Fleet(Path("/srv/routes/fleet.yaml"), [], {}), print)
        fleet.close()
        of_fleets = [text for text in (Path(folder) / "fleet.prom").read_text().splitlines(True) if "fleet_" in text]
        for family in text_string_to_metric_families(file.read_text() + "".join(of_fleets)):
            labels: dict[str, list[str]] = {}
            for each in family.samples:
                for name, value in each.labels.items():
                    labels.setdefault(name, []).append(value)
            names = "".join(f"{{{name}}}" for name in labels)
            values = "; ".join(f"`{name}`: {', '.join(dict.fromkeys(each))}" for name, each in labels.items())
            total = "_total" if family.type == "counter" else ""
            rows.append((f"`{family.name}{total}{names}`", family.type, family.documentation, values))
    return table(("metric", "type", "means", "labels"), rows)
