"""The reference of error codes, read from the source of every class that has one."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kingpost.serving import PROBLEMS
from tools.reference.markdown import code, first_sentence, page, table

__all__ = ["describe_errors"]

_SOURCE = Path(__file__).parents[2] / "src"
_ABOUT = """\
A code is stable: it may be matched by programs, the message may not. Over HTTP it stands in the problem document
(RFC 9457) with the status below; a code without one is met on the command line or in Python only. In a message,
`<name>` stands for a fact that the error carries as an attribute."""


@dataclass(frozen=True)
class _Error:
    package: str
    name: str
    code: str
    meaning: str
    message: str


def describe_errors() -> str:
    """Return the page."""
    found = sorted(_errors(), key=lambda error: (error.code, error.name))
    blocks = [f"{_ABOUT}\n\n{len({error.code for error in found})} codes."]
    for package in sorted({error.package for error in found}):
        rows = [_row(error) for error in found if error.package == package]
        blocks += [f"## kingpost.{package}", table(["code", "HTTP", "error", "message"], rows)]
    return page("Errors", *blocks)


def _row(error: _Error) -> tuple[str, str, str, str]:
    problem = PROBLEMS.get(error.code)
    named = f"{code(error.name)} {error.meaning}"
    return code(error.code), str(problem.status) if problem else "", named, code(error.message)


def _errors() -> Iterator[_Error]:
    for file in sorted(_SOURCE.glob("kingpost/**/*.py")):
        for statement in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.ClassDef) and (its_code := _code(statement)):
                package = file.relative_to(_SOURCE / "kingpost").parts[0]
                meaning = first_sentence(ast.get_docstring(statement) or "")
                yield _Error(package, statement.name, its_code, meaning, _message(statement))


def _code(definition: ast.ClassDef) -> str:
    for statement in definition.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(text)))
                | ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(text)))
            ):
                return text
            case _:
                pass
    return ""


def _message(definition: ast.ClassDef) -> str:
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__str__":
            returned = [each for each in ast.walk(statement) if isinstance(each, ast.Return)]
            return " ".join(_shape(returned[-1].value).split()) if returned else ""
    return ""


def _shape(value: ast.expr | None) -> str:
    match value:
        case ast.Constant(value=text):
            return str(text)
        case ast.JoinedStr(values=parts):
            return "".join(_shape(part) for part in parts)
        case ast.BinOp(left=left, right=right):
            return _shape(left) + _shape(right)
        case ast.FormattedValue(value=inner):
            return f"<{_fact(inner)}>"
        case None:
            return ""
        case _:
            return f"<{_fact(value)}>"


def _fact(value: ast.expr) -> str:
    """Name what is put into a message: an attribute of the error, or a local name."""
    attributes = [
        each.attr
        for each in ast.walk(value)
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id == "self"
    ]
    names = [each.id for each in ast.walk(value) if isinstance(each, ast.Name)]
    return [*attributes, *names, "…"][0].strip("_")
