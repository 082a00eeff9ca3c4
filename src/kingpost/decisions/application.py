"""An application: the streams and decisions that a user's file declares, and its source.

The source is the file and, of the modules beside it, those it imports, found by reading
the import statements: what else happens to be loaded changes nothing.
"""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar, cast

from kingpost.contracts import Contract, Event
from kingpost.core import KingpostError
from kingpost.decisions.declare import Decision
from kingpost.decisions.errors import ApplicationError
from kingpost.features import Stream
from kingpost.workflows import Workflow

__all__ = ["Application", "load_application"]

T = TypeVar("T")


@dataclass(frozen=True)
class Application:
    """What a user's file declares.

    Attributes:
        root: The directory that the sources' paths are relative to.
        path: The file, relative to `root`.
        streams: Contract of every stream, by its name.
        decisions: Every decision, by its name.
        sources: Source of the file and of the modules beside it that it imports.
        names: Every name that the file defines, with its value: what stands on other
            floors is found here.
    """

    root: Path
    path: Path
    streams: Mapping[str, Contract[Event]]
    decisions: Mapping[str, Decision]
    sources: Mapping[str, bytes]
    names: Mapping[str, object] = field(default_factory=dict[str, object], compare=False)


def load_application(path: Path) -> Application:
    """Import a file and gather what it declares.

    Raises:
        ApplicationError: The file is missing, cannot be imported or declares no decision,
            no stream and no workflow, or two of one name.
        KingpostError: A declaration in it is wrong.
    """
    path = path.resolve()
    if not path.is_file() or path.suffix != ".py":
        raise ApplicationError(str(path), "is no Python file", "name the file that declares")
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    relative = path.relative_to(root)
    module = _import(root, relative)
    decisions: dict[str, Decision] = {}
    streams: dict[str, Contract[Event]] = {}
    retentions: dict[str, int | None] = {}
    for value in vars(module).values():
        if isinstance(value, Decision):
            _add(decisions, value.name, value, path, "decisions")
            for contract in value.streams:
                _add(streams, contract.name, contract, path, "streams")
            for view in value.views:
                _add_retention(retentions, view.stream, path)
        elif isinstance(value, Stream):
            stream = cast("Stream[Event]", value)
            _add(streams, stream.name, stream.contract, path, "streams")
            _add_retention(retentions, stream, path)
    if not streams and not any(isinstance(one, Workflow) for one in vars(module).values()):
        remedy = "assign a kp.stream(…), a kp.decision(…) or a kp.workflow to a name"
        raise ApplicationError(str(path), "declares nothing", remedy)
    return Application(
        root, relative, streams, decisions, dict(_sources(root, relative)), dict(vars(module))
    )


def _add(found: dict[str, T], name: str, value: T, path: Path, kind: str) -> None:
    if found.setdefault(name, value) != value:
        raise ApplicationError(str(path), f"two {kind} are called {name!r}", "rename one")


def _add_retention(found: dict[str, int | None], stream: Stream[Event], path: Path) -> None:
    if found.setdefault(stream.name, stream.retention_us) != stream.retention_us:
        problem = f"declares the stream {stream.name!r} twice, with another retention"
        raise ApplicationError(str(path), problem, "declare it once, and use that one everywhere")


def _import(root: Path, relative: Path) -> ModuleType:
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    name = ".".join(relative.with_suffix("").parts)
    try:
        known = sys.modules.get(name)
        if known is not None and known.__file__ == str(root / relative):
            return known
        if known is not None:
            spec = importlib.util.spec_from_file_location(name, root / relative)
            if spec is None or spec.loader is None:
                raise ImportError(name)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        return importlib.import_module(name)
    except KingpostError:
        raise
    except Exception as error:
        raise ApplicationError(
            str(root / relative),
            f"cannot be imported: {type(error).__name__}: {error}",
            "run it with Python to see the whole traceback",
        ) from error


def _sources(root: Path, start: Path) -> Iterator[tuple[str, bytes]]:
    packages = [parent / "__init__.py" for parent in start.parents]
    waiting = [start, *(one for one in packages if (root / one).is_file())]
    seen = set(waiting)
    while waiting:
        relative = waiting.pop()
        source = (root / relative).read_bytes()
        yield relative.as_posix(), source
        for name in _imported(source, relative):
            for found in _files(root, name):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)


def _imported(source: bytes, relative: Path) -> Iterator[tuple[str, ...]]:
    """Yield the dotted names that a source may import."""
    package = relative.parent.parts
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield tuple(alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield base
            for alias in node.names:
                yield (*base, alias.name)


def _files(root: Path, name: tuple[str, ...]) -> Iterator[Path]:
    for end in range(1, len(name) + 1):
        stem = Path(*name[:end])
        for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
            if (root / candidate).is_file():
                yield candidate
