"""Pieces of row expressions: how they are built, and what they are.

A value that is used twice is held by a name where it is first used (`:=`).
"""

import ast
from collections.abc import Mapping
from typing import NamedTuple

from kingpost.integrations.feast.model import ValueKind
from kingpost.integrations.feast.report import Line

__all__ = [
    "HELD",
    "Parameter",
    "Unturned",
    "WithHeldNames",
    "built_in",
    "chosen",
    "column_named",
    "compared",
    "is_boolean",
    "is_text",
    "is_truth",
    "is_whole",
    "loaded",
    "math_call",
    "math_name",
]

HELD = "\0"
"""What the name of a held value starts with, until no parameter's name can be the same."""


class Unturned(Exception):
    """An expression that has no row form."""

    def __init__(self, at: Line, what: str) -> None:
        super().__init__(at, what)
        self.at, self.what = at, what


class Parameter(NamedTuple):
    """The parameter that carries an input: its name and its kind."""

    name: str
    kind: ValueKind


class WithHeldNames(ast.NodeTransformer):
    """Gives held values names that no parameter has."""

    def __init__(self, taken: Mapping[str, Parameter]) -> None:
        self._taken = set(taken)
        self._names: dict[str, str] = {}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id.startswith(HELD):
            if node.id not in self._names:
                number = 1
                while (name := f"value_{number}" if number > 1 else "value") in self._taken:
                    number += 1
                self._taken.add(name)
                self._names[node.id] = name
            node.id = self._names[node.id]
        return node


def column_named(node: ast.expr) -> str | None:
    """Return the column of `df["a"]`; None when it is computed or no column."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value if isinstance(node.slice.value, str) else None
    return None


def loaded(node: ast.expr) -> ast.expr:
    """Return what an augmented assignment reads from its target."""
    loaded = ast.parse(ast.unparse(node), mode="eval").body
    for one in ast.walk(loaded):
        ast.copy_location(one, node)
    return loaded


def is_truth(node: ast.expr) -> bool:
    """Whether an expression is a condition, as a comparison is."""
    if isinstance(node, ast.BoolOp):
        return all(is_truth(one) for one in node.values)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("math.isnan", "bool")
    return (
        isinstance(node, ast.Compare)
        or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        or (isinstance(node, ast.Constant) and isinstance(node.value, bool))
    )


def is_boolean(node: ast.expr, parameters: Mapping[str, Parameter]) -> bool:
    """Whether an expression is a condition or a parameter that is true or false."""
    if isinstance(node, ast.Name):
        return parameters[node.id].kind == "bool"
    return is_truth(node)


def is_whole(node: ast.expr) -> bool:
    """Whether an expression is a whole number that is written out."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def is_text(node: ast.expr, parameters: Mapping[str, Parameter]) -> bool:
    """Whether an expression is a text."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.Name) and parameters[node.id].kind == "str"


def math_name(name: str) -> ast.expr:
    """Write `math.<name>`."""
    return ast.Attribute(ast.Name("math", ast.Load()), name, ast.Load())


def math_call(name: str, *values: ast.expr) -> ast.expr:
    """Write `math.<name>(…)`."""
    return ast.Call(math_name(name), list(values), [])


def built_in(name: str, *values: ast.expr) -> ast.expr:
    """Write `<name>(…)` of a built-in function."""
    return ast.Call(ast.Name(name, ast.Load()), list(values), [])


def compared(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    """Write a comparison."""
    return ast.Compare(left, [operator], [right])


def chosen(test: ast.expr, body: ast.expr, orelse: ast.expr) -> ast.expr:
    """Write `<body> if <test> else <orelse>`."""
    return ast.IfExp(test, body, orelse)
