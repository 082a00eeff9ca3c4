"""The files of a Feast repository: its Python modules and what its settings say.

Nothing is imported or run, and no link is followed: a repository may come from anywhere.
Sizes are bounded before a file is read.
"""

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kingpost.integrations.feast.errors import FeastRepositoryTooLarge, NotAFeastRepository

__all__ = ["PythonFile", "Repository", "StoreSettings", "read_repository"]

_MOST_FILES = 2_000
_MOST_ENTRIES = 100_000
_MOST_BYTES_OF_A_FILE = 1 << 20
_MOST_BYTES = 32 << 20
_SETTINGS = "feature_store.yaml"
_PASSED_OVER = {"__pycache__", "node_modules", "venv", "site-packages"}


class PythonFile(NamedTuple):
    """A module's text; the path is relative to the repository."""

    path: str
    text: str


@dataclass(frozen=True)
class StoreSettings:
    """What `feature_store.yaml` says of the stores; empty where it says nothing simple."""

    project: str = ""
    provider: str = ""
    offline_store: str = ""
    online_store: str = ""


@dataclass(frozen=True)
class Repository:
    """A repository as it lies on the disk.

    Attributes:
        passed_over: Path and reason of each Python file that was not read.
    """

    root: Path
    files: tuple[PythonFile, ...]
    settings: StoreSettings
    has_settings: bool
    passed_over: tuple[tuple[str, str], ...]


def read_repository(root: Path, *, most_files: int = _MOST_FILES) -> Repository:
    """Read the Python files and the settings of a repository.

    Raises:
        NotAFeastRepository: No folder, or one without settings and without a module that
            imports Feast.
        FeastRepositoryTooLarge: More files, folders or bytes than are read.
    """
    if not root.is_dir():
        raise NotAFeastRepository(
            str(root), "is no folder", f"name the folder that holds {_SETTINGS}"
        )
    ignored = _ignored(root)
    files: list[PythonFile] = []
    passed_over: list[tuple[str, str]] = []
    size = 0
    for path, reason in _python_files(root, ignored):
        if len(files) + len(passed_over) >= most_files:
            raise FeastRepositoryTooLarge(str(root), "Python files", most_files)
        name = path.relative_to(root).as_posix()
        if reason:
            passed_over.append((name, reason))
            continue
        body = _read(path)
        if body is None:
            passed_over.append((name, f"has more than {_MOST_BYTES_OF_A_FILE:,} bytes"))
            continue
        size += len(body)
        if size > _MOST_BYTES:
            raise FeastRepositoryTooLarge(str(root), "bytes of Python", _MOST_BYTES)
        try:
            files.append(PythonFile(name, body.decode("utf-8-sig")))
        except UnicodeDecodeError as error:
            passed_over.append((name, f"is not UTF-8 from byte {error.start}"))
    settings = root / _SETTINGS
    has_settings = settings.is_file() and not settings.is_symlink()
    if not has_settings and not any(_imports_feast(file.text) for file in files):
        raise _no_repository(root)
    body = _read(settings) if has_settings else None
    return Repository(
        root,
        tuple(files),
        _settings((body or b"").decode("utf-8", "replace")),
        has_settings,
        tuple(passed_over),
    )


def _read(path: Path) -> bytes | None:
    """Return a file's bytes; None when it is too large."""
    with path.open("rb") as file:
        body = file.read(_MOST_BYTES_OF_A_FILE + 1)
    return None if len(body) > _MOST_BYTES_OF_A_FILE else body


def _python_files(root: Path, ignored: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Go through the Python files by name; with a reason when one is not to be read."""
    seen, waiting = 0, [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        seen += len(found)
        if seen > _MOST_ENTRIES:
            raise FeastRepositoryTooLarge(str(root), "files and folders", _MOST_ENTRIES)
        for entry in found:
            path = Path(entry.path)
            if entry.name.startswith(".") or _is_ignored(path.relative_to(root), ignored):
                continue
            if entry.is_symlink():
                if path.suffix == ".py" or path.is_dir():
                    yield path, "is a link, and links are not followed"
            elif entry.is_dir():
                if entry.name not in _PASSED_OVER:
                    waiting.append(path)
            elif path.suffix == ".py" and entry.is_file():
                yield path, ""


def _ignored(root: Path) -> tuple[str, ...]:
    file = root / ".feastignore"
    if not file.is_file() or file.is_symlink():
        return ()
    lines = (_read(file) or b"").decode("utf-8", "replace").splitlines()
    patterns = (line.partition("#")[0].strip().rstrip("/") for line in lines)
    return tuple(pattern for pattern in patterns if pattern)


def _is_ignored(path: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path.as_posix(), pattern) for pattern in patterns)


def _imports_feast(text: str) -> bool:
    return re.search(r"^\s*(?:from|import)\s+feast\b", text, re.MULTILINE) is not None


def _no_repository(root: Path) -> NotAFeastRepository:
    near = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.is_symlink() and (entry / _SETTINGS).is_file()
    )
    mend = f"did you mean {near[0]!r} in it?" if near else f"name the folder that holds {_SETTINGS}"
    return NotAFeastRepository(
        str(root), f"has no {_SETTINGS} and no Python file that imports feast", mend
    )


def _settings(text: str) -> StoreSettings:
    """Read the few plain `key: value` lines that matter; nothing else of YAML is understood.

    What is written in another form is left empty, never guessed. Connection settings are
    not read, so that no password can reach the declarations.
    """
    values: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        match = re.match(r"^(\s*)([A-Za-z_]+)\s*:\s*(.*?)\s*$", line)
        if match is None:
            continue
        indent, key, value = match[1], match[2], _plain(match[3])
        if not indent:
            section = key
            values.setdefault(key, value)
        elif key == "type" and section in ("offline_store", "online_store"):
            values[section] = values.get(section) or value
    return StoreSettings(
        **{
            name: values.get(name, "")
            for name in ("project", "provider", "offline_store", "online_store")
        }
    )


def _plain(text: str) -> str:
    """Return a plain or quoted word; empty for every other form of YAML."""
    inline = re.fullmatch(r"\{.*?\btype\s*:\s*[\"']?([\w.]+)[\"']?.*\}", text)
    if inline:
        return inline[1]
    bare = re.fullmatch(r"([\"']?)([\w.\-/]+)\1(?:\s+#.*)?", text)
    return bare[2] if bare else ""
