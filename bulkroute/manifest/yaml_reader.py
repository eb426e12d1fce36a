"""YAML to rows, from the event stream: no document is built, no scalar is resolved, no alias is followed.

Accepts a list of mappings, or a mapping whose `bindings` holds that list, in block or flow style (JSON too). Uses libyaml
where PyYAML has it; the pure parser gives the same rows, some ten times slower, and takes no tabs.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import yaml

from bulkroute.manifest.decoding import TextBlocks, UnreadableError
from bulkroute.manifest.faults import Faults, quote
from bulkroute.manifest.header import FIELDS, NAMES_SHOWN, Kind, field_of, ignored, kind_of, problems_of
from bulkroute.manifest.reading import Reading
from bulkroute.manifest.row_rules import MAX_ID_CHARS, AnyRow, Check
from bulkroute.model import escaped

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LIST_KEY = "bindings"
_MAX_DEPTH = 32
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_NAMES_CACHED = 256
_MOST_PEEKED = 2_000  # events of a first row; one that is longer is none
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


class YamlReader(Reading):
    """Reads one YAML manifest, once; up to its first row at once, since the keys of that row tell the kind."""

    def __init__(self, blocks: TextBlocks, faults: Faults) -> None:
        super().__init__(faults)
        self._blocks = blocks
        self._stream = _Stream(blocks)
        self._line = 1  # where the row being read starts
        self._wanted: frozenset[str] = frozenset()
        self._fields: dict[str, str | None] = {}  # keys met before
        self._further: list[str] = []
        self._shapes: dict[tuple[str, ...], list[str]] = {}  # what is wrong with rows that have these fields
        self._items: Iterator[Any] = iter(())
        with self._errors_as_faults():
            self._next: Callable[[], Any] = LOADER(self._stream).get_event
            items = self._documents()
            self._items = chain(self._first_mapping(items), items)

    def _checked(self, check: Check[AnyRow]) -> Iterator[AnyRow]:
        self._wanted = frozenset(check.fields)
        with self._errors_as_faults():
            for item in self._items:
                row = self._row(item, check)
                if row is not None:
                    yield row
        if self._further:
            self._faults.notice(ignored(self._further, "keys"))
        check.finish()

    @contextlib.contextmanager
    def _errors_as_faults(self) -> Iterator[None]:
        """Record what ends the reading for good."""
        try:
            yield
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
            self._faults.add(self._line, f"not valid YAML in or after this row ({escaped(str(error))}); correct it")

    def _documents(self) -> Iterator[Any]:
        """Yield the start of each row that is a mapping; whoever takes it reads on to its end."""
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._faults.add(0, "is empty; give a list of rows with id, devicetype and deviceId")
            return
        root = self._next()
        if isinstance(root, yaml.MappingStartEvent):
            self._refuses(root)
            yield from self._top_level()
        else:
            yield from self._list(root)
        self._next()  # the end of the document
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            self._faults.add(_line(after), "a second document begins; keep one, without --- between rows")

    def _top_level(self) -> Iterator[Any]:
        """Read the mapping that is the whole document; the list of rows is its only key."""
        line, lists = self._line, 0
        while type(key := self._next()) is not yaml.MappingEndEvent:
            self._refuses(key)
            if isinstance(key, yaml.ScalarEvent) and key.value == _LIST_KEY and not lists:
                lists += 1
                yield from self._list(self._next())
                continue
            name = quote(key.value) if isinstance(key, yaml.ScalarEvent) else "a list or mapping"
            self._faults.add(_line(key), f"{name} is one key too many; only {_LIST_KEY}: is expected here, once")
            self._skip(key)
            self._skip(self._next())
        if not lists:
            self._faults.add(line, f"there is no {_LIST_KEY}: with the list of rows; add it, or give the list alone")

    def _list(self, start: Any) -> Iterator[Any]:
        refused = self._refuses(start)
        if not isinstance(start, yaml.SequenceStartEvent):
            if not refused:
                self._faults.add(_line(start), "the list of rows is expected here; begin each row with - id:")
            self._skip(start)
            return
        while type(item := self._next()) is not yaml.SequenceEndEvent:
            self._blocks.progress += 1
            self._line = item.start_mark.line + 1
            if type(item) is yaml.MappingStartEvent:
                yield item
            else:
                if not self._refuses(item):
                    self._faults.add(self._line, "this item is no mapping; give id, devicetype and deviceId")
                self._skip(item)

    def _first_mapping(self, items: Iterator[Any]) -> list[Any]:
        """Learn the kind from the keys of the first row, and lay its events back; return its start, if there is one."""
        start = next(items, None)
        if start is None:
            return []
        events: list[Any] = []
        names: list[str] = []
        depth, is_key = 1, True
        while 0 < depth <= _MAX_DEPTH and len(events) < _MOST_PEEKED:
            event = self._next()
            events.append(event)
            depth += isinstance(event, _STARTS) - isinstance(event, _ENDS)
            if depth == 1:  # a key or a value is complete
                if is_key and isinstance(event, yaml.ScalarEvent):
                    names.append(event.value)
                is_key = not is_key
        self.kind = kind = kind_of(names) or Kind.BY_ID
        self.columns = frozenset(field for name in names if (field := field_of(name, kind)))
        self._next = chain(events, iter(self._next, None)).__next__
        return [start]

    def _row(self, start: Any, check: Check[AnyRow]) -> AnyRow | None:
        get, others = self._next, False
        self._refuses(start)
        values: dict[str, str | None] = {}
        while type(key := get()) is not yaml.MappingEndEvent:
            field = self._field(key)
            value = get()
            if field is None:
                others = True
                self._refuses(value)
                self._skip(value)
            elif field in values:
                self._faults.add(_line(key), f"{field} is there twice in one row; keep one")
                self._skip(value)
            else:
                values[field] = self._value(field, value)
        problems = self._shapes.get(tuple(values))
        if problems is None:
            problems = self._problems_of(tuple(values))
        if not problems and None not in values.values():
            texts = tuple(values.get(field) or "" for field in check.fields)
            return check.take(self._line, texts) or self._examine(check, texts, others=others)
        if values and not others and all(value == "" for value in values.values()):
            return None
        for problem in problems:
            self._faults.add(self._line, problem)
        return check.examine(self._line, [values.get(field, None if problems else "") for field in check.fields])

    def _examine(self, check: Check[AnyRow], texts: tuple[str, ...], *, others: bool) -> AnyRow | None:
        """Return what a closer look makes of a row; nothing of one that is blank in every value."""
        if not others and not any(map(str.strip, texts)):
            return None
        return check.examine(self._line, texts)

    def _problems_of(self, fields: tuple[str, ...]) -> list[str]:
        """Say what is wrong with a row that has these fields."""
        if self.kind is Kind.BY_ID:
            missing = [field for field in FIELDS if field not in fields]
            problems = [f"{' and '.join(missing)} missing in this row; add what is missing"] if missing else []
        elif "id" in fields:
            problems = ["this row has an id, but the first one goes by number; all rows of a file are of one kind"]
        else:
            problems = problems_of(Kind.BY_NUMBER, fields, self._further, "this row")
        if len(self._shapes) < _NAMES_CACHED:
            self._shapes[fields] = problems
        return problems

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
        field = field_of(name, self.kind or Kind.BY_ID)
        if field not in self._wanted:
            field = "id" if field_of(name, Kind.BY_ID) == "id" else None
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
            event = self._next()
            self._refuses(event)

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        since = f", {error.context} from line {error.context_mark.line + 1}" if error.context_mark else ""
        problem = f"{error.problem}{since}"
        if "token" in problem or "tab" in problem:
            hint = "indent with spaces, and quote a value that begins with a sign"
        else:
            hint = "correct it, or get the file again if it was cut off"
        self._faults.next_part()
        self._faults.add(mark.line + 1 if mark else self._line, f"not valid YAML ({escaped(problem)}); {hint}")


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
