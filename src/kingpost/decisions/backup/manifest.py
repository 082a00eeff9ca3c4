"""What a backup holds: every file by its path, with size and digest.

    manifest.json             {"check": SHA-256 of the manifest, "manifest": {…}}
    objects/<2>/<digest>      the files' bytes, under their SHA-256

The rule: a manifest appears whole, after everything it names is on the disk; what it names
stays until a later one has taken its place. So a backup that is killed leaves the earlier one.
"""

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from kingpost.core import Disk
from kingpost.decisions.backup.errors import BackupDamaged, BackupMissing, BackupNewer

__all__ = ["FORMAT", "BackedUp", "BackupManifest", "FileKind", "read_manifest", "write_manifest"]

FORMAT = 1
NAME = "manifest.json"

FileKind = Literal["segment", "database", "artefact", "file"]


class BackedUp(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup.

    Attributes:
        path: Its root and its place below it, as `data/journal/data/….log`.
        size: Of the copy, in bytes.
        digest: SHA-256 of the copy, in hex.
        next_offset: For a segment, the offset after its last commit.
        source: For a segment that nothing is added to, size and time of change in
            nanoseconds of its source; it is not read again while they are the same.
    """

    path: str
    kind: FileKind
    size: int
    digest: str
    next_offset: int = 0
    source: tuple[int, int] | None = None


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A backup.

    Attributes:
        version: Of Kingpost that made it.
        made_us: When it was begun, microseconds UTC.
        partitions: Per partition, as `journal/data`, the offset up to which it is held.
        elsewhere: Settings that name a PostgreSQL; what is kept there is no part of it.
    """

    format: int = FORMAT
    version: str
    made_us: int
    partitions: dict[str, int]
    elsewhere: list[str]
    files: list[BackedUp]


class _Envelope(msgspec.Struct):
    check: str
    manifest: msgspec.Raw


class _Version(msgspec.Struct):
    format: int


def read_manifest(directory: Path) -> BackupManifest:
    """Read what a backup holds.

    Raises:
        BackupMissing: There is none.
        BackupDamaged: The manifest is not as it was written.
        BackupNewer: A later version of Kingpost made it.
    """
    path = directory / NAME
    try:
        body = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BackupMissing(directory) from error
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        found = msgspec.json.decode(envelope.manifest, type=_Version).format
        if found > FORMAT:
            raise BackupNewer(path, found, FORMAT)
        if hashlib.sha256(envelope.manifest).hexdigest() != envelope.check:
            raise BackupDamaged(path, NAME, "its check differs")
        return msgspec.json.decode(envelope.manifest, type=BackupManifest)
    except msgspec.MsgspecError as error:
        raise BackupDamaged(path, NAME, str(error)) from error


def write_manifest(directory: Path, manifest: BackupManifest, *, disk: Disk) -> None:
    """Put a manifest in the place of the one before, durably and in one step."""
    body = msgspec.json.encode(manifest)
    envelope = _Envelope(hashlib.sha256(body).hexdigest(), msgspec.Raw(body))
    draft = directory / f"{NAME}.tmp"
    file = disk.open(draft, write=True, create=True)
    try:
        file.truncate(0)
        file.write_at(0, msgspec.json.encode(envelope))
        file.sync()
    finally:
        file.close()
    disk.rename(draft, directory / NAME)
    disk.sync_directory(directory)
