"""What can be broken in a module: one small change at a time to its syntax tree. Texts for people stay as they are."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
RECKONED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CODE_WORD = re.compile(r"\S+")
"""A text without blanks is a code, a name or a pattern: the others are for people."""

LARGE = 100
"""A number from here on is doubled: that a buffer is one byte longer is no fault."""

LEFT_ALONE = (ast.Import, ast.ImportFrom, ast.JoinedStr)
NOT_WALKED = frozenset({"annotation", "returns"})


@dataclass(frozen=True)
class Spot:
    """Where the walk is: names from the module down, the outermost function, the first line of the statement."""

    scope: tuple[str, ...] = ()
    function: str | None = None
    first_line: int = 0


class Change(NamedTuple):
    """A node, where it stands in the tree, and what takes its place."""

    spot: Spot
    parent: ast.AST
    field: str
    place: int | None
    old: ast.expr | ast.stmt
    new: ast.expr | ast.stmt

    def put(self, node: ast.AST) -> None:
        """Put `node` into this place."""
        if self.place is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.place] = node


class Mutant(NamedTuple):
    """One change of a module."""

    name: str
    """What is changed, in words that stay the same while the code around it changes."""
    lines: range
    """From the first line of the statement to the last one of the change."""
    function: str | None
    """The outermost function it is in, by its qualified name; None: what happens when the module is imported."""
    tree: ast.Module
    file: str
    change: Change

    def code(self) -> CodeType:
        """Return the whole module, changed."""
        self.change.put(ast.copy_location(self.change.new, self.change.old))
        try:
            return compile(ast.fix_missing_locations(self.tree), self.file, "exec", dont_inherit=True)
        finally:
            self.change.put(self.change.old)


def mutants_of(source: str, file: str) -> Iterator[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    tree = ast.parse(source, file)
    seen: Counter[str] = Counter()
    for change in list(_changes(tree, Spot())):
        name = f"{'.'.join(change.spot.scope) or 'module'}: {_shown(change.old)} -> {_shown(change.new)}"
        seen[name] += 1
        lines = range(min(change.spot.first_line, change.old.lineno), (change.old.end_lineno or change.old.lineno) + 1)
        yield Mutant(
            f"{name} #{seen[name]}" if seen[name] > 1 else name, lines, change.spot.function, tree, file, change
        )


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _changes(node: ast.AST, spot: Spot) -> Iterator[Change]:
    for field, value in ast.iter_fields(node):
        if field in NOT_WALKED:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or isinstance(child, LEFT_ALONE) or _says_nothing(child):
                continue
            inner = _inside(node, field, child, spot)
            if isinstance(child, ast.expr | ast.stmt):
                yield from (Change(inner, node, field, index, child, new) for new in _in_place_of(child, node))
            yield from _changes(child, inner)


def _inside(node: ast.AST, field: str, child: ast.AST, spot: Spot) -> Spot:
    """Return where `child` is. Defaults and decorators are worked out where a function is made, not where it runs."""
    scope, function, first_line = spot.scope, spot.function, spot.first_line
    if field == "body" and isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        scope = (*scope, node.name)
        if not isinstance(node, ast.ClassDef):
            function = function or ".".join(scope)
    return Spot(scope, function, child.lineno if isinstance(child, ast.stmt) else first_line)


def _says_nothing(node: ast.AST) -> bool:
    """Tell whether a node is a docstring, or the list of names that a package hands on."""
    match node:
        case ast.Expr(ast.Constant()) | ast.Assign([ast.Name("__all__")]):
            return True
    return False


def _in_place_of(node: ast.expr | ast.stmt, parent: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Return what a node may be changed into."""
    match node:
        case ast.Compare(left, operators, values):
            for at, operator in enumerate(operators):
                for other in COMPARED[type(operator)]:
                    yield ast.Compare(left, [*operators[:at], other(), *operators[at + 1 :]], values)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in RECKONED:
            yield ast.BinOp(left, RECKONED[type(operator)](), right)
        case ast.Constant(value):
            yield from _constants(value, parent)
        case ast.stmt():
            yield from _statements(node)
        case ast.Name() | ast.Call() | ast.Attribute() if getattr(parent, "test", None) is node:
            yield ast.UnaryOp(ast.Not(), node)


def _constants(value: object, parent: ast.AST) -> Iterator[ast.expr]:
    match value:
        case bool():
            yield ast.Constant(not value)
        case int() | float():
            yield ast.Constant(value + 1 if abs(value) < LARGE else value * 2)
        case str() if CODE_WORD.fullmatch(value) and not isinstance(parent, ast.keyword):
            yield ast.Constant(value + "XX")


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.AugAssign(target, operator, value):
            yield ast.Pass()
            if type(operator) in RECKONED:
                yield ast.AugAssign(target, RECKONED[type(operator)](), value)
        case ast.Return(value) if value is not None and not (isinstance(value, ast.Constant) and not value.value):
            yield ast.Return(None)  # a caller that only asks whether it is true takes None for False
        case ast.Expr() | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
