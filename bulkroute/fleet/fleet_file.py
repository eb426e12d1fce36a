"""The fleet file: which tenants there are, what each is given by the names of `run`'s flags, and limits that they share.

    defaults: {rate: 20, canary: 5, until: "04:00"}
    limits: {partner-a: 50}
    tenants:
      acme: {base-url: "https://cc1.example.com", manifest: acme.csv, credentials: secrets/acme.env}

Promises every fault of the file at once, each with its line. What a value means is left to who knows the flags: all of
them stay the texts that were written, so that 04:00 is no number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bulkroute.manifest import Faults
from bulkroute.manifest.faults import quote
from bulkroute.manifest.yaml_reader import LOADER

LONGEST_BYTES = 4_000_000
"""Of a fleet file: some ten thousand tenants."""

LONGEST_NAME = 100
"""Characters of a tenant's name: files are named after it."""

DEEPEST = 8
"""Levels of lists and pairs; more are no fleet file."""

TOP = ("defaults", "limits", "tenants")


class Given(NamedTuple):
    """A value as it was written, and its line."""

    value: str | list[str]
    line: int


class Entry(NamedTuple):
    """A tenant, and what it is given: its own over the defaults."""

    name: str
    line: int
    given: dict[str, Given]


class FleetFile(NamedTuple):
    """What a fleet file says."""

    path: Path
    limits: dict[str, Given]
    """Shared rates, by their names."""
    tenants: list[Entry]
    """In the order in which they are to be worked on."""


def read_fleet(path: Path, faults: Faults) -> FleetFile:
    """Return what the file says; whatever is wrong with it is added to `faults`."""
    top = _mapping(_compose(path, faults), "the file", faults)
    for name, (line, _node) in top.items():
        if name not in TOP:
            faults.add(line, f"unknown key {quote(name)}; there are {', '.join(TOP)}")
    given = {name: node for name, (_line, node) in top.items()}
    defaults = _values(given.get("defaults"), "defaults", faults)
    limits = _values(given.get("limits"), "limits", faults)
    tenants = []
    for name, (line, node) in _mapping(given.get("tenants"), "tenants", faults).items():
        if why := _unfit(name):
            faults.add(line, f"tenant {quote(name)}: {why}")
        shown = quote(name) if why else name
        tenants.append(Entry(name, line, {**defaults, **_values(node, f"tenant {shown}", faults)}))
    if not tenants and not faults.total:
        faults.add(
            0, "names no tenant; write `tenants:` and below it `name: {base-url: .., manifest: .., credentials: ..}`"
        )
    return FleetFile(path, limits, tenants)


def _compose(path: Path, faults: Faults) -> yaml.Node | None:
    """Return the file's tree; None, and a fault, if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
    except OSError as error:
        faults.add(0, f"cannot be read: {error.strerror}")
        return None
    if len(content) > LONGEST_BYTES:
        faults.add(0, f"is longer than {LONGEST_BYTES:,} bytes; is this a fleet file?")
        return None
    try:
        text = content.decode("utf-8-sig")
        if line := _nested_too_deeply(text):  # a tree of that would overflow the parser's stack
            faults.add(line, "is nested too deeply; a fleet file has three levels")
            return None
        root: yaml.Node | None = yaml.compose(text, Loader=LOADER)
    except UnicodeDecodeError:
        faults.add(0, "is not UTF-8; save it again as plain text in UTF-8")
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        faults.add(mark.line + 1 if mark else 0, f"is not YAML: {what}")
        return None
    except yaml.YAMLError as error:
        faults.add(0, f"is not YAML: {' '.join(str(error).split())}")
        return None
    return root


def _nested_too_deeply(text: str) -> int:
    """Return the line on which the file goes too deep; 0 if it does nowhere. Raises yaml.YAMLError."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        line = int(event.start_mark.line) + 1 if event.start_mark else 0
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return line
    return 0


def _mapping(node: yaml.Node | None, what: str, faults: Faults) -> dict[str, tuple[int, yaml.Node]]:
    """Return the keys of a mapping, each with its line and what stands there; a fault for anything else."""
    if node is None or _is_empty(node):
        return {}
    if not isinstance(node, yaml.MappingNode):
        faults.add(_line(node), f"{what} must be `name: value` pairs")
        return {}
    found: dict[str, tuple[int, yaml.Node]] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value == "<<":
            faults.add(
                _line(key), f"{what}: pairs are not merged by `<<`; what all tenants have stands under `defaults`"
            )
        elif not isinstance(key, yaml.ScalarNode):
            faults.add(_line(key), f"{what}: a name must be a plain text")
        elif key.value in found:
            faults.add(
                _line(key), f"{what}: {quote(key.value)} stands there twice, first on line {found[key.value][0]}"
            )
        else:
            found[key.value] = _line(key), value
    return found


def _values(node: yaml.Node | None, what: str, faults: Faults) -> dict[str, Given]:
    """Return plain values by their names."""
    found = {}
    for name, (line, value) in _mapping(node, what, faults).items():
        texts = list(_texts(value))
        if None in texts:
            faults.add(_line(value), f"{what}: {quote(name)} must be a plain value, or a list of them")
        elif isinstance(value, yaml.ScalarNode):
            found[name] = Given(value.value, line)
        else:
            found[name] = Given([text for text in texts if text is not None], line)
    return found


def _texts(node: yaml.Node) -> Iterator[str | None]:
    """Yield the texts of a value; None for what is none."""
    nodes: list[Any] = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for each in nodes:
        is_text = isinstance(each, yaml.ScalarNode) and not _is_empty(each)
        yield each.value if is_text else None


def _is_empty(node: yaml.Node) -> bool:
    return node.tag == "tag:yaml.org,2002:null"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _unfit(name: str) -> str:
    """Return why nobody can be called so; nothing if somebody can."""
    if not name or not name.isprintable() or len(name) > LONGEST_NAME or name != name.strip():
        return f"a name is one printable line of at most {LONGEST_NAME} characters"
    if "/" in name or name.startswith((".", "-")):
        return "files are named after it, so it has no `/` and begins with no `.` or `-`"
    return ""
