"""The public API is the one that was reviewed; what describes it sees what matters."""

import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import kingpost
from tools.public_api import SNAPSHOT, describe_api

FACES = ["kingpost", *(f"kingpost.{each.name}" for each in pkgutil.iter_modules(kingpost.__path__))]
HOW_TO_MEND = (
    "the public API differs from tests/unit/public_api.txt: if that is meant, run "
    "`make api-snapshot`, tell the reader of CHANGELOG.md, and raise the version as SemVer asks"
)


def test_the_public_api_is_the_one_that_was_reviewed() -> None:
    reviewed = SNAPSHOT.read_text(encoding="utf-8").splitlines()

    assert describe_api().splitlines() == reviewed, HOW_TO_MEND


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_can_be_imported(face: str) -> None:
    module = import_module(face)

    missing = [name for name in getattr(module, "__all__", []) if not hasattr(module, name)]

    assert missing == []


def test_every_name_of_a_face_has_its_signature(tmp_path: Path) -> None:
    package = tmp_path / "kingpost/journal"
    package.mkdir(parents=True)
    (tmp_path / "kingpost/__init__.py").write_text(
        "from kingpost.journal import Journal as Log\n__all__ = ['Log']\n"
    )
    (package / "__init__.py").write_text(
        "from kingpost.journal.log import Journal, scan\n__all__ = ['Journal', 'scan']\n"
    )
    (package / "log.py").write_text(
        "class Journal:\n"
        "    name: str = 'data'\n"
        "    def __init__(self, at: Path, *, start: int = 0) -> None: ...\n"
        "    @property\n"
        "    def size(self) -> int: ...\n"
        "    def _frame(self) -> bytes: ...\n"
        "@cache\n"
        "def scan(at: Path) -> Iterator[int]: ...\n"
        "def unlisted() -> None: ...\n"
    )

    assert describe_api(tmp_path).splitlines()[2:] == [
        "kingpost",
        "  kingpost.journal.Journal as Log",
        "",
        "kingpost.journal",
        "  class Journal()",
        "    name: str = 'data'",
        "    def __init__(self, at: Path, *, start: int=0) -> None",
        "    @property def size(self) -> int",
        "  def scan(at: Path) -> Iterator[int]",
    ]
