"""The bytes of a backup, each file under its digest, so that equal ones are kept once."""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kingpost.core import Disk

__all__ = ["Object", "Objects", "pieces"]

_PIECE = 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DRAFT = ".tmp"


class Object(NamedTuple):
    """Bytes that a backup holds."""

    digest: str
    size: int
    is_new: bool


class Objects:
    """`<root>/<first two digits>/<digest>`; one process adds to it at a time."""

    def __init__(self, root: Path, *, disk: Disk) -> None:
        self.root, self._disk = root, disk

    def path(self, digest: str) -> Path:
        """Return where the bytes of a digest lie."""
        return self.root / digest[:2] / digest

    def holds(self, digest: str, size: int) -> bool:
        """Say whether bytes of a digest and size are there; restoring checks them."""
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def clear_drafts(self) -> None:
        """Remove what a killed run left half-written."""
        self._disk.make_directory(self.root)
        for name in self._disk.list(self.root):
            if name.endswith(_DRAFT):
                self._disk.remove(self.root / name)

    def draft(self) -> Path:
        """Return a path to write a file at before `adopt`."""
        return self.root / f"{os.getpid()}-{os.urandom(4).hex()}{_DRAFT}"

    def add(self, content: Iterable[bytes]) -> Object:
        """Keep some bytes durably."""
        draft = self.draft()
        file = self._disk.open(draft, write=True, create=True)
        digest, size = hashlib.sha256(), 0
        try:
            for piece in content:
                file.write_at(size, piece)
                digest.update(piece)
                size += len(piece)
            return self._placed(draft, digest.hexdigest(), size, file.sync)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        finally:
            file.close()

    def adopt(self, draft: Path) -> Object:
        """Keep a file that was written at `draft`."""
        digest, size = hashlib.sha256(), 0
        for piece in pieces(draft, disk=self._disk):
            digest.update(piece)
            size += len(piece)
        file = self._disk.open(draft, write=True)
        try:
            return self._placed(draft, digest.hexdigest(), size, file.sync)
        finally:
            file.close()

    def keep_only(self, digests: Collection[str]) -> None:
        """Remove all other bytes."""
        for folder in self._disk.list(self.root):
            for name in self._disk.list(self.root / folder):
                if _DIGEST.fullmatch(name) and name not in digests:
                    self._disk.remove(self.root / folder / name)

    def _placed(self, draft: Path, digest: str, size: int, sync: Callable[[], None]) -> Object:
        if self.holds(digest, size):
            self._disk.remove(draft)
            return Object(digest, size, is_new=False)
        path = self.path(digest)
        self._disk.make_directory(path.parent)
        sync()
        self._disk.rename(draft, path)
        self._disk.sync_directory(path.parent)
        return Object(digest, size, is_new=True)


def pieces(path: Path, end: int | None = None, *, disk: Disk) -> Iterator[bytes]:
    """Read a file in pieces, up to a byte."""
    file = disk.open(path, write=False)
    try:
        place = 0
        while end is None or place < end:
            size = _PIECE if end is None else min(_PIECE, end - place)
            piece = file.read_at(place, size)
            if not piece:
                return
            yield piece
            place += len(piece)
    finally:
        file.close()
