"""The reference of the public Python names: every face, signatures and first lines.

Read from the source, as `tools/public_api.py` does, so that nothing heavy is imported.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.reference.markdown import code, first_sentence, page

__all__ = ["describe_python_api"]

_SOURCE = Path(__file__).parents[2] / "src"
_ABOUT = """\
What the packages' `__all__` list; everything else is private and may change at any time. `import kingpost as kp` gives
what a declaration needs, the packages the rest."""

_LONGEST_VALUE = 60
_Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def describe_python_api(source: Path = _SOURCE) -> str:
    """Return the page.

    Args:
        source: The folder that holds the package `kingpost`.
    """
    top = source / "kingpost" / "__init__.py"
    faces = [top, *sorted(source.glob("kingpost/*/__init__.py"))]
    return page("Python API", _ABOUT, *(_face(face, source) for face in faces))


def _face(face: Path, source: Path) -> str:
    tree = _parse(face)
    public = _public(tree)
    if not public:
        return ""
    title = ".".join(face.parent.relative_to(source).parts)
    blocks = [f"## {title}", first_sentence(ast.get_docstring(tree) or "")]
    blocks += ["\n".join(_entry(name, _home(name, tree, source))) for name in public]
    return "\n\n".join(blocks)


def _home(name: str, tree: ast.Module, source: Path) -> ast.stmt | None:
    """Find the statement that binds a name, through every import of it."""
    here = _definition(tree, name)
    if here is not None:
        return here
    module, original = _imports(tree).get(name, ("", name))
    file = _file(module, source)
    return _home(original, _parse(file), source) if file else None


def _entry(name: str, found: ast.stmt | None) -> Iterator[str]:
    match found:
        case ast.ClassDef():
            yield f"**{code(_class_head(found))}** {_first_line(found)}"
            methods = [each for each in found.body if isinstance(each, _Function)]
            shown = [each for each in methods if not each.name.startswith("_")]
            if shown:
                yield ""
            for method in shown:
                yield f"- {code(_method(method))} {_first_line(method)}".rstrip()
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield f"**{code(_signature(found))}** {_first_line(found)}"
        case ast.AnnAssign(annotation=annotation):
            yield f"**{code(f'{name}: {ast.unparse(annotation)}')}**"
        case ast.Assign(value=value) if len(ast.unparse(value)) <= _LONGEST_VALUE:
            yield f"**{code(f'{name} = {ast.unparse(value)}')}**"
        case _:
            yield f"**{code(name)}**"


def _class_head(definition: ast.ClassDef) -> str:
    made = [each for each in definition.body if isinstance(each, ast.FunctionDef)]
    construction = next((each for each in made if each.name == "__init__"), None)
    if construction is not None:
        return f"{definition.name}{_arguments(construction, skip=1)}"
    fields = [
        ast.unparse(each)
        for each in definition.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and not each.target.id.startswith("_")
        and not ast.unparse(each.annotation).startswith("ClassVar")
    ]
    return f"{definition.name}({', '.join(fields)})" if fields else definition.name


def _method(method: _Function) -> str:
    decorators = {ast.unparse(each) for each in method.decorator_list}
    if decorators & {"property", "cached_property"}:
        answer = f": {ast.unparse(method.returns)}" if method.returns else ""
        return f".{method.name}{answer}"
    return "." + _signature(method, skip=0 if "staticmethod" in decorators else 1)


def _signature(function: _Function, skip: int = 0) -> str:
    word = "await " if isinstance(function, ast.AsyncFunctionDef) else ""
    answer = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{word}{function.name}{_arguments(function, skip)}{answer}"


def _arguments(function: _Function, skip: int) -> str:
    taken = ast.arguments(**{name: getattr(function.args, name) for name in ast.arguments._fields})
    taken.args = taken.args[skip:]
    return f"({ast.unparse(taken)})"


def _first_line(definition: _Definition) -> str:
    return first_sentence(ast.get_docstring(definition) or "")


def _definition(tree: ast.Module, name: str) -> ast.stmt | None:
    for statement in _flat(tree.body):
        match statement:
            case ast.ClassDef(name=found) | ast.FunctionDef(name=found) if found == name:
                return statement
            case ast.AsyncFunctionDef(name=found) if found == name:
                return statement
            case (
                ast.AnnAssign(target=ast.Name(id=found)) | ast.Assign(targets=[ast.Name(id=found)])
            ) if found == name:
                return statement
            case _:
                pass
    return None


def _public(tree: ast.Module) -> list[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return sorted(ast.literal_eval(statement.value))
    return []


def _imports(tree: ast.Module) -> dict[str, tuple[str, str]]:
    return {
        alias.asname or alias.name: (statement.module or "", alias.name)
        for statement in _flat(tree.body)
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def _flat(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _flat([*statement.body, *statement.orelse])


def _file(module: str, source: Path) -> Path | None:
    stem = source.joinpath(*module.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((file for file in candidates if module and file.is_file()), None)


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
