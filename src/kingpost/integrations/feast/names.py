"""What a name in a repository's modules stands for, found without running anything.

A name is followed through assignments and imports to the expression behind it, or to a
thing outside the repository, such as `feast.FeatureView`. What only running the code would
tell, as a loop or a call of the user's own, is `Dynamic`: it is reported, never guessed.
"""

import ast
import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from kingpost.integrations.feast.files import PythonFile
from kingpost.integrations.feast.report import Line

__all__ = ["Dynamic", "External", "Here", "Module", "Names", "parse_module", "shown"]

_DEEPEST = 40
_MOST_SHOWN = 100
_MOST_STEPS = 1_000_000
_LONGEST = 1 << 16
_GREATEST = 1 << 62


class Dynamic(Exception):
    """Only running the repository's code would tell what stands here."""

    def __init__(self, at: Line, what: str) -> None:
        super().__init__(at, what)
        self.at, self.what = at, what


@dataclass(frozen=True)
class External:
    """A thing outside the repository, by its dotted path: `feast.types.Float32`."""

    path: str

    @property
    def last(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def is_feast(self) -> bool:
        """Whether it is Feast's."""
        return self.path.partition(".")[0] == "feast"


@dataclass(frozen=True, eq=False)
class Module:
    """A parsed module.

    Attributes:
        bound: Top-level names and what they are bound to, each time they are.
        stars: Modules of which every name is imported.
    """

    path: str
    name: str
    text: str
    tree: ast.Module
    bound: Mapping[str, tuple["_Bound", ...]]
    stars: tuple[str, ...]

    def at(self, node: ast.expr | ast.stmt) -> Line:
        """Return where a node stands."""
        return Line(self.path, node.lineno)


class Here(NamedTuple):
    """An expression or a function, in the module whose names it uses."""

    node: ast.expr | ast.FunctionDef
    module: Module


class _Imported(NamedTuple):
    module: str
    name: str | None
    """None for the module itself."""


class _Conditional(NamedTuple):
    line: int


_Bound = ast.expr | ast.FunctionDef | _Imported | _Conditional


def parse_module(file: PythonFile) -> Module:
    """Parse a file.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: It is not Python, or is
            nested too deeply to be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(file.text)
    parts = file.path.removesuffix(".py").split("/")
    package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if package else parts)
    bound: dict[str, list[_Bound]] = {}
    stars: list[str] = []
    for statement in tree.body:
        for key, value in _bindings(statement, name, package=package):
            if key == "*" and isinstance(value, _Imported):
                stars.append(value.module)
            else:
                bound.setdefault(key, []).append(value)
    return Module(
        file.path,
        name,
        file.text,
        tree,
        {key: tuple(values) for key, values in bound.items()},
        tuple(stars),
    )


def _bindings(
    statement: ast.stmt, module: str, *, package: bool, conditional: bool = False
) -> Iterator[tuple[str, _Bound]]:
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            yield alias.asname or top, _Imported(alias.name if alias.asname else top, None)
    elif isinstance(statement, ast.ImportFrom):
        origin = _origin(statement, module, package=package)
        for alias in statement.names:
            yield alias.asname or alias.name, _Imported(origin, alias.name)
    elif isinstance(statement, ast.FunctionDef):
        yield statement.name, _Conditional(statement.lineno) if conditional else statement
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if statement.value is None:
                continue
            if isinstance(target, ast.Name) and not conditional:
                yield target.id, statement.value
            else:
                yield from _unclear(target)
    elif isinstance(statement, ast.AugAssign | ast.For):
        yield from _unclear(statement.target)
    for block in ("body", "orelse", "finalbody", "handlers"):
        if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for inner in getattr(statement, block, ()):
                below = inner.body if isinstance(inner, ast.ExceptHandler) else [inner]
                for one in below:
                    yield from _bindings(one, module, package=package, conditional=True)


def _unclear(target: ast.expr) -> Iterator[tuple[str, _Bound]]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, _Conditional(node.lineno)


def _origin(statement: ast.ImportFrom, module: str, *, package: bool) -> str:
    if not statement.level:
        return statement.module or ""
    parts = module.split(".") if module else []
    parts = parts[: len(parts) - statement.level + (1 if package else 0)]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


class Names:
    """The names of all modules of a repository.

    Args:
        modules: By dotted name, from the root of the repository.
        package: The repository's own name: some import from it as from a package.
    """

    def __init__(self, modules: Mapping[str, Module], package: str = "") -> None:
        self._modules = modules
        self._package = package
        self._steps = 0

    def resolve(self, node: ast.expr, module: Module, depth: int = 0) -> Here | External:
        """Follow names to the expression behind them, or out of the repository.

        Raises:
            Dynamic: The name is bound in a branch or a loop, more than once or not at all.
        """
        if depth > _DEEPEST:
            raise Dynamic(module.at(node), f"{shown(node)} leads too far")
        if isinstance(node, ast.Name):
            return self._named(node.id, module, module.at(node), depth)
        if isinstance(node, ast.Attribute):
            try:
                base = self.resolve(node.value, module, depth + 1)
            except Dynamic:
                return Here(node, module)
            if isinstance(base, External):
                inner = self._module(base.path)
                if inner is not None:
                    return self._named(node.attr, inner, module.at(node), depth)
                return External(f"{base.path}.{node.attr}")
        return Here(node, module)

    def _module(self, path: str) -> Module | None:
        head, _, rest = path.partition(".")
        found = self._modules.get(path)
        return self._modules.get(rest) if found is None and head == self._package else found

    def _named(self, name: str, module: Module, at: Line, depth: int) -> Here | External:
        if depth > _DEEPEST:
            raise Dynamic(at, f"{name} leads too far")
        bound = module.bound.get(name, ())
        if not bound:
            for star in module.stars:
                inner = self._module(star)
                if inner is not None and depth < _DEEPEST:
                    try:
                        return self._named(name, inner, at, depth + 1)
                    except Dynamic:
                        continue
                elif star.partition(".")[0] == "feast":
                    return External(f"{star}.{name}")
            if name in _BUILT_IN:
                return External(f"builtins.{name}")
            raise Dynamic(at, f"{name} is not defined in a file that was read")
        imported = [one for one in bound if isinstance(one, _Imported)]
        if len(imported) == len(bound):
            return self._imported(imported[0], at, depth)
        first = bound[0]
        if len(bound) > 1:
            raise Dynamic(at, f"{name} is bound {len(bound)} times")
        if isinstance(first, _Conditional):
            raise Dynamic(Line(module.path, first.line), f"{name} is bound in a branch or a loop")
        if isinstance(first, ast.expr):
            return self.resolve(first, module, depth + 1)
        if isinstance(first, ast.FunctionDef):
            return Here(first, module)
        return self._imported(first, at, depth)

    def _imported(self, imported: _Imported, at: Line, depth: int) -> Here | External:
        if imported.name is None:
            return External(imported.module)
        inner = self._module(imported.module)
        if inner is not None and (imported.name in inner.bound or inner.stars):
            return self._named(imported.name, inner, at, depth + 1)
        return External(".".join(filter(None, (imported.module, imported.name))))

    def callee(self, node: ast.expr, module: Module) -> External | None:
        """Return what is called, when it is outside the repository."""
        try:
            found = self.resolve(node, module)
        except Dynamic:
            return None
        return found if isinstance(found, External) else None

    def value(self, node: ast.expr, module: Module) -> object:
        """Return a constant: a text, a number, a length of time, or a list or dict of them.

        Raises:
            Dynamic: It is none, or none that can be known without running the code.
        """
        self._spend(module.at(node))
        found = self.resolve(node, module)
        if isinstance(found, External):
            raise Dynamic(module.at(node), f"{shown(node)} is not a constant")
        node, module = _expression(found), found.module
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(one, inner) for one, inner in self.elements(node, module)]
        if isinstance(node, ast.Dict) and all(key is not None for key in node.keys):
            return {
                str(self.value(key, module)): self.value(value, module)
                for key, value in zip(node.keys, node.values, strict=True)
                if key is not None
            }
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.value(node.operand, module)
            if isinstance(inner, int | float):
                return -inner
        if isinstance(node, ast.BinOp):
            return self._computed(node, module)
        if isinstance(node, ast.JoinedStr):
            texts = [str(self.value(_plain_part(one), module)) for one in node.values]
            return self._bounded("".join(texts), node, module)
        if isinstance(node, ast.Call):
            length = self._length(node, module)
            if length is not None:
                return length
        raise Dynamic(module.at(node), f"{shown(node)} is computed when the code runs")

    def _computed(self, node: ast.BinOp, module: Module) -> object:
        left, right = self.value(node.left, module), self.value(node.right, module)
        if isinstance(node.op, ast.Add) and isinstance(left, str) and isinstance(right, str):
            return self._bounded(left + right, node, module)
        if isinstance(left, int) and isinstance(right, int) and type(node.op) in _WHOLE:
            result = _WHOLE[type(node.op)](left, right)
            if abs(result) <= _GREATEST:
                return result
        with contextlib.suppress(OverflowError, ZeroDivisionError):
            length = _computed_length(left, node.op, right)
            if length is not None:
                return length
        raise Dynamic(module.at(node), f"{shown(node)} is computed when the code runs")

    def _bounded(self, text: str, node: ast.expr, module: Module) -> str:
        if len(text) > _LONGEST:
            raise Dynamic(module.at(node), f"{shown(node)} is longer than {_LONGEST:,} characters")
        return text

    def _length(self, node: ast.Call, module: Module) -> timedelta | None:
        """Return a `timedelta(…)` or a `Duration(seconds=…)` of constants."""
        called = self.callee(node.func, module)
        if called is None or called.last not in ("timedelta", "Duration"):
            return None
        units = dict(zip(("days", "seconds", "microseconds"), node.args, strict=False))
        units |= {word.arg: word.value for word in node.keywords if word.arg}
        amounts: dict[str, float] = {}
        for unit, value in units.items():
            amount = self.value(value, module)
            if (
                unit not in _UNITS
                or isinstance(amount, bool)
                or not isinstance(amount, int | float)
            ):
                return None
            amounts[unit] = amount
        try:
            return timedelta(**amounts)
        except (OverflowError, ValueError):
            raise Dynamic(module.at(node), f"{shown(node)} is longer than time can be") from None

    def elements(self, node: ast.expr, module: Module) -> list[tuple[ast.expr, Module]]:
        """Return the elements of a list that is written out, or of several added up.

        Raises:
            Dynamic: It is not.
        """
        found = self.resolve(node, module)
        self._spend(module.at(node))
        if isinstance(found, Here):
            inner = found.module
            if isinstance(found.node, ast.List | ast.Tuple):
                listed: list[tuple[ast.expr, Module]] = []
                for one in found.node.elts:
                    if isinstance(one, ast.Starred):
                        listed += self.elements(one.value, inner)
                    else:
                        listed.append((one, inner))
                return listed
            if isinstance(found.node, ast.BinOp) and isinstance(found.node.op, ast.Add):
                left, right = found.node.left, found.node.right
                return self.elements(left, inner) + self.elements(right, inner)
        raise Dynamic(module.at(node), f"{shown(node)} is not a list that is written out")

    def _spend(self, at: Line) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise Dynamic(at, "the repository's constants take too long to work out")


_BUILT_IN = frozenset({"abs", "bool", "float", "int", "len", "max", "min", "round", "str", "zip"})
_UNITS = frozenset({"days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks"})
_WHOLE: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: int.__mul__,
}


def _computed_length(left: object, operator: ast.operator, right: object) -> timedelta | None:
    if isinstance(operator, ast.Mult) and isinstance(right, timedelta):
        left, right = right, left
    if not isinstance(left, timedelta):
        return None
    if isinstance(operator, ast.Add) and isinstance(right, timedelta):
        return left + right
    if isinstance(right, int) and isinstance(operator, ast.Mult):
        return left * right
    return left / right if isinstance(right, int) and isinstance(operator, ast.Div) else None


def _plain_part(node: ast.expr) -> ast.expr:
    """Return the value in a part of an f-string that is written as it is; else the part."""
    if isinstance(node, ast.FormattedValue) and node.conversion == -1 and not node.format_spec:
        return node.value
    return node


def _expression(found: Here) -> ast.expr:
    if isinstance(found.node, ast.FunctionDef):
        raise Dynamic(found.module.at(found.node), f"{found.node.name} is a function")
    return found.node


def shown(node: ast.expr) -> str:
    """Write an expression as it stands, cut when it is long."""
    try:
        text = " ".join(ast.unparse(node).split())
    except RecursionError:
        return "the expression"
    return f"`{text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + '…'}`"
