"""The public API as text: every name of every package face, with its signature.

It reads the source and imports nothing, so that the text is the same on every Python
and no heavy library is loaded. `make api-snapshot` writes the text that
`tests/unit/test_public_api.py` compares with; a change in it is a change that the
changelog and the version have to tell.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SNAPSHOT", "describe_api"]

ROOT = Path(__file__).parents[1]
SNAPSHOT = ROOT / "tests/unit/public_api.txt"
HEADING = "# The public API. Written by `make api-snapshot`; review every line that changes.\n"
LONGEST_VALUE = 60
UNSEEN = {"__repr__", "__str__", "cache", "functools.cache", "lru_cache", "functools.lru_cache"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


class _Module:
    """The names that one module's source binds at its top level."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.is_face = file.name == "__init__.py"
        self.bound: dict[str, list[ast.stmt]] = {}
        for statement in _flat(ast.parse(file.read_text(encoding="utf-8")).body):
            for bound in _names(statement):
                self.bound.setdefault(bound, []).append(statement)

    @property
    def public(self) -> list[str]:
        for statement in self.bound.get("__all__", []):
            if isinstance(statement, ast.Assign):
                return sorted(ast.literal_eval(statement.value))
        return []


def describe_api(source: Path = ROOT / "src") -> str:
    """Describe every name in `kingpost.__all__` and in the `__all__` of each package face.

    Args:
        source: The folder that holds the package `kingpost`.
    """
    files = sorted(source.glob("kingpost/**/*.py"))
    names = [_module_name(file.relative_to(source)) for file in files]
    modules = {name: _Module(name, file) for name, file in zip(names, files, strict=True)}
    blocks = [_face(each, modules) for each in modules.values() if each.is_face and each.public]
    return "\n".join([HEADING, *blocks])


def _face(face: _Module, modules: dict[str, _Module]) -> str:
    lines = [face.name]
    for name in face.public:
        lines += [f"  {line}" for line in [*_describe(name, face, modules)] or [name]]
    return "\n".join(lines) + "\n"


def _describe(name: str, module: _Module, modules: dict[str, _Module]) -> Iterator[str]:
    for statement in module.bound.get(name, []):
        if not isinstance(statement, ast.ImportFrom):
            yield from _definition(name, statement)
            continue
        home = modules.get(statement.module or "")
        source_name = next(a.name for a in statement.names if (a.asname or a.name) == name)
        renamed = "" if source_name == name else f" as {name}"
        if home is None or source_name not in home.bound:
            yield f"{name}: from {statement.module}"
        elif home.is_face and source_name in home.public:
            yield f"{home.name}.{source_name}{renamed}"  # described there
        else:
            yield from _describe(source_name, home, modules)


def _definition(name: str, statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.ClassDef():
            yield from _class(statement)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield _function(statement)
        case ast.AnnAssign(annotation=annotation, value=None):
            yield f"{name}: {ast.unparse(annotation)}"
        case ast.AnnAssign(annotation=annotation, value=ast.expr() as value):
            yield f"{name}: {ast.unparse(annotation)} = {_short(value)}"
        case ast.Assign(value=value):
            yield f"{name} = {_short(value)}"
        case _:
            yield name


def _class(definition: ast.ClassDef) -> Iterator[str]:
    bases = [ast.unparse(each) for each in [*definition.bases, *definition.keywords]]
    yield f"{_decorators(definition)}class {definition.name}({', '.join(bases)})"
    for statement in _flat(definition.body):
        for name in _names(statement):
            if _is_public(name, statement):
                yield from (f"  {line}" for line in _definition(name, statement))


def _is_public(name: str, statement: ast.stmt) -> bool:
    if name.startswith("__"):  # a protocol of the language: construction, calls, contexts
        return isinstance(statement, Function) and name not in UNSEEN
    return not name.startswith("_")


def _function(definition: Function) -> str:
    word = "async def" if isinstance(definition, ast.AsyncFunctionDef) else "def"
    answer = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
    arguments = ast.unparse(definition.args)
    return f"{_decorators(definition)}{word} {definition.name}({arguments}){answer}"


def _decorators(definition: Function | ast.ClassDef) -> str:
    texts = map(ast.unparse, definition.decorator_list)
    return "".join(f"@{text} " for text in texts if text.partition("(")[0] not in UNSEEN)


def _short(value: ast.expr) -> str:
    text = ast.unparse(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Walk into `if` and `try`, where names are bound too, but into no definition."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            handlers = [
                each for handler in getattr(statement, "handlers", []) for each in handler.body
            ]
            yield from _flat([*statement.body, *handlers, *statement.orelse])


def _names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.ImportFrom(names=names) | ast.Import(names=names):
            return [alias.asname or alias.name for alias in names]
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case _:
            return []


def _module_name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


if __name__ == "__main__":
    SNAPSHOT.write_text(describe_api(), encoding="utf-8")
    print(f"wrote {SNAPSHOT.relative_to(ROOT)}")
