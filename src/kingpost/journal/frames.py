"""A commit as bytes: one frame, written and read as a whole or not at all.

    length u32 | check u32 | first offset u64 | time u64 | "KPF" | version u8 | span u32 | entries
    entry: body length u32 | count u32 | labels length u16 | kind NUL tenant NUL topic | body

All integers are little-endian. `length` counts the whole frame. `check` is the CRC-32 of
what follows it, started from the journal's own random salt, so that no body can pass for a
frame. In the first frame of a group (what was written and synced as one) the check is
complemented: such a frame proves that everything before it had become durable. The first
eight bytes keep this meaning in every later version.

Where frames lie in files is left to `segments` and `writer`.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec

from kingpost.journal.errors import BadCommit

try:
    from kingpost.journal._frames import encode as encode_compiled
except ImportError:
    encode_compiled = None  # the same bytes from `encode_plainly`

__all__ = [
    "COMPLEMENT",
    "COPIED_BYTES",
    "ENVELOPE",
    "FORMAT_VERSION",
    "FRAME_HEAD",
    "MARK",
    "MARK_AT",
    "MAX_COMMIT",
    "Commit",
    "Entry",
    "Frame",
    "Place",
    "decode_entries",
    "encode",
    "encode_compiled",
    "encode_plainly",
]

FORMAT_VERSION = 1
MAX_COMMIT = 64 * 1024 * 1024
"""The most bytes one commit may take, its head included."""

COPIED_BYTES = 64 * 1024
"""Below this size, copying pieces together is cheaper than handling each."""

COMPLEMENT = 0xFFFF_FFFF
MARK = int.from_bytes(b"KPF" + bytes([FORMAT_VERSION]), "little")
MARK_AT = 24
"""Where in a frame the mark stands."""

ENVELOPE = struct.Struct("<II")
FRAME_HEAD = struct.Struct("<IIQQII")
_REST_OF_HEAD = struct.Struct("<QQII")
_ENTRY_HEAD = struct.Struct("<IIH")
_ENTRY_SIZE = _ENTRY_HEAD.size
_LENGTH = struct.Struct("<I")
_REST_OF_ENTRY = struct.Struct("<IH")
_HEADS_KEPT = 4096

_heads: dict[tuple[str, str, str, int], bytes] = {}
_names_of: dict[bytes, tuple[str, str, str]] = {}


class Entry(msgspec.Struct, frozen=True):
    """One thing in a commit.

    It takes `count` offsets: 1 for an event, a record or a document, n for a batch of n
    events. `tenant` is empty for what belongs to no tenant; `topic` names the stream or
    the decision. The journal does not look into the body.
    """

    kind: str
    tenant: str
    topic: str
    body: bytes
    count: int = 1


class Place(NamedTuple):
    """Where a commit lies: the first offset of its segment, and the byte in that file."""

    segment: int
    byte: int


class Commit(NamedTuple):
    """Entries that became durable together; the first one has offset `offset`."""

    offset: int
    entries: tuple[Entry, ...]
    time_us: int
    """When it was appended, microseconds UTC; never less than in an earlier commit."""
    place: Place
    size_bytes: int = 0
    """What it takes in its segment; 0 where it was not read from one."""

    @property
    def next_offset(self) -> int:
        """The first offset after this commit."""
        return self.offset + sum(entry.count for entry in self.entries)

    def entry_at(self, offset: int) -> Entry | None:
        """Return the entry that begins at an offset; None when none does."""
        at = self.offset
        for entry in self.entries:
            if at == offset:
                return entry
            at += entry.count
        return None


class Frame(msgspec.Struct, frozen=True):
    """An encoded commit, not yet placed: the envelope waits for what its group will be."""

    offset: int
    next_offset: int
    time_us: int
    check: int
    size: int
    """Of the whole frame, in bytes."""
    buffers: Sequence[bytes]
    """What follows the envelope, in pieces; large bodies are not copied."""


def encode(entries: Sequence[Entry], offset: int, time_us: int, salt: int) -> Frame:
    """Encode one commit that begins at `offset`.

    Raises:
        BadCommit: There are no entries, a label cannot be stored, a count is not positive,
            or the whole is larger than `MAX_COMMIT`.
    """
    frame = encode_compiled and encode_compiled(Frame, entries, offset, time_us, salt)
    return frame or encode_plainly(entries, offset, time_us, salt)


def encode_plainly(entries: Sequence[Entry], offset: int, time_us: int, salt: int) -> Frame:
    """Encode in Python: the same, and any commit."""
    parts = [b""]
    span = 0
    try:
        for entry in entries:
            body, count = entry.body, entry.count
            said = entry.kind, entry.tenant, entry.topic, count
            parts += _LENGTH.pack(len(body)), _heads.get(said) or _head(*said), body
            span += count
        parts[0] = _REST_OF_HEAD.pack(offset, time_us, MARK, span)
    except struct.error as error:
        raise BadCommit(f"a body or a count is too large to be stored ({error})") from error
    if not span:
        raise BadCommit("it has no entries")
    size = ENVELOPE.size + sum(map(len, parts))
    if size > MAX_COMMIT:
        raise BadCommit(f"it takes {size:,} bytes and the limit is {MAX_COMMIT:,}; split it")
    if size < COPIED_BYTES:
        parts = [b"".join(parts)]
    check = salt
    for part in parts:
        check = crc32(part, check)
    return Frame(offset, offset + span, time_us, check, size, parts)


def _head(kind: str, tenant: str, topic: str, count: int) -> bytes:
    """Encode the head of an entry, but for the length of its body."""
    names = (kind, tenant, topic)
    if count < 1:
        raise BadCommit(f"entry {kind!r} has a count of {count}; the least is 1")
    try:
        labels = "\0".join(names).encode()
    except UnicodeEncodeError as error:
        raise BadCommit(f"{names!r} cannot be written as UTF-8") from error
    if not kind or labels.count(0) != 2 or len(labels) > 0xFFFF:
        raise BadCommit(
            f"kind, tenant and topic {names!r} need a kind, no NUL, and 65,533 bytes at most"
        )
    if len(_heads) >= _HEADS_KEPT:
        _heads.clear()
    head = _heads[kind, tenant, topic, count] = _REST_OF_ENTRY.pack(count, len(labels)) + labels
    return head


def decode_entries(buffer: bytes, at: int, end: int) -> tuple[Entry, ...]:
    """Read the entries that lie in `buffer[at:end]`, which a check has vouched for."""
    entries: list[Entry] = []
    while at < end:
        size, count, width = _ENTRY_HEAD.unpack_from(buffer, at)
        at += _ENTRY_SIZE
        body_at = at + width
        labels = buffer[at:body_at]
        names = _names_of.get(labels) or _names(labels)
        at = body_at + size
        entries.append(Entry(*names, buffer[body_at:at], count))
    return tuple(entries)


def _names(labels: bytes) -> tuple[str, str, str]:
    kind, tenant, topic = labels.decode().split("\0")
    if len(_names_of) >= _HEADS_KEPT:
        _names_of.clear()
    _names_of[labels] = kind, tenant, topic
    return kind, tenant, topic
