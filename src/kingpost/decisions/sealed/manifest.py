"""What was sealed: a manifest per segment, written when its files are there.

    sealed/records/data/<first offset>-<last offset>.parquet
    sealed/manifests/data/<first offset>-<last offset>.json

The rule: a file counts when a manifest names it. One without is what a killed run has left;
it is made again, with the same bytes. Files that are written anew, since somebody was erased or
a time to keep them is over, have another name, and the manifest says why and what they replaced.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.sealed.errors import NewerManifest
from kingpost.decisions.whole_files import WholeFiles
from kingpost.journal import FinishedSegment

__all__ = [
    "MANIFEST_FORMAT",
    "Manifest",
    "Rewriting",
    "SealedFile",
    "SealedFiles",
    "SealedSegment",
    "digest",
    "manifest_digest",
]

MANIFEST_FORMAT = 2
_WITHOUT_SUBJECTS = 1
"""Files of this format do not say whom they are about."""
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


class Rewriting(msgspec.Struct, frozen=True, kw_only=True):
    """That what a manifest names was written anew.

    Attributes:
        reason: `erasure`, `retention`, or `format` where an earlier version had sealed.
        until: The offset that had been read for it; of erasures those before it are done.
        rows: How many lost what they told.
        replaced: SHA-256 of the manifest before.
        segment: The segment of that manifest; None where it is still the same.
        files: Those of its files that were replaced.
    """

    reason: Literal["erasure", "retention", "format"]
    at_us: int
    until: int
    rows: int
    replaced: str
    segment: SealedSegment | None = None
    files: tuple[SealedFile, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one segment.

    Attributes:
        writer: What wrote the files; another version of it may give other bytes.
        files: One of each kind that the segment has rows of.
        rewritten: Each time they were written anew, the first one first.
    """

    format: int
    partition: str
    first_offset: int
    last_offset: int
    segment: SealedSegment
    writer: str
    files: tuple[SealedFile, ...]
    rewritten: tuple[Rewriting, ...] = ()

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return f"{self.first_offset:020d}-{self.last_offset:020d}"

    @property
    def has_subjects(self) -> bool:
        """Whether its rows say whom they are about."""
        return self.format > _WITHOUT_SUBJECTS


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
        body = msgspec.json.format(msgspec.json.encode(manifest))
        self.manifests.place_bytes(f"{manifest.stem}.json", body)

    def replace(self, old: Manifest, new: Manifest) -> None:
        """Name other files of a segment, and remove those that are named no more."""
        self.add(new)
        named = {file.path for file in new.files}
        for file in old.files:
            if file.path not in named:
                self._remove(self.root / file.path)

    def paths(self, manifests: Iterable[Manifest], kind: str) -> Sequence[str]:
        """Return where the files of a kind lie that manifests name."""
        return [
            str(self.root / file.path)
            for manifest in manifests
            for file in manifest.files
            if file.kind == kind
        ]

    def remove_unnamed(self) -> None:
        """Remove files that a killed run has replaced and left."""
        by_stem = {one.stem: {file.path for file in one.files} for one in self.read()}
        for kind in self._disk.list(self.root):
            for name in self._disk.list(self.root / kind / self.partition):
                path = self.root / kind / self.partition / name
                named = by_stem.get(name.partition(".")[0])
                is_replaced = named is not None and str(path.relative_to(self.root)) not in named
                if is_replaced and path.suffix == ".parquet":
                    self._remove(path)

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._disk.remove(path)
        self._disk.sync_directory(path.parent)


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


def manifest_digest(manifest: Manifest) -> str:
    """Return what a later manifest of the segment names it by, and a store's receipt."""
    return hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()


class _Format(msgspec.Struct):
    format: int


def _read(path: Path) -> Manifest:
    try:
        body = path.read_bytes()
        found = msgspec.json.decode(body, type=_Format).format
        if found not in (_WITHOUT_SUBJECTS, MANIFEST_FORMAT):
            raise NewerManifest(path, f"format {found}; known is {MANIFEST_FORMAT}")
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise NewerManifest(path, str(error)) from error
