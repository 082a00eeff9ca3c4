"""What can go wrong with the proofs of a log, and what to do about it."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "BadNote",
    "BadProof",
    "BadVerifierKey",
    "CheckpointInconsistent",
    "NotInTreeYet",
    "OriginChanged",
    "PositionNotListed",
    "SigningKeyUnusable",
    "TreeAheadOfJournal",
    "TreeDamaged",
    "TreeInUse",
    "TreeNewer",
    "WitnessRefused",
]


class BadNote(KingpostError):
    """A text is no signed note, or no key that is known has signed it."""

    code = "bad_note"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the signed note is refused: {self.reason}"


class BadVerifierKey(KingpostError):
    """A text is no verifier key."""

    code = "bad_verifier_key"

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text, reason)
        self.text, self.reason = text, reason

    def __str__(self) -> str:
        return (
            f"{self.text!r} is no verifier key ({self.reason}); expected name+hash+base64, as "
            "`kingpost tree keys` prints it"
        )


class BadProof(KingpostError):
    """A proof cannot be read."""

    code = "bad_proof"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the proof cannot be read: {self.reason}"


class CheckpointInconsistent(KingpostError):
    """The log is not a continuation of a checkpoint that was signed before; nothing was signed."""

    code = "checkpoint_inconsistent"

    def __init__(self, directory: Path, size: int) -> None:
        super().__init__(directory, size)
        self.directory, self.size = directory, size

    def __str__(self) -> str:
        return (
            f"the tree in {self.directory} does not continue the checkpoint of {self.size:,} "
            "leaves that was signed before; nothing was signed. The journal or the tree was "
            "altered or restored from an older state: `kingpost verify DIR` names the place. "
            "Restore both from a backup that is not older than that checkpoint"
        )


class TreeAheadOfJournal(KingpostError):
    """The tree holds a commit that the journal does not have, or has otherwise."""

    code = "tree_ahead_of_journal"

    def __init__(self, directory: Path, index: int, offset: int) -> None:
        super().__init__(directory, index, offset)
        self.directory, self.index, self.offset = directory, index, offset

    def __str__(self) -> str:
        return (
            f"the last leaf of the tree in {self.directory}, number {self.index}, is the commit at "
            f"offset {self.offset}, and the journal does not hold it so; nothing was signed. The "
            "journal was altered or restored from an older state: `kingpost verify DIR` compares "
            "both"
        )


class TreeDamaged(KingpostError):
    """The files of the tree are not what was written."""

    code = "tree_damaged"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged: {self.reason}; nothing was changed. Move level-*, entries, "
            "bundles and ids away, keep the checkpoints, and run `kingpost checkpoint`: the tree "
            "is made anew from the journal and compared with every checkpoint that was signed"
        )


class TreeNewer(KingpostError):
    """The tree, or a proof, was made by a later version of Kingpost."""

    code = "tree_newer"

    def __init__(self, where: str, found: str, known: str) -> None:
        super().__init__(where, found, known)
        self.where, self.found, self.known = where, found, known

    def __str__(self) -> str:
        return (
            f"{self.where} has format {self.found}, this version of Kingpost reads up to "
            f"{self.known}; install the version that wrote it, or a later one"
        )


class TreeInUse(KingpostError):
    """Another process brings the tree up.

    Safe to retry: nothing was changed.
    """

    code = "tree_in_use"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"another process works on the tree in {self.directory}; try again in a moment"


class NotInTreeYet(KingpostError):
    """The checkpoint asked for is older than the record.

    Safe to retry once there is a later one.
    """

    code = "not_in_tree_yet"
    retry_safe = True

    def __init__(self, index: int, size: int) -> None:
        super().__init__(index, size)
        self.index, self.size = index, size

    def __str__(self) -> str:
        return f"leaf {self.index} is not in the tree of {self.size:,} leaves; ask for a later one"


class OriginChanged(KingpostError):
    """The settings give the log another name than it has."""

    code = "origin_changed"

    def __init__(self, has: str, wanted: str) -> None:
        super().__init__(has, wanted)
        self.has, self.wanted = has, wanted

    def __str__(self) -> str:
        return (
            f"the log is called {self.has!r} since its first checkpoint, and the setting "
            f"tree_origin says {self.wanted!r}; a log keeps its name: change the setting back"
        )


class PositionNotListed(KingpostError):
    """An entry lies within a commit whose leaf has one root over many entries, not a list."""

    code = "position_not_listed"

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset

    def __str__(self) -> str:
        return (
            f"the entry at offset {self.offset} came with so many others that its leaf does not "
            "say where each begins; prove a record of them by its id"
        )


class SigningKeyUnusable(KingpostError):
    """The key that signs checkpoints is missing, unreadable, or another one than was published."""

    code = "signing_key_unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"the signing key {self.path} cannot be used: {self.reason}"


class WitnessRefused(KingpostError):
    """A witness did not sign a checkpoint.

    Safe to retry.
    """

    code = "witness_refused"
    retry_safe = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"the witness at {self.url} did not sign: {self.reason}"
