"""The Python API: each public name with what it takes, its first line, its fields or members; and all errors."""

import ast
import dataclasses
import importlib
import inspect
import itertools
import textwrap
from enum import Enum

import bulkroute
from bulkroute.errors import EXIT_MEANINGS, BulkrouteError, ExitCode, StopKind
from tests.docs.markdown import table
from tests.docs.members import first_line, lines_of

CALLED = (bulkroute.Engine, bulkroute.Pacer, bulkroute.Secret)
"""Classes that users make objects of; of the others the engine hands some out. Values show their fields anyway."""


def names() -> str:
    """Return a section for each public name."""
    found = {name: getattr(bulkroute, name) for name in bulkroute.__all__ if not name.startswith("__")}
    return "\n\n".join("\n\n".join(_section(name, what)) for name, what in found.items())


def _section(name: str, what: object) -> list[str]:
    heading = f"### {name}"
    if not isinstance(what, type):
        return [heading, *_alias(name)]
    if issubclass(what, BulkrouteError):
        return [heading, f"{first_line(what)} Exit code {int(what.stop.exit_code)}."]
    parts = [heading, first_line(what)]
    if issubclass(what, Enum):
        parts.append(_members(what))
    elif hasattr(what, "_fields") or dataclasses.is_dataclass(what):
        parts.append(_fields(what))
    elif what in CALLED:
        parts.append(f"`{name}({_taken(vars(what)['__init__'])})`")
    if methods := _methods(what):
        parts.append("\n".join(methods))
    return parts


def _alias(name: str) -> list[str]:
    """Return what a name stands for, as the code writes it, and the literal below."""
    imports = ast.parse(inspect.getsource(importlib.import_module("bulkroute.api"))).body
    (home,) = [each.module for each in imports if isinstance(each, ast.ImportFrom) and each.names[0].name == name]
    body = ast.parse(inspect.getsource(importlib.import_module(str(home)))).body
    for statement, below in itertools.pairwise([*body, ast.Pass()]):
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            said = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            return [part for part in (" ".join(str(said).split()), f"`{ast.unparse(statement.value)}`") if part]
    raise LookupError(name)


def _members(what: type[Enum]) -> str:
    if what is ExitCode:
        lines = {code.name: meaning for code, meaning in EXIT_MEANINGS.items()}
    elif what is StopKind:
        lines = {kind.name: f"{kind.meaning}; exit code {int(kind.exit_code)}" for kind in StopKind}
    else:
        lines = lines_of(what)
    rows = [(f"`{member.name}`", f"`{member.value!r}`", lines[member.name]) for member in what]
    return table(("member", "value", "means"), rows)


def _fields(what: type) -> str:
    """Return the fields of a NamedTuple or dataclass as the code writes them: name, type, default, line."""
    lines = lines_of(what)
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(what))).body
    rows = []
    for statement in tree.body if isinstance(tree, ast.ClassDef) else []:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            default = f"`{_default(statement.value)}`" if statement.value else "required"
            rows.append((f"`{name}`", f"`{ast.unparse(statement.annotation)}`", default, lines[name]))
    return table(("field", "type", "default", "means"), rows)


def _default(value: ast.expr) -> str:
    """Return a default as it is written; of `field(...)` the default it names, or what its factory makes."""
    named = {keyword.arg: ast.unparse(keyword.value) for keyword in getattr(value, "keywords", [])}
    if "default_factory" in named:
        return {"dict": "{}", "list": "[]"}.get(named["default_factory"], f"{named['default_factory']}()")
    return named.get("default") or ast.unparse(value)


def _taken(function: object) -> str:
    """Return what a function takes, as its code writes it, without `self`."""
    made = _tree(function).args
    for each in (made.posonlyargs, made.args):
        each[:] = [argument for argument in each if argument.arg not in ("self", "cls")]
    return ast.unparse(made)


def _tree(function: object) -> ast.FunctionDef | ast.AsyncFunctionDef:
    source = inspect.getsource(inspect.unwrap(function))  # type: ignore[arg-type]
    (tree,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef)
    return tree


def _methods(what: type) -> list[str]:
    """Return the public methods and properties of a class, in the order in which they stand."""
    found, of = [], what.__name__.lower()
    for name, member in vars(what).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            found.append(f"- `{of}.{name}`: {first_line(member)}")
        elif isinstance(member, classmethod):
            found.append(f"- `{what.__name__}.{_call(name, member.__func__)}`: {first_line(member)}")
        elif inspect.isfunction(member):
            block = inspect.isasyncgenfunction(inspect.unwrap(member))
            waits = "async with " if block else "await " if inspect.iscoroutinefunction(member) else ""
            found.append(f"- `{waits}{of}.{_call(name, member)}`: {first_line(member)}")
    return found


def _call(name: str, function: object) -> str:
    returns = _tree(function).returns
    text = ast.unparse(returns).strip("'") if returns else "None"
    return f"{name}({_taken(function)})" + ("" if text == "None" else f" -> {text}")


def errors() -> str:
    """Return every error with its exit code; those indented below another one are cases of it."""
    rows = [
        (f"{'&nbsp;&nbsp;' * depth}`{error.__name__}`", str(int(error.stop.exit_code)), first_line(error))
        for depth, error in _below(BulkrouteError, 0)
    ]
    return table(("error", "exit code", "raised when"), rows)


def _below(error: type[BulkrouteError], depth: int) -> list[tuple[int, type[BulkrouteError]]]:
    return [(depth, error), *(each for below in _own(error) for each in _below(below, depth + 1))]


def _own(error: type[BulkrouteError]) -> list[type[BulkrouteError]]:
    """Return the errors below one that callers see; those of a package that is loaded by chance are its own affair."""
    return [below for below in error.__subclasses__() if below.__module__ == BulkrouteError.__module__]
