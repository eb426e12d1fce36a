"""YAML to rows, from the event stream: no document is built, no scalar is resolved, no alias is followed.

Accepts a list of mappings, or a mapping whose `bindings` holds that list, in block or flow style (JSON too). Uses libyaml
where PyYAML has it; the pure parser gives the same rows, some ten times slower, and takes no tabs.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from bulkroute.manifest.decoding import TextBlocks, UnreadableError
from bulkroute.manifest.faults import Faults, escaped, quote
from bulkroute.manifest.row_rules import FIELDS, MAX_ID_CHARS, NAMES_SHOWN, RowCheck, field_of, ignored
from bulkroute.model import Row

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LIST_KEY = "bindings"
_MAX_DEPTH = 32
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_NAMES_CACHED = 256
_STARTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_NODES = (yaml.ScalarEvent, *_STARTS)
_NOT_IN_YAML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


class _Stream:
    """The blocks as the file that PyYAML wants; keeps the last one to find the line of a refused character."""

    def __init__(self, blocks: TextBlocks) -> None:
        self._blocks = blocks
        self._texts = iter(blocks)
        self._last = ""
        self._last_line = 1

    def read(self, _size: int = -1) -> str:
        """Return the next block, of any size, or "" at the end. Raises `UnreadableError`."""
        text = next(self._texts, "")
        if text:
            self._last, self._last_line = text, self._blocks.lines + 1
        return text

    def refused_character(self) -> tuple[int, str]:
        """Return line and character where YAML refuses one; it is always in the block read last."""
        found = _NOT_IN_YAML.search(self._last)
        if found is None:
            return self._last_line, "a character"
        return self._last_line + self._last.count("\n", 0, found.start()), f"character U+{ord(found.group()):04X}"


class YamlReader:
    """Reads one YAML manifest, once."""

    def __init__(self, blocks: TextBlocks, faults: Faults) -> None:
        self._blocks = blocks
        self._faults = faults
        self._check = RowCheck(faults)
        self._stream = _Stream(blocks)
        self._events: Any = None
        self._line = 1  # where the row being read starts
        self._fields: dict[str, str | None] = {}  # keys met before
        self._further: list[str] = []

    def rows(self) -> Iterator[Row]:
        """Yield the good rows in the file's order; the others become faults."""
        try:
            self._events = LOADER(self._stream)
            yield from self._documents()
        except UnreadableError as error:
            self._faults.next_part()
            self._faults.add(self._line if error.line is None else error.line, str(error))
        except yaml.reader.ReaderError:
            line, character = self._stream.refused_character()
            self._faults.next_part()
            self._faults.add(line, f"{character} is not allowed in YAML; remove it")
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except (ValueError, OverflowError) as error:  # the pure parser's, on escapes and versions out of range
            self._faults.next_part()
            self._faults.add(self._line, f"not valid YAML in or after this row ({escaped(str(error))}); mend it")
        if self._further:
            self._faults.notice(ignored(self._further, "keys"))
        self._check.finish()

    def _documents(self) -> Iterator[Row]:
        get = self._events.get_event
        get()  # the start of the stream
        if isinstance(get(), yaml.StreamEndEvent):
            self._faults.add(0, "is empty; give a list of rows with id, devicetype and deviceId")
            return
        root = get()
        if isinstance(root, yaml.MappingStartEvent):
            self._refuses(root)
            yield from self._top_level()
        else:
            yield from self._list(root)
        get()  # the end of the document
        after = get()
        if not isinstance(after, yaml.StreamEndEvent):
            self._faults.add(_line(after), "a second document begins; keep one, without --- between rows")

    def _top_level(self) -> Iterator[Row]:
        """Read the mapping that is the whole document; the list of rows is its only key."""
        line, lists = self._line, 0
        while type(key := self._events.get_event()) is not yaml.MappingEndEvent:
            self._refuses(key)
            if isinstance(key, yaml.ScalarEvent) and key.value == _LIST_KEY and not lists:
                lists += 1
                yield from self._list(self._events.get_event())
                continue
            name = quote(key.value) if isinstance(key, yaml.ScalarEvent) else "a list or mapping"
            self._faults.add(_line(key), f"{name} is one key too many; only {_LIST_KEY}: is expected here, once")
            self._skip(key)
            self._skip(self._events.get_event())
        if not lists:
            self._faults.add(line, f"there is no {_LIST_KEY}: with the list of rows; add it, or give the list alone")

    def _list(self, start: Any) -> Iterator[Row]:
        refused = self._refuses(start)
        if not isinstance(start, yaml.SequenceStartEvent):
            if not refused:
                self._faults.add(_line(start), "the list of rows is expected here; begin each row with - id:")
            self._skip(start)
            return
        while type(item := self._events.get_event()) is not yaml.SequenceEndEvent:
            self._blocks.progress += 1
            self._line = item.start_mark.line + 1
            if type(item) is yaml.MappingStartEvent:
                row = self._row(item)
                if row is not None:
                    yield row
            else:
                if not self._refuses(item):
                    self._faults.add(self._line, "this item is no mapping; give id, devicetype and deviceId")
                self._skip(item)

    def _row(self, start: Any) -> Row | None:
        get = self._events.get_event
        self._refuses(start)
        values: dict[str, str | None] = {}
        while type(key := get()) is not yaml.MappingEndEvent:
            field = self._field(key)
            value = get()
            if field is None:
                self._refuses(value)
                self._skip(value)
            elif field in values:
                self._faults.add(_line(key), f"{field} is there twice in one row; keep one")
                self._skip(value)
            else:
                values[field] = self._value(field, value)
        if len(values) < len(FIELDS):
            missing = [field for field in FIELDS if field not in values]
            self._faults.add(self._line, f"{' and '.join(missing)} missing in this row; add what is missing")
        id_, devicetype, device_id = map(values.get, FIELDS)
        if id_ is None or devicetype is None or device_id is None:
            return self._check.examine(self._line, id_, devicetype, device_id)
        texts = id_, devicetype, device_id
        return self._check.take(self._line, texts) or self._check.examine(self._line, *texts)

    def _field(self, key: Any) -> str | None:
        """Return the field `key` stands for; None for a key that is ignored or refused."""
        refused = self._refuses(key)
        if type(key) is not yaml.ScalarEvent:
            if not refused:
                self._faults.add(_line(key), "a key is a list or a mapping; write a name")
            self._skip(key)
            return None
        name = key.value
        if name in self._fields:
            return self._fields[name]
        field = field_of(name)
        if len(self._fields) < _NAMES_CACHED and len(name) <= MAX_ID_CHARS:
            self._fields[name] = field
        if field is None and name not in self._further and len(self._further) <= NAMES_SHOWN:
            self._further.append(name)
        return field

    def _value(self, field: str, event: Any) -> str | None:
        """Return a value as it is written; "" where YAML means none; None once a fault is recorded."""
        if type(event) is yaml.ScalarEvent and event.anchor is None and event.tag is None:
            text: str = event.value
            return "" if not event.style and text in _NULLS else text
        if not self._refuses(event):
            self._faults.add(_line(event), f"{field} is a list or a mapping; write one value")
        self._skip(event)
        return None

    def _refuses(self, event: Any) -> bool:
        """Record an alias, an anchor or a tag as a fault."""
        if isinstance(event, yaml.AliasEvent):
            what = f"alias {quote(f'*{event.anchor}')} is not accepted; write the value out"
        elif isinstance(event, _NODES) and event.anchor is not None:
            what = f"anchor {quote(f'&{event.anchor}')} is not accepted; remove it and write each value out"
        elif isinstance(event, _NODES) and event.tag is not None:
            what = f"tag {quote(event.tag)} is not accepted; remove it, values are read as they are written"
        else:
            return False
        self._faults.add(_line(event), what)
        return True

    def _skip(self, event: Any) -> None:
        """Read to the end of the node that `event` starts."""
        depth = 0
        while True:
            if isinstance(event, _STARTS):
                depth += 1
            elif isinstance(event, _ENDS):
                depth -= 1
            if depth == 0:
                return
            if depth > _MAX_DEPTH:
                raise UnreadableError(f"values nested more than {_MAX_DEPTH} deep; a row is flat", _line(event))
            event = self._events.get_event()
            self._refuses(event)

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        since = f", {error.context} from line {error.context_mark.line + 1}" if error.context_mark else ""
        problem = f"{error.problem}{since}"
        if "token" in problem or "tab" in problem:
            hint = "indent with spaces, and quote a value that begins with a sign"
        else:
            hint = "mend it, or get the file again if it was cut off"
        self._faults.next_part()
        self._faults.add(mark.line + 1 if mark else self._line, f"not valid YAML ({escaped(problem)}); {hint}")


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
