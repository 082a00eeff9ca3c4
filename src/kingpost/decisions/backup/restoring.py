"""Restoring a backup: a whole data directory, or one file that was damaged.

A directory appears under its name when every file of it was checked and is on the disk, so one
that is killed has restored nothing. A segment that is put back keeps what was written to it
after the backup was made.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kingpost.core import Disk
from kingpost.decisions.backup.errors import (
    BackupDamaged,
    BackupOfAnother,
    DataDirectoryInUse,
    DataDirectoryNotEmpty,
    NotInBackup,
)
from kingpost.decisions.backup.manifest import BackedUp, BackupManifest, read_manifest
from kingpost.decisions.backup.objects import Objects, pieces
from kingpost.journal import SEGMENT_HEADER_SIZE, segment_identity

__all__ = ["RESTORED_SETTINGS", "check_backup", "restore_backed_up", "restore_backup"]

RESTORED_SETTINGS = "kingpost.toml.restored"
_SETTINGS = "settings"
_UNFINISHED = ".restoring"

Told = Callable[[int, int, str], None]
"""Told how many bytes are done, of how many, and of what kind."""


def _nobody(done: int, total: int, stage: str) -> None:
    pass


def check_backup(directory: Path, *, disk: Disk, told: Told = _nobody) -> BackupManifest:
    """Read every byte of a backup.

    Raises:
        BackupMissing, BackupNewer: See `read_manifest`.
        BackupDamaged: A file is missing, or not as it was written.
    """
    manifest = read_manifest(directory)
    objects = Objects(directory / "objects", disk=disk)
    total = sum(file.size for file in manifest.files)
    done = 0
    for file in manifest.files:
        for _ in _checked(file, objects, disk):
            pass
        done += file.size
        told(done, total, f"{file.kind}s")
    return manifest


def restore_backup(
    directory: Path, roots: Mapping[str, Path], *, disk: Disk, told: Told = _nobody
) -> BackupManifest:
    """Make data directories of a backup.

    Args:
        roots: Where to, by the names that the backup was made with; without one for `control`
            its files go to that of `data`.

    Raises:
        BackupMissing, BackupNewer: See `read_manifest`.
        BackupDamaged: A file is missing, or not as it was written; nothing was restored.
        DataDirectoryNotEmpty: There is something already; nothing was changed.
    """
    manifest = read_manifest(directory)
    roots = {"control": roots["data"], **roots}
    unfinished: dict[Path, Path] = {}
    for root in dict.fromkeys(roots.values()):
        if root.exists() and any(root.iterdir()):
            raise DataDirectoryNotEmpty(root)
        unfinished[root] = root.with_name(root.name + _UNFINISHED)
    objects = Objects(directory / "objects", disk=disk)
    total = sum(file.size for file in manifest.files)
    done = 0
    try:
        for draft in unfinished.values():
            shutil.rmtree(draft, ignore_errors=True)
            disk.make_directory(draft)
        for file in manifest.files:
            name, _, below = file.path.partition("/")
            if name == _SETTINGS:
                name, below = "data", RESTORED_SETTINGS
            target = unfinished[roots[name]] / below
            disk.make_directory(target.parent)
            _write(target, _checked(file, objects, disk), disk)
            disk.sync_directory(target.parent)
            done += file.size
            told(done, total, f"{file.kind}s")
    except BaseException:
        for draft in unfinished.values():
            shutil.rmtree(draft, ignore_errors=True)
        raise
    for root, draft in reversed(unfinished.items()):  # `data` last
        disk.make_directory(root.parent)
        if root.exists():
            root.rmdir()
        disk.rename(draft, root)
        disk.sync_directory(root.parent)
    return manifest


def restore_backed_up(
    directory: Path, name: str, roots: Mapping[str, Path], *, disk: Disk
) -> BackedUp:
    """Put one file of a backup in the place of the one that is there.

    Of a segment those bytes are replaced that the backup has; what was written behind them
    later stays. No server may have the data directory.

    Args:
        name: Its path below its data directory, as `journal/data/….log`.

    Raises:
        BackupMissing, BackupNewer, BackupDamaged: See `restore`.
        NotInBackup: The backup holds no such file.
        BackupOfAnother: The segment there is of another journal.
        DataDirectoryInUse: A server has it.
    """
    manifest = read_manifest(directory)
    roots = {"control": roots["data"], **roots}
    found = {file.path.partition("/")[2]: file for file in manifest.files}
    file = found.get(name)
    if file is None or file.path.startswith(f"{_SETTINGS}/"):
        raise NotInBackup(name, directory)
    root = roots[file.path.partition("/")[0]]
    target = root / name
    objects = Objects(directory / "objects", disk=disk)
    with contextlib.ExitStack() as held:
        for partition in sorted((root / "journal").glob("*/")):
            try:
                lock = disk.lock(partition / "lock")
            except BlockingIOError as error:
                raise DataDirectoryInUse(root) from error
            held.callback(lock.release)
        disk.make_directory(target.parent)
        draft = target.with_name(f"{target.name}{_UNFINISHED}.tmp")
        draft.unlink(missing_ok=True)
        try:
            _write(draft, _replacement(file, target, objects, disk), disk)
            disk.rename(draft, target)
        finally:
            draft.unlink(missing_ok=True)
        if file.kind == "database":
            for beside in ("-wal", "-shm"):  # they belong to the one that was replaced
                target.with_name(target.name + beside).unlink(missing_ok=True)
        disk.sync_directory(target.parent)
    return file


def _replacement(file: BackedUp, target: Path, objects: Objects, disk: Disk) -> Iterator[bytes]:
    content = _checked(file, objects, disk)
    if file.kind != "segment" or not target.exists():
        yield from content
        return
    present = disk.open(target, write=False)
    try:
        place = 0
        for piece in content:
            if not place and _is_of_another(piece, present.read_at(0, SEGMENT_HEADER_SIZE)):
                raise BackupOfAnother(target, objects.root.parent)
            yield piece
            place += len(piece)
        while rest := present.read_at(place, 1 << 20):
            yield rest
            place += len(rest)
    finally:
        present.close()


def _is_of_another(ours: bytes, theirs: bytes) -> bool:
    """Say whether two segments' headers are sound, and differ."""
    return segment_identity(theirs) not in (None, segment_identity(ours))


def _checked(file: BackedUp, objects: Objects, disk: Disk) -> Iterator[bytes]:
    """Read a file of a backup; when it ends, it was as it was written."""
    path = objects.path(file.digest)
    digest, size = hashlib.sha256(), 0
    try:
        for piece in pieces(path, disk=disk):
            digest.update(piece)
            size += len(piece)
            yield piece
    except FileNotFoundError as error:
        raise BackupDamaged(path, file.path, "it is missing") from error
    except OSError as error:
        raise BackupDamaged(path, file.path, error.strerror or str(error)) from error
    if size != file.size:
        raise BackupDamaged(path, file.path, f"it has {size} bytes, not {file.size}")
    if digest.hexdigest() != file.digest:
        raise BackupDamaged(path, file.path, "its digest differs")


def _write(target: Path, content: Iterator[bytes], disk: Disk) -> None:
    file = disk.open(target, write=True, create=True)
    try:
        place = 0
        for piece in content:
            file.write_at(place, piece)
            place += len(piece)
        file.sync()
    finally:
        file.close()
