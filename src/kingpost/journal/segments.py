"""Segment files: `00000000000000000000.log`, named by the first offset they hold.

A segment is a header, which has the first 4,096 bytes for itself so that no later write
touches it, then frames one after the other, then zeros or the end of the file. Segments
are as a rule filled with zeros before they are used: a sync then changes no metadata,
which makes it a third cheaper. A file appears under its name only when its header is
durable, so a segment without a good header was damaged. The header keeps its shape in
every later version.

A segment that was moved to an object store leaves a note under its first offset,
`00000000000000000000.archived`: the partition still knows of it, and says where it is.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import msgspec

from kingpost.core import Disk, DiskFile
from kingpost.journal.errors import JournalCorrupt, JournalNewer, SegmentArchived
from kingpost.journal.frames import FORMAT_VERSION

__all__ = [
    "HEADER_SIZE",
    "ArchivedSegment",
    "SegmentHeader",
    "archived_path",
    "first_offsets",
    "open_segment",
    "publish_segment",
    "segment_identity",
    "segment_path",
    "zero_fill",
]

HEADER_SIZE = 4096

_MAGIC = b"KPJOURNL"
_HEADER = struct.Struct("<8sHxxIQQ64s")
_CHECK = struct.Struct("<I")
_NAME = re.compile(r"[0-9]{20}\.(log|archived)")
_ARCHIVED_FORMAT = 1
_ZEROS = bytes(1024 * 1024)


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself.

    The salt is the same in all segments of a partition; the time is that of the first
    commit, or of the segment's making when it was the first.
    """

    partition: str
    first_offset: int
    time_us: int
    salt: int


class ArchivedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a segment lies that is not here any more.

    Attributes:
        store: The object store, as `s3://bucket/prefix`.
        key: The object in it, below the prefix.
    """

    format: int = _ARCHIVED_FORMAT
    store: str
    key: str
    size_bytes: int
    sha256: str

    @staticmethod
    def read(disk: Disk, path: Path) -> "ArchivedSegment | None":
        """Read the note that a segment has left; None when it has left none.

        Raises:
            JournalCorrupt: The note cannot be read.
            JournalNewer: A later version of Kingpost wrote it.
        """
        note = archived_path(path)
        try:
            file = disk.open(note, write=False)
        except FileNotFoundError:
            return None
        try:
            found = msgspec.json.decode(file.read_at(0, file.size()), type=ArchivedSegment)
        except msgspec.MsgspecError as error:
            raise JournalCorrupt(
                note, 0, f"it is no note of an archived segment ({error})"
            ) from error
        finally:
            file.close()
        if found.format > _ARCHIVED_FORMAT:
            raise JournalNewer(note, found.format, _ARCHIVED_FORMAT)
        return found


def archived_path(segment: Path) -> Path:
    """Return where a segment's note lies when the segment was moved away."""
    return segment.with_suffix(".archived")


def segment_path(directory: Path, first_offset: int) -> Path:
    """Return the path of the segment that begins at an offset."""
    return directory / f"{first_offset:020d}.log"


def first_offsets(disk: Disk, directory: Path) -> list[int]:
    """Return the first offsets of a partition's segments, in order.

    Raises:
        JournalCorrupt: The first segment is missing.
    """
    found = {int(name[:20]) for name in disk.list(directory) if _NAME.fullmatch(name)}
    firsts = sorted(found)
    if firsts and firsts[0]:
        raise JournalCorrupt(
            segment_path(directory, 0), 0, f"the commits before offset {firsts[0]} are missing"
        )
    return firsts


def open_segment(
    disk: Disk, directory: Path, first_offset: int, *, write: bool = False
) -> tuple[DiskFile, SegmentHeader]:
    """Open a segment and check its header.

    Raises:
        JournalCorrupt: The header is damaged, or belongs to another segment.
        JournalNewer: A later version of Kingpost wrote it.
        SegmentArchived: It lies in an object store, and not here.
    """
    path = segment_path(directory, first_offset)
    try:
        file = disk.open(path, write=write)
    except FileNotFoundError:
        archived = ArchivedSegment.read(disk, path)
        if archived is None:
            raise
        raise SegmentArchived(path, archived.store, archived.key) from None
    try:
        header = _parse(file.read_at(0, _HEADER.size + _CHECK.size), path)
        if (header.partition, header.first_offset) != (directory.name, first_offset):
            raise JournalCorrupt(
                path,
                0,
                f"it is the segment at offset {header.first_offset} of partition "
                f"{header.partition!r}, not of this place",
            )
    except BaseException:
        file.close()
        raise
    return file, header


def publish_segment(
    disk: Disk, directory: Path, draft: Path, file: DiskFile, header: SegmentHeader
) -> Path:
    """Write the header of a prepared file and give it its name, both durably."""
    name = header.partition.encode()
    head = _HEADER.pack(
        _MAGIC, FORMAT_VERSION, header.salt, header.first_offset, header.time_us, name
    )
    file.write_at(0, (head + _CHECK.pack(crc32(head))).ljust(HEADER_SIZE, b"\0"))
    file.sync()
    path = segment_path(directory, header.first_offset)
    disk.rename(draft, path)
    disk.sync_directory(directory)
    return path


def segment_identity(head: bytes) -> tuple[str, int, int] | None:
    """Return partition, first offset and salt of a segment; None when its header is damaged.

    Args:
        head: How its file begins, at least `HEADER_SIZE` bytes as a rule.
    """
    try:
        header = _parse(head, Path())
    except (JournalCorrupt, JournalNewer):
        return None
    return header.partition, header.first_offset, header.salt


def zero_fill(file: DiskFile, start: int, end: int) -> None:
    """Write zeros over `start` up to `end`; the caller syncs."""
    for place in range(start, end, len(_ZEROS)):
        size = min(len(_ZEROS), end - place)
        file.write_at(place, _ZEROS if size == len(_ZEROS) else bytes(size))


def _parse(data: bytes, path: Path) -> SegmentHeader:
    if len(data) < _HEADER.size + _CHECK.size:
        raise JournalCorrupt(path, 0, "the file is shorter than a header")
    magic, version, salt, first_offset, time_us, name = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise JournalCorrupt(path, 0, "it does not begin as a journal segment does")
    if _CHECK.unpack_from(data, _HEADER.size)[0] != crc32(data[: _HEADER.size]):
        raise JournalCorrupt(path, 0, "its header fails its check")
    if version > FORMAT_VERSION:
        raise JournalNewer(path, version, FORMAT_VERSION)
    return SegmentHeader(name.rstrip(b"\0").decode(), first_offset, time_us, salt)
