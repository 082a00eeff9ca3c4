"""Making proofs: from an id or a place to its entry, its leaf, and a path to a signed checkpoint.

Ids grow along the journal, and the tree keeps one of some hundreds with its leaf; between
two of them the journal is read. Where an id is not found so, all of it is. An entry without an
id, as an erasure or an approval, is asked for by the offset where the journal has it.
"""

from bisect import bisect_right
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import accumulate

from kingpost.core import Disk, id_text
from kingpost.journal import (
    Commit,
    Entry,
    Lookup,
    NoSuchOffset,
    Scan,
    decode_removed,
    is_removed,
)
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint
from kingpost.proofs.errors import (
    CheckpointInconsistent,
    NotInTreeYet,
    PositionNotListed,
    TreeAheadOfJournal,
)
from kingpost.proofs.files import BUNDLE, TreeFiles, checkpoint_file, split_bundle
from kingpost.proofs.leaf import LeafWriter, parse_leaf
from kingpost.proofs.log import TreePlace
from kingpost.proofs.merkle import consistency_proof, inclusion_proof, leaf_hash, subtree_of
from kingpost.proofs.proof import Consistency, Proof, Shown

__all__ = ["Prover", "covered_until"]


def covered_until(place: TreePlace, *, disk: Disk) -> int:
    """Return the first offset that the newest checkpoint does not cover.

    Raises:
        TreeDamaged, TreeNewer, BadNote: The tree cannot be read.
    """
    checkpoint = parse_checkpoint(checkpoint_file(place.public, disk))
    with TreeFiles(place.public, checkpoint.size, disk=disk) as files:
        return parse_leaf(files.leaf(files.size - 1)).next_offset if files.size else 0


class Prover:
    """Makes proofs of what the newest checkpoint covers; for one thread.

    Args:
        id_of: The id by which an entry is asked for; None where it has none.
    """

    def __init__(
        self, place: TreePlace, disk: Disk, id_of: Callable[[Entry], bytes | None]
    ) -> None:
        self._place, self._disk, self._id_of = place, disk, id_of

    def prove(self, identifier: bytes, *, kept: Sequence[Checkpoint] = ()) -> Proof | None:
        """Prove the record of an id.

        Args:
            kept: Checkpoints of whoever will check: the proof says how its own continues them.

        Returns:
            The proof; None when the tree has no record of the id.

        Raises:
            CheckpointInconsistent: A kept checkpoint is none of this log.
            TreeAheadOfJournal: The record is not what the tree commits to.
            TreeDamaged, TreeNewer, BadNote: The tree cannot be read.
            JournalCorrupt, JournalNewer: The journal cannot be read.
        """
        with self._opened() as (files, checkpoint):
            found = self._find(files, identifier)
            if found is None:
                return None

            def is_asked(entry: Entry, offset: int) -> bool:
                del offset
                return self._id_of(entry) == identifier

            return self._proof(files, checkpoint, id_text(identifier), *found, is_asked, kept)

    def prove_at(self, offset: int, *, kept: Sequence[Checkpoint] = ()) -> Proof | None:
        """Prove the entry that begins at an offset.

        Args:
            kept: As in `prove`.

        Returns:
            The proof; None when no entry that the tree has begins there.

        Raises:
            PositionNotListed: Its commit is too large for that.
            CheckpointInconsistent, TreeAheadOfJournal, TreeDamaged, TreeNewer, BadNote,
                JournalCorrupt, JournalNewer: As in `prove`.
        """
        with self._opened() as (files, checkpoint):
            index = _leaf_at(files, offset)
            if index is None:
                return None
            leaf = parse_leaf(files.leaf(index))
            if leaf.commitments is None and leaf.offset != offset:
                raise PositionNotListed(offset)
            commit = self._commit(index, leaf.offset)
            name = f"{self._place.journal.name}:{offset}"

            def is_asked(entry: Entry, place: int) -> bool:
                del entry
                return place == offset

            made = self._proof(files, checkpoint, name, index, commit, is_asked, kept)
            return made if made.shown else None

    def _proof(
        self,
        files: TreeFiles,
        checkpoint: Checkpoint,
        name: str,
        index: int,
        commit: Commit,
        is_asked: Callable[[Entry, int], bool],
        kept: Sequence[Checkpoint],
    ) -> Proof:
        keys = self._place.keys(self._disk)
        writer = LeafWriter(self._place.journal.name, keys.salt())
        leaf = files.leaf(index)
        if writer.leaf_of(commit) != leaf:
            raise TreeAheadOfJournal(self._place.public, index, commit.offset)
        is_folded = parse_leaf(leaf).commitments is None
        return Proof(
            name,
            index,
            inclusion_proof(index, files.size, files.subtree),
            leaf,
            _shown(writer, commit, is_asked, is_folded=is_folded),
            checkpoint.note.whole,
            [self._consistency(files, one) for one in kept if one.size < files.size],
            keys.verifiers(),
            keys.handovers(),
        )

    def consistency(self, old: Checkpoint) -> tuple[Checkpoint, list[bytes]]:
        """Return the newest checkpoint, and the proof that it continues an older one.

        Raises:
            CheckpointInconsistent: It does not.
            NotInTreeYet: The other one is newer.
        """
        with self._opened() as (files, checkpoint):
            if old.size > files.size:
                raise NotInTreeYet(old.size - 1, files.size)
            return checkpoint, list(self._consistency(files, old).hashes)

    @contextmanager
    def _opened(self) -> Generator[tuple[TreeFiles, Checkpoint]]:
        checkpoint = parse_checkpoint(checkpoint_file(self._place.public, self._disk))
        with TreeFiles(self._place.public, checkpoint.size, disk=self._disk) as files:
            yield files, checkpoint

    def _consistency(self, files: TreeFiles, old: Checkpoint) -> Consistency:
        if not old.size:
            return Consistency(0, files.size, [])
        if files.root(old.size) != old.root:
            raise CheckpointInconsistent(self._place.public, old.size)
        return Consistency(
            old.size, files.size, consistency_proof(old.size, files.size, files.subtree)
        )

    def _find(self, files: TreeFiles, identifier: bytes) -> tuple[int, Commit] | None:
        start, end = files.mark_before(identifier)
        return self._search(files, identifier, start, end) or self._search(
            files, identifier, 0, files.size
        )

    def _search(
        self, files: TreeFiles, identifier: bytes, start: int, end: int
    ) -> tuple[int, Commit] | None:
        if start >= end:
            return None
        directory, disk = self._place.journal, self._disk
        offset = parse_leaf(files.leaf(start)).offset
        begin = self._commit(start, offset)
        scan = Scan(directory, disk=disk, start=begin.offset, place=begin.place)
        index = start - 1
        try:
            for frame in scan.frames():
                if is_removed(frame):
                    gone = decode_removed(frame)
                    # the first one may have begun before the leaf that the search begins at
                    index = start + self._leaves_before(files, gone.next_offset, start, end) - 1
                    continue
                index += 1
                if index >= end:
                    return None
                if frame.buffer.find(identifier, frame.entries_at, frame.end) >= 0:
                    commit = frame.commit()
                    if any(self._id_of(entry) == identifier for entry in commit.entries):
                        return index, commit
        finally:
            scan.close()
        return None

    @staticmethod
    def _leaves_before(files: TreeFiles, offset: int, start: int, end: int) -> int:
        """Count the leaves from one on that lie before an offset."""
        low, high = start, end
        while low < high:
            middle = (low + high) // 2
            if parse_leaf(files.leaf(middle)).offset < offset:
                low = middle + 1
            else:
                high = middle
        return low - start

    def _commit(self, index: int, offset: int) -> Commit:
        """Read the commit of a leaf."""
        lookup = Lookup(self._place.journal, disk=self._disk)
        try:
            return lookup.read(offset)
        except NoSuchOffset as error:
            raise TreeAheadOfJournal(self._place.public, index, offset) from error
        finally:
            lookup.close()


def _leaf_at(files: TreeFiles, offset: int) -> int | None:
    """Return the leaf whose commit holds an offset."""
    full = files.size // BUNDLE
    number = bisect_right(range(full), offset, key=files.first_offset)
    for before in (number - 1, number):  # the last one may be a partial bundle
        if before < 0 or before * BUNDLE >= files.size:
            continue
        for index, entry in enumerate(split_bundle(files.bundle(before)), before * BUNDLE):
            leaf = parse_leaf(entry)
            if leaf.offset <= offset < leaf.next_offset:
                return index
    return None


def _shown(
    writer: LeafWriter, commit: Commit, is_asked: Callable[[Entry, int], bool], *, is_folded: bool
) -> list[Shown]:
    hashes = list(map(leaf_hash, writer.commitments(commit))) if is_folded else []
    offsets = accumulate([entry.count for entry in commit.entries], initial=commit.offset)
    return [
        Shown(
            number,
            entry,
            writer.nonce(offset),
            inclusion_proof(number, len(hashes), subtree_of(hashes)) if is_folded else [],
        )
        for number, (entry, offset) in enumerate(zip(commit.entries, offsets, strict=False))
        if is_asked(entry, offset)
    ]
