"""Making proofs: from an id to its record, its leaf, and a path to a signed checkpoint.

Ids grow along the journal, and the tree keeps one of some hundreds with its leaf; between
two of them the journal is read. Where an id is not found so, all of it is.
"""

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
from kingpost.proofs.errors import CheckpointInconsistent, NotInTreeYet, TreeAheadOfJournal
from kingpost.proofs.files import TreeFiles, checkpoint_file
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
            index, commit = found
            keys = self._place.keys(self._disk)
            writer = LeafWriter(self._place.journal.name, keys.salt())
            leaf = files.leaf(index)
            if writer.leaf_of(commit) != leaf:
                raise TreeAheadOfJournal(self._place.public, index, commit.offset)
            return Proof(
                id_text(identifier),
                index,
                inclusion_proof(index, files.size, files.subtree),
                leaf,
                self._shown(
                    writer, commit, identifier, is_folded=parse_leaf(leaf).commitments is None
                ),
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
        lookup = Lookup(directory, disk=disk)
        try:
            begin = lookup.read(offset)
        except NoSuchOffset as error:
            raise TreeAheadOfJournal(self._place.public, start, offset) from error
        finally:
            lookup.close()
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

    def _shown(
        self, writer: LeafWriter, commit: Commit, identifier: bytes, *, is_folded: bool
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
            if self._id_of(entry) == identifier
        ]
