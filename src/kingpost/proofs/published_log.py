"""What anybody may see of a log: its checkpoints, its keys, its tiles.

The rule: everything comes from the public directory, as the newest checkpoint speaks of it;
no content of an entry is there, only its commitment.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from kingpost.core import Disk
from kingpost.proofs.checkpoint import Checkpoint, parse_checkpoint
from kingpost.proofs.files import TreeFiles, checkpoint_file, newest_published, published
from kingpost.proofs.keys import KeyRing
from kingpost.proofs.leaf import parse_leaf
from kingpost.proofs.notes import VerifierKey

__all__ = ["Cosigner", "PublishedLog", "SignedCheckpoint"]


class Cosigner(NamedTuple):
    """A witness's signature under a checkpoint; nobody here has verified it."""

    name: str
    at_us: int | None


class SignedCheckpoint(NamedTuple):
    """A checkpoint, and what is said beside it.

    Attributes:
        last_us: When the newest commit that it speaks of was written; None of an empty log.
        keys: The log's keys that have signed it.
        cosigners: Who else has.
    """

    checkpoint: Checkpoint
    last_us: int | None
    keys: Sequence[str]
    cosigners: Sequence[Cosigner]


class PublishedLog:
    """The public part of a log; any thread may ask."""

    def __init__(self, public: Path, *, disk: Disk) -> None:
        self._public, self._disk = public, disk
        self._keys = KeyRing(public, public, disk=disk)

    def checkpoint(self) -> Checkpoint | None:
        """Return the newest checkpoint; None before the first.

        Raises:
            TreeDamaged, BadNote: It cannot be read.
        """
        text = checkpoint_file(self._public, self._disk)
        return parse_checkpoint(text) if text else None

    def checkpoints(self) -> Sequence[Checkpoint]:
        """Return every checkpoint that was signed, the oldest first."""
        return list(map(parse_checkpoint, published(self._public, self._disk)))

    def newest(self, most: int) -> Sequence[SignedCheckpoint]:
        """Return the checkpoints that were signed last, the newest first.

        Raises:
            TreeDamaged, BadNote: The tree cannot be read.
        """
        made = self.checkpoint()
        if made is None:
            return []
        known = {(key.name, key.id) for key in self.keys()}
        with TreeFiles(self._public, made.size, disk=self._disk) as files:
            return [
                _signed(one, files, known)
                for text in newest_published(self._public, most, self._disk)
                for one in [parse_checkpoint(text)]
                if one.size <= made.size
            ]

    def keys(self) -> Sequence[VerifierKey]:
        """Return the verifier keys of all generations, the newest last."""
        return self._keys.verifiers()

    def handovers(self) -> Sequence[str]:
        """Return the notes by which each key handed over to the next."""
        return self._keys.handovers()

    def tile(self, path: str) -> bytes | None:
        """Return what tlog-tiles has under `tile/…`; None where the newest tree has no such piece.

        Raises:
            TreeDamaged, BadNote: The tree cannot be read.
        """
        made = self.checkpoint()
        if made is None:
            return None
        with TreeFiles(self._public, made.size, disk=self._disk) as files:
            return files.resource(path)


def _signed(
    made: Checkpoint, files: TreeFiles, known: Collection[tuple[str, bytes]]
) -> SignedCheckpoint:
    last_us = parse_leaf(files.leaf(made.size - 1)).time_us if made.size else None
    keys: list[str] = []
    cosigners: list[Cosigner] = []
    for one in made.note.signatures:
        if (one.name, one.key_id) in known:
            keys.append(f"{one.name}+{one.key_id.hex()}")
        else:
            at_s = int.from_bytes(one.signature[:8]) if len(one.signature) == 72 else None
            cosigners.append(Cosigner(one.name, None if at_s is None else at_s * 1_000_000))
    return SignedCheckpoint(made, last_us, keys, cosigners)
