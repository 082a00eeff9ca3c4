"""Files of columns: written whole or not at all, checked before a byte of them is believed.

    "KPCOLUMN" | version u16 | 0 u16 | directory bytes u32 | CRC-32 of head and directory u32
    directory: MessagePack, padded to 64 bytes
    columns, each padded to 64 bytes

The directory names the kind of the file, the kind's own version, and each part with its
facts and the place, length and CRC-32 of each of its columns. A column is raw bytes; what
they mean is the caller's affair. Whole numbers in the head are little-endian; the head
keeps its shape in every later version.

A file appears under its name only when every byte of it is on the disk. Reading checks
every byte first, with plain reads, so that damage is an error and not a signal; then the
columns are mapped.
"""

import contextlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec

from kingpost.core import Disk, DiskFile
from kingpost.storage.errors import ColumnsDamaged, ColumnsNewer

__all__ = ["ColumnFile", "Part", "read_columns", "write_columns"]

_MAGIC = b"KPCOLUMN"
_FORMAT = 1
_HEAD = struct.Struct("<8sHHII")
_ALIGNMENT = 64
_PIECE = 4 * 1024 * 1024
_SYNCED_AT_ONCE = 16 * 1024 * 1024
"""So that no sync of another file has to wait behind more than this."""
_CHECKED_AT_ONCE = 2
_DRAFT = ".tmp"


@dataclass(frozen=True)
class Part:
    """Some columns that belong together.

    Attributes:
        facts: What its owner notes beside them.
    """

    name: str
    facts: Mapping[str, str | int]
    columns: Mapping[str, memoryview]


@dataclass(frozen=True)
class ColumnFile:
    """A file that passed its checks.

    Attributes:
        facts: What its writer noted of the whole.
    """

    facts: Mapping[str, str | int]
    parts: Sequence[Part]


class _StoredColumn(msgspec.Struct, array_like=True):
    name: str
    place: int
    size: int
    check: int


class _StoredPart(msgspec.Struct, array_like=True):
    name: str
    facts: dict[str, str | int]
    columns: list[_StoredColumn]


class _Directory(msgspec.Struct, array_like=True):
    kind: str
    version: int
    facts: dict[str, str | int]
    parts: list[_StoredPart]


def write_columns(
    path: Path,
    *,
    kind: str,
    version: int,
    facts: Mapping[str, str | int],
    parts: Sequence[Part],
    disk: Disk,
) -> None:
    """Write a file durably, in place of the one that has the name.

    Raises:
        OSError: The disk refused; what was there is as it was.
    """
    disk.make_directory(path.parent)
    draft = path.with_name(path.name + _DRAFT)
    file = disk.open(draft, write=True, create=True)
    try:
        file.truncate(0)
        _write(file, _directory_of(kind, version, facts, parts), parts)
        file.sync()
        disk.rename(draft, path)
    except OSError:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            disk.remove(draft)
        raise
    finally:
        file.close()
    disk.sync_directory(path.parent)


def read_columns(path: Path, *, kind: str, version: int, disk: Disk) -> ColumnFile:
    """Check a file and map its columns.

    Raises:
        FileNotFoundError: There is none.
        ColumnsNewer: A later version of Kingpost wrote it.
        ColumnsDamaged: It is not as it was written, or another kind of file.
        OSError: The disk refused.
    """
    file = disk.open(path, write=False)
    try:
        directory, start = _read_directory(file, path)
        if directory.kind != kind:
            raise ColumnsDamaged(path, f"it is a file of {directory.kind!r}, not of {kind!r}")
        if directory.version > version:
            raise ColumnsNewer(path, directory.version, version)
        if differing := _differing(file, start, directory):
            raise ColumnsDamaged(path, f"column {differing} differs")
        mapped = file.map()
    finally:
        file.close()
    return ColumnFile(
        directory.facts,
        [
            Part(
                part.name,
                part.facts,
                {
                    column.name: mapped[start + column.place : start + column.place + column.size]
                    for column in part.columns
                },
            )
            for part in directory.parts
        ],
    )


def _directory_of(
    kind: str, version: int, facts: Mapping[str, str | int], parts: Sequence[Part]
) -> bytes:
    place = 0
    stored: list[_StoredPart] = []
    for part in parts:
        columns: list[_StoredColumn] = []
        for name, column in part.columns.items():
            columns.append(_StoredColumn(name, place, column.nbytes, crc32(column)))
            place = _aligned(place + column.nbytes)
        stored.append(_StoredPart(part.name, dict(part.facts), columns))
    return msgspec.msgpack.encode(_Directory(kind, version, dict(facts), stored))


def _write(file: DiskFile, directory: bytes, parts: Sequence[Part]) -> None:
    head = _HEAD.pack(_MAGIC, _FORMAT, 0, len(directory), 0)[:-4]
    head += crc32(head + directory).to_bytes(4, "little")
    file.write_at(0, head + directory)
    place = _aligned(len(head) + len(directory))
    unsynced = 0
    for part in parts:
        for column in part.columns.values():
            view = column.cast("B")
            for at in range(0, view.nbytes, _PIECE):
                piece = bytes(view[at : at + _PIECE])
                file.write_at(place + at, piece)
                unsynced += len(piece)
                if unsynced >= _SYNCED_AT_ONCE:
                    file.sync()
                    unsynced = 0
            place = _aligned(place + view.nbytes)
    if file.size() < place:
        file.truncate(place)


def _read_directory(file: DiskFile, path: Path) -> tuple[_Directory, int]:
    head = file.read_at(0, _HEAD.size)
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        raise ColumnsDamaged(path, "it does not begin as such a file does")
    _, version, _, size, check = _HEAD.unpack(head)
    body = file.read_at(_HEAD.size, size)
    if len(body) < size or crc32(head[:-4] + body) != check:
        raise ColumnsDamaged(path, "its directory differs")
    if version > _FORMAT:
        raise ColumnsNewer(path, version, _FORMAT)
    try:
        return msgspec.msgpack.decode(body, type=_Directory), _aligned(_HEAD.size + size)
    except msgspec.MsgspecError as error:
        raise ColumnsDamaged(path, f"its directory cannot be read: {error}") from error


def _differing(file: DiskFile, start: int, directory: _Directory) -> str | None:
    """Name the first column that is not as it was written; several are read at once."""
    columns = [(part, column) for part in directory.parts for column in part.columns]

    def check(one: tuple[_StoredPart, _StoredColumn]) -> int | None:
        return _check_of(file, start + one[1].place, one[1].size)

    with ThreadPoolExecutor(_CHECKED_AT_ONCE) as pool:
        for (part, column), found in zip(columns, pool.map(check, columns), strict=True):
            if found != column.check:
                return f"{column.name!r} of {part.name!r}"
    return None


def _check_of(file: DiskFile, place: int, size: int) -> int | None:
    """Return the CRC-32 of some bytes; None when they are not all there."""
    check = 0
    for piece in _pieces(file, place, size):
        if piece is None:
            return None
        check = crc32(piece, check)
    return check


def _pieces(file: DiskFile, place: int, size: int) -> Iterator[bytes | None]:
    end = place + size
    while place < end:
        wanted = min(_PIECE, end - place)
        piece = file.read_at(place, wanted)
        yield piece if len(piece) == wanted else None
        if not piece:
            return
        place += len(piece)


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT
