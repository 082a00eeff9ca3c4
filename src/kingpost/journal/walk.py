"""Walking over the frames of one segment, with large reads and every check.

The walk goes on as long as it finds whole frames in unbroken order and stops at the first
place that holds none. Whether that place is the end, a torn write or damage is for the
caller to say; `proof_after` tells whether something durable lies behind it.
"""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from kingpost.core import DiskFile
from kingpost.journal.errors import JournalCorrupt, JournalNewer
from kingpost.journal.frames import (
    COMPLEMENT,
    FORMAT_VERSION,
    FRAME_HEAD,
    MARK,
    MARK_AT,
    MAX_COMMIT,
    Commit,
    Place,
    decode_entries,
)
from kingpost.journal.segments import HEADER_SIZE, SegmentHeader

__all__ = ["CHUNK", "SegmentWalk", "WholeFrame", "first_frame", "frame_at", "last_byte_used"]

CHUNK = 1024 * 1024
_TRIES = 8
_ZEROS = bytes(CHUNK)
_MARK_BYTES = MARK.to_bytes(4, "little")
_HEAD_SIZE = FRAME_HEAD.size


class WholeFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame that passed its check, still encoded.

    Attributes:
        segment, byte: Where it lies.
    """

    segment: int
    byte: int
    offset: int
    next_offset: int
    time_us: int
    starts_group: bool
    buffer: bytes
    entries_at: int
    end: int

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(self.segment, self.byte)

    def commit(self) -> Commit:
        """Decode it."""
        entries = decode_entries(self.buffer, self.entries_at, self.end)
        size_bytes = self.end - self.entries_at + _HEAD_SIZE
        return Commit(self.offset, entries, self.time_us, self.place, size_bytes)


class SegmentWalk:
    """A walk over one open segment; `byte` and `offset` are where the next frame belongs.

    Both may be set to go on from another frame.
    """

    def __init__(
        self, file: DiskFile, header: SegmentHeader, path: Path, *, chunk: int = CHUNK
    ) -> None:
        self.file, self.header, self.path = file, header, path
        self.byte = HEADER_SIZE
        self.offset = header.first_offset
        self._chunk = chunk

    def frames(self) -> Iterator[WholeFrame]:
        """Yield whole frames up to the first place that holds none; may be called again.

        Raises:
            JournalCorrupt: A whole frame has another offset than belongs there.
            JournalNewer: A later version of Kingpost wrote a frame.
        """
        salt, segment = self.header.salt, self.header.first_offset
        needed = _HEAD_SIZE
        while True:
            buffer = self.file.read_at(self.byte, max(self._chunk, needed))
            size = len(buffer)
            if size < needed:
                return
            needed = _HEAD_SIZE
            view = memoryview(buffer)
            at = 0
            while size - at >= _HEAD_SIZE:
                length, check, offset, time_us, mark, span = FRAME_HEAD.unpack_from(buffer, at)
                if not _HEAD_SIZE <= length <= MAX_COMMIT:
                    return
                end = at + length
                if end > size:
                    needed = length
                    break
                found = crc32(view[at + 8 : end], salt)
                if found != check and found ^ COMPLEMENT != check:
                    return
                if mark != MARK or offset != self.offset:
                    self._refuse(mark, offset)
                byte = self.byte
                self.byte = byte + length
                self.offset = after = offset + span
                entries_at, at = at + _HEAD_SIZE, end
                yield WholeFrame(
                    segment, byte, offset, after, time_us, found != check, buffer, entries_at, end
                )

    def _refuse(self, mark: int, offset: int) -> None:
        version = mark >> 24
        if mark & 0xFF_FFFF != MARK & 0xFF_FFFF:
            raise JournalCorrupt(self.path, self.byte, "a frame without its mark")
        if version > FORMAT_VERSION:
            raise JournalNewer(self.path, version, FORMAT_VERSION)
        raise JournalCorrupt(
            self.path, self.byte, f"it holds offset {offset} where {self.offset} belongs"
        )

    def proof_after(self) -> int | None:
        """Return the byte of a frame behind this place that proves this place was durable.

        A group is written only when the one before it is durable. So a whole frame that
        starts a group vouches for all that lies before it, and no torn write leaves one.
        """
        place, first = self.byte, self.byte + MARK_AT + 1
        while len(part := self.file.read_at(place, self._chunk)) >= len(_MARK_BYTES):
            found = part.find(_MARK_BYTES, max(0, first - place))
            while found >= 0:
                frame = frame_at(self.file, self.header, place + found - MARK_AT)
                if frame is not None and frame.starts_group and frame.offset >= self.offset:
                    return frame.byte
                found = part.find(_MARK_BYTES, found + 1)
            place += len(part) - len(_MARK_BYTES) + 1
        return None

    def is_cut_short(self) -> bool:
        """Whether durable commits lie behind this place, as far as one read looks ahead."""
        return not _is_zero(self.file.read_at(self.byte, CHUNK)) and bool(self.proof_after())


def frame_at(file: DiskFile, header: SegmentHeader, byte: int) -> WholeFrame | None:
    """Read the frame that begins at a byte; None when no whole one does."""
    head = file.read_at(byte, _HEAD_SIZE)
    if len(head) < _HEAD_SIZE:
        return None
    length, check, offset, time_us, _, span = FRAME_HEAD.unpack(head)
    if not _HEAD_SIZE <= length <= MAX_COMMIT:
        return None
    buffer = file.read_at(byte, length)
    found = crc32(memoryview(buffer)[8:], header.salt)
    if len(buffer) < length or (found != check and found ^ COMPLEMENT != check):
        return None
    segment, after, is_first = header.first_offset, offset + span, found != check
    return WholeFrame(segment, byte, offset, after, time_us, is_first, buffer, _HEAD_SIZE, length)


def first_frame(file: DiskFile, header: SegmentHeader, start: int, size: int) -> WholeFrame | None:
    """Find a whole frame that begins within `size` bytes from a byte on.

    Returns:
        The first; None when none begins there, or when other data looks like the beginning
        of one too often to be worth the search.
    """
    part = file.read_at(start, size + MARK_AT + len(_MARK_BYTES))
    found = MARK_AT - 1
    for _ in range(_TRIES):
        found = part.find(_MARK_BYTES, found + 1)
        if found < 0:
            return None
        frame = frame_at(file, header, start + found - MARK_AT)
        if frame is not None:
            return frame
    return None


def last_byte_used(file: DiskFile, start: int) -> int:
    """Return the byte after the last one from `start` on that is not zero, or `start`."""
    used, place = start, start
    while part := file.read_at(place, CHUNK):
        if not _is_zero(part):
            used = place + len(part.rstrip(b"\0"))
        place += len(part)
    return used


def _is_zero(data: bytes) -> bool:
    return data == (_ZEROS if len(data) == CHUNK else bytes(len(data)))
