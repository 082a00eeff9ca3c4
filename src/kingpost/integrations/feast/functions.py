"""On-demand bodies as row expressions: what one row's value is, column by column.

A body that does arithmetic on whole columns does the same on one row. The body is followed
symbolically: a local name stands for its expression, an input for the parameter that
carries it. What has no plain row form, as a rolling mean or a look-up of a table, is
`Unturned` with its line, and is not approximated.
"""

import ast
import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kingpost.integrations.feast.column_methods import COLUMN_METHODS, Method
from kingpost.integrations.feast.model import UserFunction
from kingpost.integrations.feast.names import Dynamic, External, Module, Names, shown
from kingpost.integrations.feast.row_syntax import (
    HELD,
    Parameter,
    Unturned,
    WithHeldNames,
    built_in,
    chosen,
    column_named,
    compared,
    is_boolean,
    is_text,
    is_truth,
    is_whole,
    loaded,
    math_call,
    math_name,
)

__all__ = ["RowExpression", "row_expressions"]

_MOST_NODES = 400
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MATH = {"exp", "log", "log1p", "log2", "log10", "sqrt", "floor", "ceil", "sin", "cos", "tan"}
_INFINITE = {"exp", "log", "log1p", "log2", "log10", "pow", "sqrt"}
_BUILT_IN = {"abs", "float", "int", "max", "min", "round"}


class RowExpression(NamedTuple):
    """What one output is for one row.

    Attributes:
        parameters: The parameters that it needs, in the order in which they appear.
        may_fail: It divides or the like, so that it may have no value.
        is_truth: It is a comparison, so a boolean.
    """

    text: str
    parameters: tuple[Parameter, ...]
    may_fail: bool
    is_truth: bool
    needs_math: bool


@dataclass
class _Frame:
    """A table or a dict of columns; `is_input` has those of the inputs too."""

    is_input: bool
    columns: "dict[str, _Value]" = field(default_factory=dict)


_Value = ast.expr | _Frame | Unturned


def row_expressions(
    function: UserFunction,
    inputs: Mapping[str, Parameter],
    outputs: Sequence[str],
    names: Names,
    *,
    by_row: bool,
) -> dict[str, RowExpression | Unturned]:
    """Turn a body into an expression per output.

    Args:
        inputs: Feast's name of each input that has a counterpart.
        outputs: The names it should return.
        by_row: It is given one row's values, not columns: Feast's `singleton` mode.

    Raises:
        Unturned: The body as a whole cannot be followed.
    """
    body = _Body(function.module, inputs, names, by_row=by_row)
    given = function.node.args
    if len(given.args) != 1 or given.vararg or given.kwarg or given.kwonlyargs:
        raise body.unturned(function.node, "takes more than its inputs")
    returned = body.run(function.node, given.args[0].arg)
    found: dict[str, RowExpression | Unturned] = {}
    for output in outputs:
        value = returned.columns.get(output)
        if isinstance(value, ast.expr):
            found[output] = body.row_expression(value)
        elif isinstance(value, Unturned):
            found[output] = value
        else:
            found[output] = body.unturned(function.node, f"returns no {output!r}")
    return found


class _Body:
    def __init__(
        self,
        module: Module,
        inputs: Mapping[str, Parameter],
        names: Names,
        *,
        by_row: bool,
    ) -> None:
        self._module, self._inputs, self._names, self._by_row = module, inputs, names, by_row
        self._values: dict[str, _Value] = {}
        self._parameters = {parameter.name: parameter for parameter in inputs.values()}
        self._safe_division = 0
        self._held = 0
        self._imported: dict[str, str] = {}

    def unturned(self, node: ast.expr | ast.stmt, what: str) -> Unturned:
        return Unturned(self._module.at(node), what)

    def run(self, function: ast.FunctionDef, argument: str) -> _Frame:
        """Follow the statements to what is returned."""
        self._values[argument] = _Frame(is_input=True)
        for statement in function.body:
            if isinstance(statement, ast.Return) and statement.value is not None:
                return self._returned(statement.value)
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], statement.value)
            elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
                self._assign(statement.target, statement.value)
            elif isinstance(statement, ast.AugAssign):
                whole = ast.BinOp(loaded(statement.target), statement.op, statement.value)
                ast.copy_location(whole, statement)
                self._assign(statement.target, whole)
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                self._import(statement)
            elif not (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                word = type(statement).__name__.lower()
                raise self.unturned(statement, f"has a statement without a row form ({word})")
        raise self.unturned(function, "returns nothing")

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        origin = f"{statement.module}." if isinstance(statement, ast.ImportFrom) else ""
        for alias in statement.names:
            name = alias.name if origin or alias.asname else alias.name.partition(".")[0]
            self._imported[alias.asname or name] = f"{origin}{name}"

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        try:
            made: _Value = self._frame(value) or self.turn(value)
        except Unturned as error:
            made = error
        if isinstance(target, ast.Name):
            self._values[target.id] = made
            return
        column = column_named(target)
        if column is not None and isinstance(target, ast.Subscript):
            frame = self._frame(target.value)
            if frame is not None:
                frame.columns[column] = made
                return
        raise self.unturned(target, f"assigns to {shown(target)}")

    def _returned(self, node: ast.expr) -> _Frame:
        frame = self._frame(node)
        if frame is None:
            raise self.unturned(node, f"returns {shown(node)}, not a table of columns")
        return frame

    def _frame(self, node: ast.expr) -> _Frame | None:
        """Return the table that a node is: a local one, a copy, an empty or a written one."""
        if isinstance(node, ast.Name):
            value = self._values.get(node.id)
            return value if isinstance(value, _Frame) else None
        if isinstance(node, ast.Dict):
            return self._written(node)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.List | ast.Tuple):
            return self._frame(node.value)
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Attribute) and node.func.attr == "copy":
            copied = self._frame(node.func.value)
            return copied and _Frame(copied.is_input, dict(copied.columns))
        if self.external(node.func) in ("pandas.DataFrame", "builtins.dict"):
            if node.args and isinstance(node.args[0], ast.Dict):
                return self._written(node.args[0])
            return None if node.args else _Frame(is_input=False)
        return None

    def _written(self, node: ast.Dict) -> _Frame:
        frame = _Frame(is_input=False)
        for key, value in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                raise self.unturned(node, "names a column that is computed")
            try:
                frame.columns[key.value] = self.turn(value)
            except Unturned as error:
                frame.columns[key.value] = error
        return frame

    def row_expression(self, node: ast.expr) -> RowExpression:
        """Write an expression out, with what it needs."""
        node = WithHeldNames(self._parameters).visit(copy.deepcopy(node))
        nodes = list(ast.walk(node))
        used = [one.id for one in nodes if isinstance(one, ast.Name)]
        needed = sorted(
            {name for name in used if name in self._parameters}, key=lambda name: used.index(name)
        )
        return RowExpression(
            ast.unparse(node),
            tuple(self._parameters[name] for name in needed),
            any(
                isinstance(one, ast.Div | ast.FloorDiv | ast.Mod)
                or (isinstance(one, ast.Attribute) and one.attr in _INFINITE)
                for one in nodes
            ),
            is_truth(node),
            any(isinstance(one, ast.Name) and one.id == "math" for one in nodes),
        )

    def external(self, node: ast.expr) -> str:
        """Return the dotted path of what a node names outside the repository."""
        head = node
        while isinstance(head, ast.Attribute):
            head = head.value
        if not isinstance(head, ast.Name) or head.id in self._values:
            return ""
        if head.id in self._imported:
            return self._imported[head.id] + ast.unparse(node)[len(head.id) :]
        found = self._names.callee(node, self._module)
        return found.path if isinstance(found, External) else ""

    def turn(self, node: ast.expr) -> ast.expr:
        """Return the row form of an expression.

        Raises:
            Unturned: It has none.
        """
        turned = self._turned(node)
        if len(list(itertools.islice(ast.walk(turned), _MOST_NODES + 1))) > _MOST_NODES:
            raise self.unturned(node, "is longer than a row expression should be")
        if isinstance(turned, ast.Name) and turned.id in self._parameters:
            kind = self._parameters[turned.id].kind
            if kind == "str":
                raise self.unturned(node, f"{shown(node)} is text, and a feature is a number")
        return ast.copy_location(turned, node)

    def _turned(self, node: ast.expr) -> ast.expr:
        column = self._of_frame(node)
        if column is not None:
            return column
        if isinstance(node, ast.Constant):
            return self._constant(node, node.value)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            return ast.BoolOp(node.op, [self._truth(one) for one in node.values])
        if isinstance(node, ast.IfExp):
            return chosen(self._truth(node.test), self.turn(node.body), self.turn(node.orelse))
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.ListComp) and not self._by_row:
            return self._comprehension(node)
        if isinstance(node, ast.List) and len(node.elts) == 1 and not self._by_row:
            return self.turn(node.elts[0])  # one row's list
        if self.external(node) in ("numpy.nan", "numpy.NaN", "math.nan"):
            return math_name("nan")
        raise self.unturned(node, f"{shown(node)} has no row form")

    def _of_frame(self, node: ast.expr) -> ast.expr | None:
        """Return a column of a table, by `df["a"]` or `df.a`; None when it is none."""
        if isinstance(node, ast.Subscript):
            column, base = column_named(node), node.value
        elif isinstance(node, ast.Attribute):
            column, base = node.attr, node.value
        else:
            return None
        frame = self._frame(base) if isinstance(base, ast.Name) else None
        if frame is None or column is None:
            return None
        value = frame.columns.get(column)
        if isinstance(value, Unturned):
            raise value
        if isinstance(value, ast.expr):
            return value
        parameter = self._inputs.get(column) if frame.is_input else None
        if parameter is None:
            raise self.unturned(node, f"the input {column!r} has no counterpart")
        return ast.Name(parameter.name, ast.Load())

    def _constant(self, node: ast.expr, value: object) -> ast.expr:
        if isinstance(value, bool | int | float):
            return ast.Constant(value)
        raise self.unturned(node, f"{value!r:.60} is not a number")

    def _name(self, node: ast.Name) -> ast.expr:
        value = self._values.get(node.id)
        if isinstance(value, Unturned):
            raise value
        if isinstance(value, ast.expr):
            return value
        if isinstance(value, _Frame):
            raise self.unturned(node, f"uses {node.id} as a whole")
        try:
            return self._constant(node, self._names.value(node, self._module))
        except Dynamic as dynamic:
            raise self.unturned(node, dynamic.what) from None

    def _binary(self, node: ast.BinOp) -> ast.expr:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            word = ast.And() if isinstance(node.op, ast.BitAnd) else ast.Or()
            return ast.BoolOp(word, [self._truth(node.left), self._truth(node.right)])
        if not isinstance(node.op, _ARITHMETIC):
            raise self.unturned(node, f"{shown(node)} has no row form")
        left, right = self.turn(node.left), self.turn(node.right)
        if is_boolean(left, self._parameters) and is_boolean(right, self._parameters):
            raise self.unturned(node, f"{shown(node)} is arithmetic of truths, which pandas ors")
        if isinstance(node.op, ast.Pow) and not is_whole(right):
            return math_call("pow", left, right)  # `**` of a negative number would be complex
        if self._safe_division and isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod):
            first, then = self.hold(right)
            test = compared(first, ast.NotEq(), ast.Constant(0))
            return chosen(test, ast.BinOp(left, node.op, then), math_name("nan"))
        return ast.BinOp(left, node.op, right)

    def _unary(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Invert | ast.Not):
            return ast.UnaryOp(ast.Not(), self._truth(node.operand))
        return ast.UnaryOp(node.op, self.turn(node.operand))

    def _compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot):
            other = node.comparators[0]
            if isinstance(other, ast.Constant) and other.value is None:
                missing = math_call("isnan", self.turn(node.left))
                if isinstance(node.ops[0], ast.Is):
                    return missing
                return ast.UnaryOp(ast.Not(), missing)
        if not all(isinstance(one, _COMPARISONS) for one in node.ops):
            raise self.unturned(node, f"{shown(node)} has no row form")
        operands = [node.left, *node.comparators]
        turned = [self._operand(one) for one in operands]
        texts = [is_text(one, self._parameters) for one in turned]
        if any(texts) and not all(texts):
            raise self.unturned(node, f"{shown(node)} compares text with numbers")
        return ast.Compare(turned[0], node.ops, turned[1:])

    def _operand(self, node: ast.expr) -> ast.expr:
        """Turn what is compared, which may be text."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(node.value)
        return self._turned(node)

    def hold(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Return a value to write where it is first used, and to write wherever after."""
        if isinstance(value, ast.Name | ast.Constant):
            return value, value
        self._held += 1
        name = f"{HELD}{self._held}"
        return ast.NamedExpr(ast.Name(name, ast.Store()), value), ast.Name(name, ast.Load())

    def _truth(self, node: ast.expr) -> ast.expr:
        """Turn a condition: a value is true when it is there and not zero."""
        turned = self.turn(node)
        if is_boolean(turned, self._parameters):
            return turned
        first, then = self.hold(turned)
        there = ast.UnaryOp(ast.Not(), math_call("isnan", then))
        return ast.BoolOp(ast.And(), [compared(first, ast.NotEq(), ast.Constant(0)), there])

    def _call(self, node: ast.Call) -> ast.expr:
        external = self.external(node.func)
        library, _, name = external.rpartition(".")
        if external:
            if node.keywords:
                raise self.no_form(node)
            if library == "numpy" and name == "where" and len(node.args) == 3:
                return chosen(
                    self._truth(node.args[0]), self.turn(node.args[1]), self.turn(node.args[2])
                )
            if library in ("numpy", "math") and name in _MATH and len(node.args) == 1:
                return math_call(name, self.turn(node.args[0]))
            if external in ("numpy.abs", "numpy.absolute") and len(node.args) == 1:
                return built_in("abs", self.turn(node.args[0]))
            if external in ("numpy.isnan", "math.isnan", "pandas.isna", "pandas.isnull"):
                if len(node.args) == 1:
                    return math_call("isnan", self.turn_safely(node.args[0]))
                raise self.no_form(node)
            if library == "builtins" and name in _BUILT_IN:
                if name in ("max", "min") and len(node.args) < 2:
                    raise self.no_form(node)
                return built_in(name, *(self.turn(one) for one in node.args))
            raise self.no_form(node)
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        raise self.no_form(node)

    def no_form(self, node: ast.expr) -> Unturned:
        return self.unturned(node, f"{shown(node)} has no row form")

    def turn_safely(self, node: ast.expr) -> ast.expr:
        """Return the row form in which a division by zero is NaN and not an error."""
        self._safe_division += 1
        try:
            return self.turn(node)
        finally:
            self._safe_division -= 1

    def _method(self, node: ast.Call, function: ast.Attribute) -> ast.expr:
        """Turn a method of a column."""
        words = {word.arg: word.value for word in node.keywords if word.arg}
        call = Method(node, function.value, words)
        if function.attr == "apply":
            return self._apply(call)
        method = COLUMN_METHODS.get(function.attr)
        if method is None or len(words) < len(node.keywords):
            raise self.no_form(node)
        return method(self, call)

    def _apply(self, call: Method) -> ast.expr:
        """Turn `.apply(lambda x: …)` of a column, or of the rows of a table."""
        function = call.node.args[0] if len(call.node.args) == 1 else None
        if not isinstance(function, ast.Lambda) or len(function.args.args) != 1:
            raise self.no_form(call.node)
        frame = self._frame(call.base)
        axis = call.words.get("axis")
        rows = isinstance(axis, ast.Constant) and axis.value in (1, "columns")
        if (frame is not None) != rows:
            raise self.no_form(call.node)
        bound = frame or self.turn(call.base)
        return self._with({function.args.args[0].arg: bound}, function.body)

    def _comprehension(self, node: ast.ListComp) -> ast.expr:
        """Turn `[a / b for a, b in zip(inputs["a"], inputs["b"])]`."""
        loop = node.generators[0]
        if len(node.generators) != 1 or loop.ifs or loop.is_async:
            raise self.no_form(node)
        columns, targets = [loop.iter], [loop.target]
        if isinstance(loop.iter, ast.Call) and self.external(loop.iter.func) == "builtins.zip":
            columns = loop.iter.args
            targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else targets
        bound: dict[str, _Value] = {}
        for target, column in zip(targets, columns, strict=False):
            if not isinstance(target, ast.Name):
                raise self.no_form(node)
            bound[target.id] = self._operand(column)
        if len(bound) != len(columns) or len(targets) != len(columns):
            raise self.no_form(node)
        return self._with(bound, node.elt)

    def _with(self, bound: Mapping[str, _Value], node: ast.expr) -> ast.expr:
        held = self._values
        self._values = {**held, **bound}
        try:
            return self.turn(node)
        finally:
            self._values = held
