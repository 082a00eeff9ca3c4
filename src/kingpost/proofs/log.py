"""The tree of a journal: a follower that takes commits in and signs checkpoints.

The rules: nothing on the way of a request waits for it. What it takes in is synced here
first, so a checkpoint never speaks of a commit that a power cut may take back. Leaves and
hashes are durable before the checkpoint over them is signed, and none is signed that does
not continue every one before.

One process at a time works on a tree, for as long as one step takes.
"""

import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Protocol

from kingpost.core import Disk
from kingpost.journal import Entry, Lookup, NoSuchOffset, Scan, WholeFrame
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from kingpost.proofs.errors import (
    CheckpointInconsistent,
    OriginChanged,
    TreeAheadOfJournal,
    TreeDamaged,
    TreeInUse,
    TreeNewer,
)
from kingpost.proofs.files import (
    TreeFiles,
    checkpoint_file,
    last_published,
    publish,
    published,
    read_whole,
    write_whole,
)
from kingpost.proofs.keys import KeyRing
from kingpost.proofs.leaf import LeafWriter, parse_leaf
from kingpost.proofs.merkle import consistency_proof
from kingpost.proofs.notes import SigningKey

__all__ = ["Cosigns", "Tree", "TreePlace", "log_name"]

TREE_FORMAT = 1
_TAKEN_AT_ONCE = 8192
_LOCK_POLL_S = 0.02


class Cosigns(Protocol):
    """Asks witnesses for their signatures."""

    def __call__(
        self, checkpoint: Checkpoint, consistency: Callable[[int], Sequence[bytes]]
    ) -> str:
        """Return the signature lines of witnesses under a checkpoint, possibly none.

        Args:
            consistency: The proof from an earlier size to the checkpoint's.
        """
        ...


@dataclass(frozen=True)
class TreePlace:
    """Where a tree and what belongs to it lie.

    Attributes:
        journal: The partition that it follows.
        public: The tree, for everybody.
        secret: The salt, and the private key where `key_file` says nothing else.
        origin: What the log is to be called; empty leaves it to `default_origin` when it is
            made, and as it is afterwards.
    """

    journal: Path
    public: Path
    secret: Path
    origin: str = ""
    default_origin: str = ""
    key_file: Path | None = None

    def keys(self, disk: Disk) -> KeyRing:
        """Return the keys."""
        return KeyRing(self.public, self.secret, disk=disk, key_file=self.key_file)


@dataclass
class _State:
    """What is known between two steps, as long as nobody else took one."""

    checkpoint: str
    scan: Scan
    made: Checkpoint | None = None


@dataclass
class Tree:
    """The tree of one partition, brought up in steps; for one thread.

    Args:
        id_of: The id by which an entry is asked for; None where it has none.
        cosigns: Asks witnesses; None has none.
    """

    place: TreePlace
    disk: Disk
    id_of: Callable[[Entry], bytes | None]
    cosigns: Cosigns | None = None
    _state: _State | None = field(default=None, init=False)

    def close(self) -> None:
        """Release the journal."""
        if self._state is not None:
            self._state.scan.close()
            self._state = None

    def signer(self, *, wait_s: float = 0.0) -> SigningKey:
        """Return the key that signs now; made when there is none.

        Raises:
            TreeInUse, SigningKeyUnusable, OriginChanged: See `update`.
        """
        with self._alone(wait_s):
            return self.place.keys(self.disk).signing(log_name(self.place, self.disk))

    def update(self, *, wait_s: float = 0.0, most: int | None = None) -> Checkpoint:
        """Take in what is new in the journal, and sign a checkpoint when anything is.

        Args:
            wait_s: How long to wait for another process that does so.
            most: Take in about so many commits at most.

        Returns:
            The newest checkpoint.

        Raises:
            TreeInUse: Another process is at it.
            CheckpointInconsistent, TreeAheadOfJournal: The journal or the tree was altered.
            TreeDamaged, TreeNewer, SigningKeyUnusable, OriginChanged: The tree cannot be used.
            JournalCorrupt, JournalNewer: The journal cannot be read.
            BadNote: The newest checkpoint cannot be read.
        """
        with self._alone(wait_s):
            try:
                return self._update(most)
            except BaseException:
                self.close()
                raise

    def rotate(self, *, wait_s: float = 0.0) -> SigningKey:
        """Hand over to a new key, and sign the newest checkpoint with both.

        Raises:
            TreeInUse, SigningKeyUnusable, OriginChanged: See `update`.
        """
        with self._alone(wait_s):
            origin = log_name(self.place, self.disk)
            old, new = self.place.keys(self.disk).rotate(origin)
            text, end = last_published(self.place.public, self.disk)
            if text:
                last = parse_checkpoint(text)
                self._publish(sign_checkpoint(origin, last.size, last.root, [old, new]), end)
            self.close()
            return new

    def _update(self, most: int | None) -> Checkpoint:
        public, disk = self.place.public, self.disk
        text = checkpoint_file(public, disk)
        if self._state is not None and self._state.checkpoint != text:
            self.close()
        fresh: Iterator[WholeFrame] = iter(())
        if self._state is not None and self._state.made is not None:
            fresh = self._state.scan.frames()
            first = next(fresh, None)
            if first is None and (self.cosigns is None or _is_cosigned(self._state.made)):
                return self._state.made
            fresh = fresh if first is None else chain((first,), fresh)
        before, end = last_published(public, disk)
        last = parse_checkpoint(before) if before else None
        if text and parse_checkpoint(text).size > (last.size if last else -1):
            raise TreeDamaged(public / "checkpoints", "the newest checkpoint is not in it")
        is_rebuilt = last is not None and not any(
            name in ("entries", "level-0") for name in disk.list(public)
        )
        size = 0 if last is None or is_rebuilt else last.size
        keys = self.place.keys(disk)
        origin = log_name(self.place, disk)
        writer = LeafWriter(self.place.journal.name, keys.salt())
        with TreeFiles(public, size, disk=disk, write=True) as files:
            if last is not None and not is_rebuilt and files.root() != last.root:
                raise TreeDamaged(public, "its hashes do not give the newest checkpoint's root")
            if self._state is None:
                self._state = self._enter(files, writer, text)
                fresh = self._state.scan.frames()
            taken = self._take(files, writer, fresh, None if is_rebuilt else most)
            if not taken and last is not None and not is_rebuilt:
                made = self._cosigned(last, files)
                if made.note.whole != before:
                    self._publish(made, end)
                elif text != before:
                    write_whole(public / "checkpoint", before.encode(), disk)
            else:
                made = self._sign(files, keys.signing(origin), before, end, is_rebuilt=is_rebuilt)
        self._state.checkpoint, self._state.made = made.note.whole, made
        return made

    def _sign(
        self, files: TreeFiles, key: SigningKey, before: str, end: int, *, is_rebuilt: bool
    ) -> Checkpoint:
        """Sign what is in the files, if it continues what was signed before."""
        public, disk = self.place.public, self.disk
        files.sync()
        origin = key.verifier.name
        signed = published(public, disk) if is_rebuilt else [before] if before else []
        for one in map(parse_checkpoint, signed):
            is_same = one.size <= files.size and files.root(one.size) == one.root
            if not is_same or one.origin != origin:
                raise CheckpointInconsistent(public, one.size)
        made = sign_checkpoint(origin, files.size, files.root(), [key])
        made = self._cosigned(made, files)
        self._publish(made, end)
        return made

    def _cosigned(self, made: Checkpoint, files: TreeFiles) -> Checkpoint:
        """Ask witnesses for a checkpoint that none of them has signed yet."""
        if self.cosigns is None or _is_cosigned(made):
            return made

        def consistency(old: int) -> Sequence[bytes]:
            return consistency_proof(old, files.size, files.subtree)

        return parse_checkpoint(made.note.whole + self.cosigns(made, consistency))

    def _enter(self, files: TreeFiles, writer: LeafWriter, text: str) -> _State:
        """Find the end of the tree in the journal, and see that both say the same there."""
        directory, disk = self.place.journal, self.disk
        if not files.size:
            return _State(text, Scan(directory, disk=disk))
        index = files.size - 1
        data = files.leaf(index)
        leaf = parse_leaf(data)
        lookup = Lookup(directory, disk=disk)
        try:
            commit = lookup.read(leaf.offset)
        except NoSuchOffset as error:
            raise TreeAheadOfJournal(self.place.public, index, leaf.offset) from error
        finally:
            lookup.close()
        if writer.leaf_of(commit) != data:
            raise TreeAheadOfJournal(self.place.public, index, leaf.offset)
        scan = Scan(directory, disk=disk, start=commit.offset, place=commit.place)
        for _ in scan.commits(stop=commit.next_offset):
            pass
        return _State(text, scan)

    def _take(
        self,
        files: TreeFiles,
        writer: LeafWriter,
        frames: Iterator[WholeFrame],
        most: int | None,
    ) -> int:
        taken, segment = 0, -1
        leaves: list[bytes] = []
        hashes: list[bytes] = []
        offsets: list[int] = []
        segments: list[int] = []
        leaf_of, next_mark = writer.leaf, files.next_mark

        def put() -> int:
            files.add(leaves, b"".join(hashes), offsets)
            count = len(leaves)
            leaves.clear()
            hashes.clear()
            offsets.clear()
            return count

        for index, frame in enumerate(frames, files.size):
            leaf = leaf_of(frame)
            leaves.append(leaf)
            hashes.append(sha256(b"\0" + leaf).digest())
            offsets.append(frame.offset)
            if index >= next_mark and (identifier := _first_id(frame, self.id_of)) is not None:
                files.mark(identifier, index)
                next_mark = files.next_mark
            if frame.segment != segment:
                segment = frame.segment
                segments.append(segment)
            if len(leaves) == _TAKEN_AT_ONCE:
                taken += put()
                if most is not None and taken >= most:
                    break
        if leaves:
            taken += put()
        # a live writer may not have synced yet what was read here
        for first in segments:
            self._sync_segment(first)
        return taken

    def _sync_segment(self, first: int) -> None:
        file = self.disk.open(self.place.journal / f"{first:020d}.log", write=False)
        try:
            file.sync()
        finally:
            file.close()

    def _publish(self, made: Checkpoint, end: int) -> None:
        public, disk = self.place.public, self.disk
        publish(public, made.note.whole, end, disk)
        write_whole(public / "checkpoint", made.note.whole.encode(), disk)

    @contextmanager
    def _alone(self, wait_s: float) -> Generator[None]:
        self.disk.make_directory(self.place.public)
        end = time.monotonic() + wait_s
        while True:
            try:
                lock = self.disk.lock(self.place.public / "lock")
                break
            except BlockingIOError as error:
                if time.monotonic() >= end:
                    raise TreeInUse(self.place.public) from error
                time.sleep(_LOCK_POLL_S)
        try:
            yield
        finally:
            lock.release()


def log_name(place: TreePlace, disk: Disk) -> str:
    """Return the origin of a log; it is fixed when it is first asked for.

    Raises:
        OriginChanged: The settings want another one.
        TreeNewer: A later version of Kingpost made the log.
        TreeDamaged: What says so cannot be read.
    """
    path = place.public / "log"
    data = read_whole(path, disk)
    if not data:
        origin = place.origin or place.default_origin
        facts = {"format": TREE_FORMAT, "origin": origin, "partition": place.journal.name}
        disk.make_directory(place.public)
        write_whole(path, json.dumps(facts).encode(), disk)
        return origin
    try:
        facts = json.loads(data)
        found, origin = int(facts["format"]), str(facts["origin"])
    except (ValueError, KeyError, TypeError) as error:
        raise TreeDamaged(path, "it does not say what the log is called") from error
    if found > TREE_FORMAT:
        raise TreeNewer(str(path), str(found), str(TREE_FORMAT))
    if place.origin and place.origin != origin:
        raise OriginChanged(origin, place.origin)
    return origin


def _is_cosigned(made: Checkpoint) -> bool:
    return any(one.name != made.origin for one in made.note.signatures)


def _first_id(frame: WholeFrame, id_of: Callable[[Entry], bytes | None]) -> bytes | None:
    for entry in frame.commit().entries:
        identifier = id_of(entry)
        if identifier is not None:
            return identifier
    return None
