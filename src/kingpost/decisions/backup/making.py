"""Making a backup of a data directory, beside a live server or without one.

The order is what makes it consistent: databases first, then the journal of events and records,
then the control log, then artefacts. So whatever a copy names is in a copy that was made after
it, and the journal holds everything that was acknowledged before the backup began. Of a tree
over a journal the checkpoints come before the files that they speak of, which only grow. What is
derived from the journal (the search, snapshots, windows outside memory) is left out.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from kingpost.core import Clock, Disk
from kingpost.decisions.backup.errors import BackupAhead, BackupInUse, BackupMissing, SourceDamaged
from kingpost.decisions.backup.manifest import (
    BackedUp,
    BackupManifest,
    FileKind,
    read_manifest,
    write_manifest,
)
from kingpost.decisions.backup.objects import Objects, pieces
from kingpost.journal import survey_segment

__all__ = ["BackupDone", "back_up"]

_PAGES_AT_ONCE = 2000
_DERIVED = ("observed.sqlite",)
_APART = ("subject_keys.sqlite", "subject_keys.master")
"""What would read later what is erased now: it is backed up apart, and not for as long."""
_DERIVED_FOLDERS = ("snapshots",)
_SPEAK_OF_OTHERS = ("checkpoint", "checkpoints")
_PASSING = (".tmp", ".spill", "-wal", "-shm", "-journal")
_BUSY_S = 30.0


@dataclass(frozen=True)
class BackupDone:
    """What a backup took.

    Attributes:
        copied, copied_bytes: Files whose bytes were not in the backup before.
        kept: Files that were.
    """

    manifest: BackupManifest
    copied: int
    copied_bytes: int
    kept: int


def back_up(
    roots: Mapping[str, Path],
    directory: Path,
    *,
    disk: Disk,
    clock: Clock,
    version: str,
    settings: Path | None = None,
    elsewhere: Sequence[str] = (),
    told: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> BackupDone:
    """Copy data directories into a backup; what is there already is not copied again.

    Args:
        roots: Name to directory, `data` and where servers share one `control`.
        directory: The backup, made when it is missing.
        version: Of Kingpost, for the manifest.
        settings: The settings file, kept as well.
        elsewhere: Settings that name a PostgreSQL, for the manifest.
        told: How many bytes are done, of how many, and of which kind.

    Raises:
        BackupInUse: Another process makes a backup into the directory.
        SourceDamaged, JournalCorrupt, JournalNewer: A file of the source cannot be copied; the
            backup that was there is as it was.
        BackupAhead: The backup that is there holds more of the journal.
        OSError: The disk refused, likewise.
    """
    disk.make_directory(directory)
    try:
        lock = disk.lock(directory / "lock")
    except BlockingIOError as error:
        raise BackupInUse(directory) from error
    try:
        return _Run(roots, directory, disk, told).run(clock, version, settings, elsewhere)
    finally:
        lock.release()


class _Run:
    def __init__(
        self,
        roots: Mapping[str, Path],
        directory: Path,
        disk: Disk,
        told: Callable[[int, int, str], None],
    ) -> None:
        self._roots, self._directory, self._disk, self._told = roots, directory, disk, told
        self._objects = Objects(directory / "objects", disk=disk)
        self._files: list[BackedUp] = []
        self._partitions: dict[str, int] = {}
        self._copied = self._copied_bytes = self._kept = self._done = self._total = 0
        self._before: Mapping[str, BackedUp] = {}
        self._held: Mapping[str, int] = {}
        with contextlib.suppress(BackupMissing):
            before = read_manifest(directory)
            self._before = {file.path: file for file in before.files}
            self._held = before.partitions

    def run(
        self, clock: Clock, version: str, settings: Path | None, elsewhere: Sequence[str]
    ) -> BackupDone:
        made_us = clock.now_us()
        self._objects.clear_drafts()
        found = [one for name, root in self._roots.items() for one in _files_of(name, root)]
        self._total = sum(_size(path) for _, path, _ in found)
        for name, path, kind in found:
            if kind == "database":
                self._database(name, path)
        files = [(name, path) for name, path, kind in found if kind == "file"]
        for name, path in sorted(files, key=_copied_in):
            self._file(name, path)
        if settings is not None and settings.exists():
            self._file("settings/kingpost.toml", settings)
        partitions = {path.parent for _, path, kind in found if kind == "segment"}
        # the control log last: records name what it holds
        for partition in sorted(partitions, key=lambda one: (one.name == "control", one)):
            self._partition(partition)
        for name, root in self._roots.items():  # once more: some may have come since
            for path_in, path, kind in _files_of(name, root):
                if kind == "artefact":
                    self._artefact(path_in, path)
        manifest = BackupManifest(
            version=version,
            made_us=made_us,
            partitions=self._partitions,
            elsewhere=list(elsewhere),
            files=sorted(self._files, key=lambda file: file.path),
        )
        write_manifest(self._directory, manifest, disk=self._disk)
        self._objects.keep_only({file.digest for file in self._files})
        return BackupDone(manifest, self._copied, self._copied_bytes, self._kept)

    def _database(self, name: str, path: Path) -> None:
        draft = self._objects.draft()
        try:
            _copy_database(path, draft)
            stored = self._objects.adopt(draft)
        except sqlite3.Error as error:
            raise SourceDamaged(path, str(error)) from error
        finally:
            draft.unlink(missing_ok=True)
        self._note(name, "database", stored.digest, stored.size, is_new=stored.is_new)

    def _file(self, name: str, path: Path) -> None:
        try:
            stored = self._objects.add(pieces(path, disk=self._disk))
        except FileNotFoundError:
            return  # it was one that comes and goes
        self._note(name, "file", stored.digest, stored.size, is_new=stored.is_new)

    def _artefact(self, name: str, path: Path) -> None:
        size = _size(path)
        if self._objects.holds(path.name, size):
            self._note(name, "artefact", path.name, size, is_new=False)
            return
        stored = self._objects.add(pieces(path, disk=self._disk))
        if stored.digest != path.name:
            raise SourceDamaged(path, f"its bytes have the digest {stored.digest}")
        self._note(name, "artefact", stored.digest, stored.size, is_new=stored.is_new)

    def _partition(self, directory: Path) -> None:
        here = {int(path.stem) for path in directory.glob("*.log")}
        # of archived ones the notes are kept, as the files that they are
        firsts = sorted(here | {int(path.stem) for path in directory.glob("*.archived")})
        if firsts[0]:
            raise SourceDamaged(directory, f"the commits before offset {firsts[0]} are missing")
        for first, following in zip(firsts, [*firsts[1:], None], strict=True):
            if first in here:
                self._segment(directory, first, following)
        name = f"journal/{directory.name}"
        if self._partitions[name] < self._held.get(name, 0):
            raise BackupAhead(directory, self._partitions[name], self._held[name])

    def _segment(self, directory: Path, first: int, following: int | None) -> None:
        path = directory / f"{first:020d}.log"
        name = self._name_of(path)
        before, status = self._before.get(name), path.stat()
        source = (status.st_size, status.st_mtime_ns)
        next_offset = first
        if (
            before is not None
            and before.next_offset == following
            and before.source == source
            and self._objects.holds(before.digest, before.size)
        ):
            next_offset = before.next_offset
            self._note(
                name, "segment", before.digest, before.size,
                is_new=False, next_offset=next_offset, source=source,
            )  # fmt: skip
        else:
            found = survey_segment(directory, first, following, disk=self._disk)
            if found.damages:
                raise found.damages[0]
            next_offset = found.next_offset
            stored = self._objects.add(pieces(path, found.end, disk=self._disk))
            self._note(
                name, "segment", stored.digest, stored.size, is_new=stored.is_new,
                next_offset=next_offset, source=source if following is not None else None,
            )  # fmt: skip
        self._partitions[f"journal/{directory.name}"] = next_offset

    def _note(
        self,
        name: str,
        kind: FileKind,
        digest: str,
        size: int,
        *,
        is_new: bool,
        next_offset: int = 0,
        source: tuple[int, int] | None = None,
    ) -> None:
        self._files.append(
            BackedUp(
                path=name, kind=kind, size=size, digest=digest,
                next_offset=next_offset, source=source,
            )
        )  # fmt: skip
        self._copied += is_new
        self._copied_bytes += size if is_new else 0
        self._kept += not is_new
        self._done += size
        self._told(self._done, max(self._done, self._total), f"{kind}s")

    def _name_of(self, path: Path) -> str:
        for name, root in self._roots.items():
            if path.is_relative_to(root):
                return f"{name}/{path.relative_to(root).as_posix()}"
        raise AssertionError(path)  # every path comes from a root


def _files_of(name: str, root: Path) -> Iterator[tuple[str, Path, FileKind]]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for file in sorted(files):
            path = Path(folder, file)
            below = PurePosixPath(path.relative_to(root).as_posix())
            kind = _kind_of(below)
            if kind is not None:
                yield f"{name}/{below}", path, kind


def _kind_of(path: PurePosixPath) -> FileKind | None:
    """Say what a file is by its place; None for what no backup holds."""
    top, name = path.parts[0], path.name
    if name == "lock" or name.endswith(_PASSING) or top in _DERIVED_FOLDERS:
        return None
    if name in _DERIVED or name in _APART:
        return None
    if top == "journal":
        kinds: dict[str, FileKind] = {".log": "segment", ".archived": "file"}
        return kinds.get(path.suffix) if len(path.parts) == 3 else None
    if top == "artefacts":
        return "artefact"
    return "database" if path.suffix == ".sqlite" else "file"


def _copied_in(file: tuple[str, Path]) -> tuple[int, str]:
    """Order files such that what one speaks of is copied after it."""
    name, path = file
    if path.name in _SPEAK_OF_OTHERS:
        return _SPEAK_OF_OTHERS.index(path.name), name
    return len(_SPEAK_OF_OTHERS), name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database as of one moment, by SQLite's online backup, and check the copy."""
    where = f"file:{quote(str(source.resolve()))}?mode=ro"
    with (
        closing(sqlite3.connect(where, uri=True, timeout=_BUSY_S)) as reading,
        closing(sqlite3.connect(target, timeout=_BUSY_S)) as writing,
    ):
        reading.backup(writing, pages=_PAGES_AT_ONCE, sleep=0.01)
        # in one file, so that its digest is that of all it holds
        writing.execute("PRAGMA journal_mode = DELETE")
        problem = writing.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if problem != "ok":
        raise SourceDamaged(source, str(problem).replace("\n", " "))
