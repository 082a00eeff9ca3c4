"""Kingpost imports what it declares, the core the standard library alone, extras when used."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
MODULES_OF_EXTRAS = {
    "grpc": "grpcio",
    "google": "protobuf",
    "redis": "redis",
    "psycopg": "psycopg",
    "ray": "ray",
}
"""Extras that a development environment need not have installed."""


class Import(NamedTuple):
    module: str
    imported: str
    line: int
    at_once: bool
    """Runs when the module is imported, so neither in a function nor for types alone."""

    @property
    def top(self) -> str:
        return self.imported.partition(".")[0]


def imports_of(module: str, source: str) -> Iterator[Import]:
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while waiting:
        node, at_once = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, at_once)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(module, f"{node.module}.{alias.name}", node.lineno, at_once)
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        waiting += [(child, at_once and not later) for child in ast.iter_child_nodes(node)]


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def all_imports() -> list[Import]:
    files = sorted((SOURCE / "kingpost").rglob("*.py"))
    return [each for file in files for each in imports_of(module_name(file), file.read_text())]


def loaded_at_once(imports: list[Import], starts: set[str]) -> set[str]:
    """Follow the imports that run at import time, from these modules on."""
    reached: set[str] = set()
    waiting = set(starts)
    while waiting:
        module = waiting.pop()
        reached.add(module)
        for each in imports:
            if each.module == module and each.at_once and each.top == "kingpost":
                names = each.imported.split(".")
                parents = {".".join(names[:end]) for end in range(1, len(names) + 1)}
                waiting |= parents - reached
    return reached


@cache
def distributions(top: str) -> set[str]:
    installed = metadata.packages_distributions().get(top, [])
    return {canonicalize_name(name) for name in [*installed, MODULES_OF_EXTRAS.get(top, top)]}


def declared() -> tuple[set[str], set[str]]:
    """Read the requirements of the base and those of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    of_extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    return names(project["dependencies"]), names(of_extras)


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


@pytest.fixture(scope="module")
def foreign() -> list[Import]:
    known = sys.stdlib_module_names | {"kingpost", "_typeshed"}
    return [each for each in all_imports() if each.top not in known]


def test_every_imported_library_is_declared(foreign: list[Import]) -> None:
    base, optional = declared()

    undeclared = [each for each in foreign if not distributions(each.top) & (base | optional)]

    assert undeclared == []


def test_the_core_stands_on_the_standard_library_alone(foreign: list[Import]) -> None:
    assert [each for each in foreign if each.module.startswith("kingpost.core")] == []


def test_what_an_extra_brings_is_imported_only_when_used(foreign: list[Import]) -> None:
    base, optional = declared()
    imports = all_imports()
    faces = {module_name(file) for file in (SOURCE / "kingpost").rglob("__init__.py")}
    at_once = loaded_at_once(imports, faces | {"kingpost.cli.main"})

    too_early = [
        each
        for each in foreign
        if each.at_once
        and each.module in at_once
        and not distributions(each.top) & base
        and distributions(each.top) & optional
    ]

    assert too_early == []


def test_an_import_in_a_function_or_for_types_is_not_at_once() -> None:
    source = (
        "import numpy\n"
        "try:\n    import duckdb\nexcept ImportError: ...\n"
        "if TYPE_CHECKING:\n    import onnx\n"
        "class Trainer:\n    import sklearn\n    def fit(self):\n        import lightgbm\n"
    )

    found = {each.imported: each.at_once for each in imports_of("kingpost.models.run", source)}

    assert found == {
        "numpy": True,
        "duckdb": True,
        "onnx": False,
        "sklearn": True,
        "lightgbm": False,
    }
