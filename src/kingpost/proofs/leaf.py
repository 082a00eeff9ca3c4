"""What the tree says of a commit: where it lies, when it came, and a commitment of each entry.

An entry of the log is one commit, at most 65,535 bytes, all integers big-endian:

    version u8 = 1 | form u8 | first offset u64 | offsets taken u32 | time u64, µs UTC
    | entries u32 | length of the partition's name u8, name | commitments

With form 0 the commitments follow one another; with form 1, where they would not fit, there is
one RFC 6962 root over them. A commitment is `kind length u16 | offsets taken u32 | kind | SHA-256`,
over `nonce | labels length u16, little-endian | kind NUL tenant NUL topic | body`: the entry as
the journal has it, behind a nonce.

The nonces come from a key that stays with the log (BLAKE2b of an entry's offset / 4, of which
each offset has a quarter), so nobody who has only the tree can
guess at short bodies; the proof of one entry discloses its nonce and no other. Offsets
follow one another from leaf to leaf, so nothing can be left out unseen.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b, sha256
from itertools import accumulate
from typing import NamedTuple

from kingpost.journal import Commit, Entry, WholeFrame
from kingpost.proofs.errors import BadProof, TreeNewer
from kingpost.proofs.merkle import root_of

try:
    from kingpost.proofs._leaf import commitments as commitments_compiled
except ImportError:
    commitments_compiled = None  # the same bytes in Python

__all__ = [
    "LEAF_FORMAT",
    "MAX_ENTRY",
    "Leaf",
    "LeafWriter",
    "commitment",
    "commitments_compiled",
    "entry_offset",
    "parse_commitments",
    "parse_leaf",
]

LEAF_FORMAT = 1
MAX_ENTRY = 65_535
LISTED, FOLDED = 0, 1

_HEAD = struct.Struct(">BBQIQIB")
_COMMITMENT = struct.Struct(">HI")
_ENTRY = struct.Struct("<IIH")
_LABELS = struct.Struct("<IH")
_KEPT = 4096


class Leaf(NamedTuple):
    """An entry of the log, read.

    Attributes:
        width: Entries of the commit.
        commitments: One for each of them; None where they are folded into `folded`.
    """

    offset: int
    span: int
    time_us: int
    width: int
    partition: str
    commitments: Sequence[bytes] | None
    folded: bytes

    @property
    def next_offset(self) -> int:
        """The first offset of the leaf after it."""
        return self.offset + self.span


class LeafWriter:
    """Writes the leaves of one partition.

    Args:
        salt: The key that nonces are made of, 32 bytes.
    """

    def __init__(self, partition: str, salt: bytes) -> None:
        name = partition.encode()
        self._width, self._partition, self._salt = len(name), name, salt
        self._heads: dict[bytes, bytes] = {}
        self._block, self._nonces = -1, b""

    def leaf(self, frame: WholeFrame) -> bytes:
        """Write the leaf of a commit as it lies in the journal."""
        offset, buffer, at, end = frame.offset, frame.buffer, frame.entries_at, frame.end
        made = commitments_compiled and commitments_compiled(
            buffer, at, end, offset, self._nonces_of
        )
        joined, count = made or _joined(self._commitments(frame))
        form = LISTED
        if _HEAD.size + self._width + len(joined) > MAX_ENTRY:
            form, joined = FOLDED, root_of(self._commitments(frame))
        span = frame.next_offset - offset
        head = _HEAD.pack(LEAF_FORMAT, form, offset, span, frame.time_us, count, self._width)
        return head + self._partition + joined

    def _commitments(self, frame: WholeFrame) -> list[bytes]:
        """Write the commitments in Python: the same, and of any commit."""
        heads, buffer, place, at = self._heads, frame.buffer, frame.offset, frame.entries_at
        found: list[bytes] = []
        while at < frame.end:
            size, count, width = _ENTRY.unpack_from(buffer, at)
            body_at = at + _ENTRY.size + width
            labels = buffer[at + 4 : body_at]
            hashed = sha256(self.nonce(place))
            hashed.update(memoryview(buffer)[at + 8 : body_at + size])
            found.append((heads.get(labels) or self._head(labels)) + hashed.digest())
            place, at = place + count, body_at + size
        return found

    def nonce(self, offset: int) -> bytes:
        """Return the nonce of the entry that begins at an offset."""
        first = (offset & 3) << 4
        return self._nonces_of(offset >> 2)[first : first + 16]

    def _nonces_of(self, block: int) -> bytes:
        if block != self._block:
            self._nonces = blake2b(block.to_bytes(8), key=self._salt, digest_size=64).digest()
            self._block = block
        return self._nonces

    def commitments(self, commit: Commit) -> list[bytes]:
        """Return the commitments to the entries of a commit; the same as `leaf` has."""
        offsets = accumulate([entry.count for entry in commit.entries], initial=commit.offset)
        return [
            commitment(entry, self.nonce(offset))
            for entry, offset in zip(commit.entries, offsets, strict=False)
        ]

    def leaf_of(self, commit: Commit) -> bytes:
        """Write the leaf of a commit that was decoded."""
        commitments = self.commitments(commit)
        joined, form = b"".join(commitments), LISTED
        if _HEAD.size + self._width + len(joined) > MAX_ENTRY:
            form, joined = FOLDED, root_of(commitments)
        span = commit.next_offset - commit.offset
        head = _HEAD.pack(
            LEAF_FORMAT, form, commit.offset, span, commit.time_us, len(commitments), self._width
        )
        return head + self._partition + joined

    def _head(self, labels: bytes) -> bytes:
        if len(self._heads) >= _KEPT:
            self._heads.clear()
        count, _ = _LABELS.unpack_from(labels)
        kind = labels[_LABELS.size :].partition(b"\0")[0]
        found = self._heads[labels] = _COMMITMENT.pack(len(kind), count) + kind
        return found


def commitment(entry: Entry, nonce: bytes) -> bytes:
    """Return the commitment to an entry with its nonce, as whoever checks a proof does."""
    labels = f"{entry.kind}\0{entry.tenant}\0{entry.topic}".encode()
    hashed = sha256(nonce + len(labels).to_bytes(2, "little") + labels)
    hashed.update(entry.body)
    name = entry.kind.encode()
    return _COMMITMENT.pack(len(name), entry.count) + name + hashed.digest()


def parse_leaf(data: bytes) -> Leaf:
    """Read an entry of the log.

    Raises:
        BadProof: It is none.
        TreeNewer: A later version of Kingpost wrote it.
    """
    if len(data) < _HEAD.size:
        raise BadProof("a leaf is too short")
    version, form, offset, span, time_us, count, width = _HEAD.unpack_from(data)
    if version != LEAF_FORMAT:
        raise TreeNewer("a leaf", str(version), str(LEAF_FORMAT))
    at = _HEAD.size + width
    rest = data[at:]
    if form == FOLDED and len(rest) == 32:
        commitments = None
    elif form == LISTED:
        commitments = parse_commitments(rest)
        if len(commitments) != count or sum(taken for _, taken in map(_taken, commitments)) != span:
            raise BadProof("a leaf does not list what it counts")
    else:
        raise BadProof("a leaf has another form than it says")
    try:
        name = data[_HEAD.size : at].decode()
    except UnicodeDecodeError as error:
        raise BadProof("a leaf names no partition") from error
    return Leaf(offset, span, time_us, count, name, commitments, rest if form == FOLDED else b"")


def entry_offset(leaf: Leaf, number: int) -> int | None:
    """Return where an entry of a commit begins; None where the leaf does not tell."""
    if not number:
        return leaf.offset
    if leaf.commitments is None or not 0 <= number < len(leaf.commitments):
        return None
    return leaf.offset + sum(_taken(one)[1] for one in leaf.commitments[:number])


def parse_commitments(data: bytes) -> list[bytes]:
    """Cut commitments that follow one another apart.

    Raises:
        BadProof: The last one is cut short.
    """
    commitments: list[bytes] = []
    at = 0
    while at < len(data):
        if len(data) - at < _COMMITMENT.size:
            raise BadProof("a commitment is cut short")
        end = at + _COMMITMENT.size + _COMMITMENT.unpack_from(data, at)[0] + 32
        if end > len(data):
            raise BadProof("a commitment is cut short")
        commitments.append(data[at:end])
        at = end
    return commitments


def _joined(commitments: Sequence[bytes]) -> tuple[bytes, int]:
    return b"".join(commitments), len(commitments)


def _taken(one: bytes) -> tuple[int, int]:
    width, count = _COMMITMENT.unpack_from(one)
    return width, count
