"""Bit rot: every byte of journals, artefacts, databases and snapshots, and where it differs.

Nothing is changed. Each damaged place is a finding with its file and byte, and how it is put
back from a backup.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from kingpost.cli.doctor.findings import Check, Result, failed, ok, warned
from kingpost.cli.output import Progress
from kingpost.cli.place import data_directory
from kingpost.core import Disk, Settings, SystemDisk
from kingpost.decisions import check_snapshot
from kingpost.journal import survey
from kingpost.storage import ColumnsDamaged

__all__ = ["rot_checks"]

_PIECE = 1 << 20
_MOST_PROBLEMS = 5


def rot_checks(settings: Settings, show: Progress) -> Mapping[str, Check]:
    """Return the checks that read every byte of an installation, by name.

    Args:
        show: Told how many bytes were read.
    """
    where, disk = data_directory(settings), SystemDisk()
    shared = Path(settings.control_dir) if settings.control_dir else where.root
    read = _Read(show)
    return {
        "bytes of the journal": lambda: _journals(where.root, shared, disk, read),
        "bytes of artefacts": lambda: _artefacts(shared, read),
        "bytes of databases": lambda: _databases(where.root, read),
        "bytes of snapshots": lambda: _snapshots(where.snapshots, disk, read),
    }


class _Read:
    def __init__(self, show: Progress) -> None:
        self._show, self._bytes = show, 0

    def __call__(self, path: Path, stage: str) -> int:
        size = path.stat().st_size
        self._bytes += size
        self._show(self._bytes, None, stage)
        return size


def _journals(root: Path, shared: Path, disk: Disk, read: _Read) -> Iterator[Result]:
    partitions = sorted({*(root / "journal").glob("*/"), *(shared / "journal").glob("*/")})
    segments, size, is_whole = 0, 0, True
    for partition in partitions:
        for segment in survey(partition, disk=disk):
            segments += 1
            size += read(segment.path, "journal")
            for damage in segment.damages:
                is_whole = False
                name = f"journal/{partition.name}/{segment.path.name}"
                yield failed(
                    f"{damage.path} is damaged at byte {damage.byte}: {damage.reason}",
                    f"stop the server, then: kingpost restore BACKUP --only {name}",
                )
    if is_whole:
        yield ok(f"{segments} segments, {size / 1e6:,.0f} MB, every commit is whole")


def _artefacts(root: Path, read: _Read) -> Iterator[Result]:
    number, size, is_whole = 0, 0, True
    for path in sorted((root / "artefacts").glob("sha256/??/*")):
        if path.name.endswith(".tmp"):
            continue
        number += 1
        size += read(path, "artefacts")
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        if digest.hexdigest() != path.name:
            is_whole = False
            yield failed(
                f"{path} is damaged: its bytes have the digest {digest.hexdigest()}",
                f"kingpost restore BACKUP --only {path.relative_to(root).as_posix()}",
            )
    if is_whole:
        yield ok(f"{number} artefacts, {size / 1e6:,.1f} MB, every digest is right")


def _databases(root: Path, read: _Read) -> Iterator[Result]:
    number, is_whole = 0, True
    for path in sorted(root.glob("*.sqlite")):
        number += 1
        read(path, "databases")
        problems = _problems_of(path)
        if problems:
            is_whole = False
            mend = f"stop the server, then: kingpost restore BACKUP --only {path.name}"
            if path.name == "observed.sqlite":
                mend = "stop the server and remove it: it is made anew from the journal"
            yield failed(f"{path} is damaged: {'; '.join(problems)}", mend)
    if is_whole:
        yield ok(f"{number} databases, SQLite finds no fault in them")


def _problems_of(path: Path) -> list[str]:
    where = f"file:{quote(str(path.resolve()))}?mode=ro"
    try:
        with closing(sqlite3.connect(where, uri=True)) as connection:
            rows = connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    found = [str(row[0]).replace("\n", " ") for row in rows]
    return [] if found == ["ok"] else found


def _snapshots(directory: Path, disk: Disk, read: _Read) -> Iterator[Result]:
    number, is_whole = 0, True
    for path in sorted(directory.glob("*.columns")):
        number += 1
        read(path, "snapshots")
        try:
            check_snapshot(path, disk=disk)
        except ColumnsDamaged as error:
            is_whole = False
            yield warned(str(error), "a start passes it over; remove it")
    if is_whole:
        yield ok(f"{number} snapshots, every column is right")
