"""What the code says of its members and fields: the string literal below each, and the type as JSON has it."""

import ast
import inspect
import json
import textwrap
import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", dict: "object", list: "list"}


def lines_of(cls: type) -> dict[str, str]:
    """Return the literal below each member or field of a class, those of its bases included; all must have one."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("bulkroute") and not issubclass(base, type):
            found |= _lines_in(base)
    return found


def _lines_in(cls: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for statement, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        target: ast.expr | None = None
        if isinstance(statement, ast.AnnAssign):
            target = statement.target
        elif isinstance(statement, ast.Assign):
            (target,) = statement.targets
        if isinstance(target, ast.Name) and not target.id.startswith("_"):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            found[target.id] = " ".join(str(text).split())
    return found


def lines_of_properties(cls: type) -> dict[str, str]:
    """Return the first line of the docstring of each property of a class."""
    properties = inspect.getmembers(cls, lambda member: isinstance(member, property))
    return {name: first_line(member.fget) for name, member in properties}


def first_line(what: object) -> str:
    """Return the first paragraph of a docstring on one line."""
    text = inspect.getdoc(what) or ""
    return " ".join(text.partition("\n\n")[0].split())


def hints(cls: type) -> dict[str, Any]:
    """Return the annotations of a class, read; of its properties too."""
    properties = inspect.getmembers(cls, lambda member: isinstance(member, property))
    return get_type_hints(cls) | {name: get_type_hints(member.fget).get("return") for name, member in properties}


def may_be_null(hint: Any) -> bool:
    return type(None) in get_args(hint) and get_origin(hint) in (Union, types.UnionType)


def without_null(hint: Any) -> Any:
    """Return a type without its None."""
    if not may_be_null(hint):
        return hint
    return next(part for part in get_args(hint) if part is not type(None))


def sample(hint: Any) -> Any:
    """Return some value of a type; an object of values for a NamedTuple or dataclass."""
    hint = without_null(hint)
    origin = get_origin(hint) or hint
    if origin is list:
        return [sample(get_args(hint)[0])]
    if origin is dict:
        key, value = get_args(hint)
        return {sample(key): sample(value)}
    if origin is bool:
        return True
    if isinstance(origin, type) and issubclass(origin, Enum):
        return next(iter(origin))
    if origin in (str, int, float):
        return origin(1)
    return origin(**{name: sample(of) for name, of in get_type_hints(origin).items()})


def json_type(hint: Any, value: object) -> str:
    """Return in words what JSON has for a field: by its annotation whether it may be null, by a value what else."""
    bare = without_null(hint)
    kind = WORDS[get_origin(bare) or bare if value is None else type(json.loads(json.dumps(value, default=str)))]
    if bare is float and kind == "text":
        kind = "text: ISO 8601, UTC"
    return f"{kind}, or null" if may_be_null(hint) else kind
