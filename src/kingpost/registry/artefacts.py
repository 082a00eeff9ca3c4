"""Immutable artefacts by digest: models, sources, cards.

The rule: an artefact is found under the SHA-256 of its bytes and nowhere else, appears
whole or not at all, and is checked each time it is read. What an artefact means is left
to the documents that name its digest.
"""

import contextlib
import hashlib
import os
import re
from pathlib import Path

from kingpost.core import Disk
from kingpost.registry.errors import ArtefactCorrupt, ArtefactMissing, BadDigest

__all__ = ["ArtefactStore", "digest_of"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


class ArtefactStore:
    """A directory of artefacts: `<root>/sha256/<two digits>/<digest>`.

    Any number of processes may put and get at once.
    """

    def __init__(self, root: Path, *, disk: Disk) -> None:
        self.root = root
        self._disk = disk

    def put(self, content: bytes) -> str:
        """Store bytes durably and return their digest; storing them again changes nothing.

        Raises:
            OSError: The disk refused.
        """
        digest = digest_of(content)
        path = self._path(digest)
        if self._holds(path, content):
            return digest
        self._disk.make_directory(path.parent)
        draft = path.with_name(f"{digest}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
        file = self._disk.open(draft, write=True, create=True)
        try:
            file.write_at(0, content)
            file.sync()
            self._disk.rename(draft, path)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                self._disk.remove(draft)
            raise
        finally:
            file.close()
        self._disk.sync_directory(path.parent)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a digest, checked.

        Raises:
            BadDigest: The text is no digest.
            ArtefactMissing: There is no such artefact.
            ArtefactCorrupt: Its bytes were changed.
        """
        path = self._path(digest)
        try:
            content = self._read(path)
        except FileNotFoundError as error:
            raise ArtefactMissing(digest, self.root) from error
        found = digest_of(content)
        if found != digest:
            raise ArtefactCorrupt(path, digest, found)
        return content

    def _holds(self, path: Path, content: bytes) -> bool:
        try:
            return self._read(path) == content
        except FileNotFoundError:
            return False

    def _read(self, path: Path) -> bytes:
        file = self._disk.open(path, write=False)
        try:
            return file.read_at(0, file.size())
        finally:
            file.close()

    def _path(self, digest: str) -> Path:
        if _DIGEST.fullmatch(digest) is None:
            raise BadDigest(digest)
        return self.root / "sha256" / digest[:2] / digest
