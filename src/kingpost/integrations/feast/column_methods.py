"""Methods of a column, such as `.fillna(0)`, as row expressions."""

import ast
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from kingpost.integrations.feast.row_syntax import (
    Unturned,
    built_in,
    chosen,
    compared,
    math_call,
)

__all__ = ["COLUMN_METHODS", "Method", "RowTurner"]

_CASTS = {
    "float": "float",
    "float32": "float",
    "float64": "float",
    "int": "int",
    "int32": "int",
    "int64": "int",
    "bool": "bool",
}


class RowTurner(Protocol):
    """What turns an expression into that of one row."""

    def turn(self, node: ast.expr) -> ast.expr:
        """Return the row form.

        Raises:
            Unturned: It has none.
        """
        ...

    def turn_safely(self, node: ast.expr) -> ast.expr:
        """Return the row form in which a division by zero is NaN and not an error."""
        ...

    def hold(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Return what to write where a value is first used, and wherever after."""
        ...

    def external(self, node: ast.expr) -> str:
        """Return the dotted path of what a node names outside the repository."""
        ...

    def no_form(self, node: ast.expr) -> Unturned:
        """Return the error that a node has no row form."""
        ...


class Method(NamedTuple):
    """A call of a method: the column it is called on and its named arguments."""

    node: ast.Call
    base: ast.expr
    words: Mapping[str, ast.expr]


def _astype(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.astype("float64")`."""
    asked = call.node.args[0] if call.node.args else call.words.get("dtype")
    named = asked.value if isinstance(asked, ast.Constant) else None
    if named is None and asked is not None:
        named = row.external(asked).rpartition(".")[2]
    cast = _CASTS.get(str(named).lower())
    if cast is None or len(call.node.args) > 1 or not call.words.keys() <= {"dtype"}:
        raise row.no_form(call.node)
    return built_in(cast, row.turn(call.base))


def _fillna(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.fillna(0)`; a division inside it gives NaN rather than an error."""
    filler = call.node.args[0] if call.node.args else call.words.get("value")
    if filler is None or len(call.node.args) > 1 or not call.words.keys() <= {"value"}:
        raise row.no_form(call.node)
    value = row.turn_safely(call.base)
    first, then = row.hold(value)
    return chosen(math_call("isnan", first), row.turn(filler), then)


def _clip(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.clip(lower, upper)`; NaN stays NaN."""
    bounds = dict(zip(("lower", "upper"), call.node.args, strict=False)) | dict(call.words)
    if not bounds or not bounds.keys() <= {"lower", "upper"}:
        raise row.no_form(call.node)
    value = row.turn(call.base)
    for bound, operator in (("lower", ast.Lt()), ("upper", ast.Gt())):
        limit = bounds.get(bound)
        if limit is not None and not (isinstance(limit, ast.Constant) and limit.value is None):
            turned = row.turn(limit)
            first, then = row.hold(value)
            value = chosen(compared(first, operator, turned), turned, then)
    return value


def _replace(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.replace(0, np.nan)`."""
    if len(call.node.args) != 2 or call.words:
        raise row.no_form(call.node)
    value, old, new = row.turn(call.base), row.turn(call.node.args[0]), row.turn(call.node.args[1])
    first, then = row.hold(value)
    return chosen(compared(first, ast.Eq(), old), new, then)


def _between(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.between(low, high)`."""
    if len(call.node.args) != 2 or call.words:
        raise row.no_form(call.node)
    low, value, high = row.turn(call.node.args[0]), row.turn(call.base), row.turn(call.node.args[1])
    return ast.Compare(low, [ast.LtE(), ast.LtE()], [value, high])


def _absolute(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.abs()`."""
    if call.node.args or call.words:
        raise row.no_form(call.node)
    return built_in("abs", row.turn(call.base))


def _isna(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.isna()` and its negation's inside."""
    if call.node.args or call.words:
        raise row.no_form(call.node)
    return math_call("isnan", row.turn_safely(call.base))


def _notna(row: RowTurner, call: Method) -> ast.expr:
    """Turn `.notna()`."""
    return ast.UnaryOp(ast.Not(), _isna(row, call))


COLUMN_METHODS: Mapping[str, Callable[[RowTurner, Method], ast.expr]] = {
    "abs": _absolute,
    "astype": _astype,
    "between": _between,
    "clip": _clip,
    "fillna": _fillna,
    "isna": _isna,
    "isnull": _isna,
    "notna": _notna,
    "notnull": _notna,
    "replace": _replace,
}
