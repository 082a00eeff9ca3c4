"""What was sealed: a manifest per segment, written when its files are there.

    sealed/records/data/<first offset>-<last offset>.parquet
    sealed/manifests/data/<first offset>-<last offset>.json

The rule: a file counts when a manifest names it. One without is what a killed run has left;
it is made again, with the same bytes.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.errors import NewerManifest
from kingpost.decisions.whole_files import WholeFiles
from kingpost.journal import FinishedSegment

__all__ = ["MANIFEST_FORMAT", "Manifest", "SealedFile", "SealedFiles", "SealedSegment", "digest"]

MANIFEST_FORMAT = 1
_PIECE = 1024 * 1024
_NAME = re.compile(r"([0-9]{20})-([0-9]{20})\.json")


class SealedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """The segment that files were made from: its bytes, without zeros behind them."""

    name: str
    size_bytes: int
    sha256: str


class SealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A Parquet file; `path` is relative to the directory of everything sealed."""

    kind: str
    path: str
    rows: int
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one segment.

    Attributes:
        writer: What wrote the files; another version of it may give other bytes.
        files: One of each kind that the segment has rows of.
    """

    format: int
    partition: str
    first_offset: int
    last_offset: int
    segment: SealedSegment
    writer: str
    files: tuple[SealedFile, ...]


class SealedFiles:
    """The sealed files of one partition."""

    def __init__(self, where: DataDirectory, *, disk: Disk) -> None:
        self.root = where.root / "sealed"
        self.partition, self._disk = where.partition, disk

    def of_kind(self, kind: str) -> WholeFiles:
        """Return the directory of a kind of rows."""
        return WholeFiles(self.root / kind / self.partition, disk=self._disk)

    @property
    def manifests(self) -> WholeFiles:
        """The directory of the manifests."""
        return self.of_kind("manifests")

    def has(self, segment: FinishedSegment) -> bool:
        """Say whether a segment was sealed."""
        return f"{stem(segment)}.json" in self.manifests.names()

    def read(self) -> Sequence[Manifest]:
        """Read all manifests, in the order of their offsets.

        Raises:
            NewerManifest: One cannot be read by this version.
        """
        return [
            _read(self.manifests.path / name)
            for name in self.manifests.names()
            if _NAME.fullmatch(name)
        ]

    def add(self, manifest: Manifest) -> None:
        """Say that the files of a segment are there."""
        name = f"{manifest.first_offset:020d}-{manifest.last_offset:020d}.json"
        self.manifests.place_bytes(name, msgspec.json.format(msgspec.json.encode(manifest)))


def stem(segment: FinishedSegment) -> str:
    """Name what is made from a segment."""
    return f"{segment.first_offset:020d}-{segment.next_offset - 1:020d}"


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            state.update(piece)
    return state.hexdigest()


class _Format(msgspec.Struct):
    format: int


def _read(path: Path) -> Manifest:
    try:
        body = path.read_bytes()
        found = msgspec.json.decode(body, type=_Format).format
        if found != MANIFEST_FORMAT:
            raise NewerManifest(path, f"format {found}; known is {MANIFEST_FORMAT}")
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise NewerManifest(path, str(error)) from error
