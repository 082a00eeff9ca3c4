"""On-demand bodies as row expressions: what one row's value is, column by column.

A body that does arithmetic on whole columns does the same on one row. The body is followed
symbolically: a local name stands for its expression, an input for the parameter that
carries it. What has no plain row form, as a rolling mean or a look-up of a table, is
`Unturned` with its line, and is not approximated.
"""

import ast
import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kingpost.integrations.feast.model import UserFunction, ValueKind
from kingpost.integrations.feast.names import Dynamic, External, Module, Names, shown
from kingpost.integrations.feast.report import Line

__all__ = ["Parameter", "RowExpression", "Unturned", "row_expressions"]

_MOST_NODES = 400
_HELD = "\0"
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_MATH = {"exp", "log", "log1p", "log2", "log10", "sqrt", "floor", "ceil", "sin", "cos", "tan"}
_INFINITE = {"exp", "log", "log1p", "log2", "log10", "pow", "sqrt"}
_BUILT_IN = {"abs", "float", "int", "max", "min", "round"}
_CASTS = {
    "float": "float",
    "float32": "float",
    "float64": "float",
    "int": "int",
    "int32": "int",
    "int64": "int",
    "bool": "bool",
}


class Unturned(Exception):
    """An expression that has no row form."""

    def __init__(self, at: Line, what: str) -> None:
        super().__init__(at, what)
        self.at, self.what = at, what


class Parameter(NamedTuple):
    """The parameter that carries an input: its name and its kind."""

    name: str
    kind: ValueKind


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


class _Renamed(ast.NodeTransformer):
    """Gives held values names that no parameter has."""

    def __init__(self, taken: Mapping[str, Parameter]) -> None:
        self._taken = set(taken)
        self._names: dict[str, str] = {}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id.startswith(_HELD):
            if node.id not in self._names:
                number = 1
                while (name := f"value_{number}" if number > 1 else "value") in self._taken:
                    number += 1
                self._taken.add(name)
                self._names[node.id] = name
            node.id = self._names[node.id]
        return node


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
                whole = ast.BinOp(_loaded(statement.target), statement.op, statement.value)
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
            made: _Value = self._frame(value) or self._turn(value)
        except Unturned as error:
            made = error
        if isinstance(target, ast.Name):
            self._values[target.id] = made
            return
        column = _column(target)
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
        if self._external(node.func) in ("pandas.DataFrame", "builtins.dict"):
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
                frame.columns[key.value] = self._turn(value)
            except Unturned as error:
                frame.columns[key.value] = error
        return frame

    def row_expression(self, node: ast.expr) -> RowExpression:
        """Write an expression out, with what it needs."""
        node = _Renamed(self._parameters).visit(copy.deepcopy(node))
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
            _is_truth(node),
            any(isinstance(one, ast.Name) and one.id == "math" for one in nodes),
        )

    def _external(self, node: ast.expr) -> str:
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

    def _turn(self, node: ast.expr) -> ast.expr:
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
            return _chosen(self._truth(node.test), self._turn(node.body), self._turn(node.orelse))
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.ListComp) and not self._by_row:
            return self._comprehension(node)
        if isinstance(node, ast.List) and len(node.elts) == 1 and not self._by_row:
            return self._turn(node.elts[0])  # one row's list
        if self._external(node) in ("numpy.nan", "numpy.NaN", "math.nan"):
            return _math("nan")
        raise self.unturned(node, f"{shown(node)} has no row form")

    def _of_frame(self, node: ast.expr) -> ast.expr | None:
        """Return a column of a table, by `df["a"]` or `df.a`; None when it is none."""
        if isinstance(node, ast.Subscript):
            column, base = _column(node), node.value
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
        left, right = self._turn(node.left), self._turn(node.right)
        if isinstance(node.op, ast.Pow) and not _is_whole(right):
            return _call("pow", left, right)  # `**` of a negative number would be complex
        if self._safe_division and isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod):
            first, then = self._hold(right)
            test = _compared(first, ast.NotEq(), ast.Constant(0))
            return _chosen(test, ast.BinOp(left, node.op, then), _math("nan"))
        return ast.BinOp(left, node.op, right)

    def _unary(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.Invert | ast.Not):
            return ast.UnaryOp(ast.Not(), self._truth(node.operand))
        return ast.UnaryOp(node.op, self._turn(node.operand))

    def _compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot):
            other = node.comparators[0]
            if isinstance(other, ast.Constant) and other.value is None:
                missing = _call("isnan", self._turn(node.left))
                if isinstance(node.ops[0], ast.Is):
                    return missing
                return ast.UnaryOp(ast.Not(), missing)
        if not all(isinstance(one, _COMPARISONS) for one in node.ops):
            raise self.unturned(node, f"{shown(node)} has no row form")
        operands = [node.left, *node.comparators]
        turned = [self._operand(one) for one in operands]
        texts = [_is_text(one, self._parameters) for one in turned]
        if any(texts) and not all(texts):
            raise self.unturned(node, f"{shown(node)} compares text with numbers")
        return ast.Compare(turned[0], node.ops, turned[1:])

    def _operand(self, node: ast.expr) -> ast.expr:
        """Turn what is compared, which may be text."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.Constant(node.value)
        return self._turned(node)

    def _hold(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """Return a value to write where it is first used, and to write wherever after."""
        if isinstance(value, ast.Name | ast.Constant):
            return value, value
        self._held += 1
        name = f"{_HELD}{self._held}"
        return ast.NamedExpr(ast.Name(name, ast.Store()), value), ast.Name(name, ast.Load())

    def _truth(self, node: ast.expr) -> ast.expr:
        """Turn a condition: a value is true when it is there and not zero."""
        turned = self._turn(node)
        if _is_truth(turned):
            return turned
        if isinstance(turned, ast.Name) and self._parameters[turned.id].kind == "bool":
            return turned
        first, then = self._hold(turned)
        there = ast.UnaryOp(ast.Not(), _call("isnan", then))
        return ast.BoolOp(ast.And(), [_compared(first, ast.NotEq(), ast.Constant(0)), there])

    def _call(self, node: ast.Call) -> ast.expr:
        external = self._external(node.func)
        library, _, name = external.rpartition(".")
        if external:
            if any(word.arg is None for word in node.keywords):
                raise self.unturned(node, f"{shown(node)} has no row form")
            if library == "numpy" and name == "where" and len(node.args) == 3:
                return _chosen(
                    self._truth(node.args[0]), self._turn(node.args[1]), self._turn(node.args[2])
                )
            if library in ("numpy", "math") and name in _MATH and len(node.args) == 1:
                return _call(name, self._turn(node.args[0]))
            if external in ("numpy.abs", "numpy.absolute") and len(node.args) == 1:
                return _built_in("abs", self._turn(node.args[0]))
            if external in ("numpy.isnan", "math.isnan", "pandas.isna", "pandas.isnull"):
                if len(node.args) == 1:
                    return self._missing(node.args[0])
                raise self._no_form(node)
            if library == "builtins" and name in _BUILT_IN and not node.keywords:
                if name in ("max", "min") and len(node.args) < 2:
                    raise self._no_form(node)
                return _built_in(name, *(self._turn(one) for one in node.args))
            raise self._no_form(node)
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        raise self._no_form(node)

    def _no_form(self, node: ast.expr) -> Unturned:
        return self.unturned(node, f"{shown(node)} has no row form")

    def _missing(self, node: ast.expr) -> ast.expr:
        self._safe_division += 1
        try:
            return _call("isnan", self._turn(node))
        finally:
            self._safe_division -= 1

    def _method(self, node: ast.Call, function: ast.Attribute) -> ast.expr:
        """Turn a method of a column."""
        turn = _METHODS.get(function.attr)
        words = {word.arg: word.value for word in node.keywords}
        if turn is None or None in words:
            raise self._no_form(node)
        return turn(self, node, function.value, {str(key): one for key, one in words.items()})

    def astype(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.astype("float64")`."""
        asked = node.args[0] if node.args else words.get("dtype")
        named = asked.value if isinstance(asked, ast.Constant) else None
        if named is None and asked is not None:
            named = self._external(asked).rpartition(".")[2]
        cast = _CASTS.get(str(named).lower())
        if cast is None:
            raise self._no_form(node)
        return _built_in(cast, self._turn(base))

    def fillna(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.fillna(0)`; a division inside it gives NaN rather than an error."""
        filler = node.args[0] if node.args else words.get("value")
        if filler is None:
            raise self._no_form(node)
        self._safe_division += 1
        try:
            value = self._turn(base)
        finally:
            self._safe_division -= 1
        first, then = self._hold(value)
        return _chosen(_call("isnan", first), self._turn(filler), then)

    def clip(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.clip(lower, upper)`; NaN stays NaN."""
        bounds = dict(zip(("lower", "upper"), node.args, strict=False)) | dict(words)
        if not bounds or not bounds.keys() <= {"lower", "upper"}:
            raise self._no_form(node)
        value = self._turn(base)
        for bound, operator in (("lower", ast.Lt()), ("upper", ast.Gt())):
            limit = bounds.get(bound)
            if limit is not None and not (isinstance(limit, ast.Constant) and limit.value is None):
                turned = self._turn(limit)
                first, then = self._hold(value)
                value = _chosen(_compared(first, operator, turned), turned, then)
        return value

    def replace(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.replace(0, np.nan)`."""
        if len(node.args) != 2 or words:
            raise self._no_form(node)
        value, old, new = self._turn(base), self._turn(node.args[0]), self._turn(node.args[1])
        first, then = self._hold(value)
        return _chosen(_compared(first, ast.Eq(), old), new, then)

    def between(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.between(low, high)`."""
        if len(node.args) != 2 or words:
            raise self._no_form(node)
        low, value, high = self._turn(node.args[0]), self._turn(base), self._turn(node.args[1])
        return ast.Compare(low, [ast.LtE(), ast.LtE()], [value, high])

    def absolute(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.abs()`."""
        if node.args or words:
            raise self._no_form(node)
        return _built_in("abs", self._turn(base))

    def isna(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.isna()` and its negation's inside."""
        if node.args or words:
            raise self._no_form(node)
        return self._missing(base)

    def notna(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.notna()`."""
        return ast.UnaryOp(ast.Not(), self.isna(node, base, words))

    def apply(self, node: ast.Call, base: ast.expr, words: Mapping[str, ast.expr]) -> ast.expr:
        """Turn `.apply(lambda x: …)` of a column, or of the rows of a table."""
        function = node.args[0] if len(node.args) == 1 else None
        if not isinstance(function, ast.Lambda) or len(function.args.args) != 1:
            raise self._no_form(node)
        frame = self._frame(base)
        axis = words.get("axis")
        rows = isinstance(axis, ast.Constant) and axis.value in (1, "columns")
        if (frame is not None) != rows:
            raise self._no_form(node)
        return self._with({function.args.args[0].arg: frame or self._turn(base)}, function.body)

    def _comprehension(self, node: ast.ListComp) -> ast.expr:
        """Turn `[a / b for a, b in zip(inputs["a"], inputs["b"])]`."""
        loop = node.generators[0]
        if len(node.generators) != 1 or loop.ifs or loop.is_async:
            raise self._no_form(node)
        columns, targets = [loop.iter], [loop.target]
        if isinstance(loop.iter, ast.Call) and self._external(loop.iter.func) == "builtins.zip":
            columns = loop.iter.args
            targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else targets
        bound: dict[str, _Value] = {}
        for target, column in zip(targets, columns, strict=False):
            if not isinstance(target, ast.Name):
                raise self._no_form(node)
            bound[target.id] = self._operand(column)
        if len(bound) != len(columns) or len(targets) != len(columns):
            raise self._no_form(node)
        return self._with(bound, node.elt)

    def _with(self, bound: Mapping[str, _Value], node: ast.expr) -> ast.expr:
        held = self._values
        self._values = {**held, **bound}
        try:
            return self._turn(node)
        finally:
            self._values = held


_Turn = Callable[[_Body, ast.Call, ast.expr, Mapping[str, ast.expr]], ast.expr]
_METHODS: Mapping[str, _Turn] = {
    "abs": _Body.absolute,
    "apply": _Body.apply,
    "astype": _Body.astype,
    "between": _Body.between,
    "clip": _Body.clip,
    "fillna": _Body.fillna,
    "isna": _Body.isna,
    "isnull": _Body.isna,
    "notna": _Body.notna,
    "notnull": _Body.notna,
    "replace": _Body.replace,
}


def _column(node: ast.expr) -> str | None:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value if isinstance(node.slice.value, str) else None
    return None


def _loaded(node: ast.expr) -> ast.expr:
    """Return what an augmented assignment reads from its target."""
    loaded = ast.parse(ast.unparse(node), mode="eval").body
    for one in ast.walk(loaded):
        ast.copy_location(one, node)
    return loaded


def _is_truth(node: ast.expr) -> bool:
    if isinstance(node, ast.BoolOp):
        return all(_is_truth(one) for one in node.values)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("math.isnan", "bool")
    return (
        isinstance(node, ast.Compare)
        or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        or (isinstance(node, ast.Constant) and isinstance(node.value, bool))
    )


def _is_whole(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _is_text(node: ast.expr, parameters: Mapping[str, Parameter]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.Name) and parameters[node.id].kind == "str"


def _math(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("math", ast.Load()), name, ast.Load())


def _call(name: str, *values: ast.expr) -> ast.expr:
    return ast.Call(_math(name), list(values), [])


def _built_in(name: str, *values: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(values), [])


def _compared(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
    return ast.Compare(left, [operator], [right])


def _chosen(test: ast.expr, body: ast.expr, orelse: ast.expr) -> ast.expr:
    return ast.IfExp(test, body, orelse)
