"""What a batch scores, and by what: written down before the first part, kept to the end.

The rule: the parts of one directory come of the same rows, one bundle and one state of the
journal. A batch that was begun goes on by its own bundle, as of its own position, whatever
was released or journalled since, and not at all when its rows or its options are others.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kingpost.core import KingpostError
from kingpost.integrations import Reading

__all__ = [
    "BatchChanged",
    "BatchInUse",
    "BatchOfPartitions",
    "BatchPlan",
    "BatchWorkerFailed",
    "InputFile",
]

_NAMES = {
    "format": "the format",
    "decision": "the decision",
    "tenant": "the tenant",
    "bundle": "the bundle",
    "version": "the version of Kingpost",
    "stop": "the end of the journal",
    "erasures": "the number of entities erased",
    "inputs": "the input",
    "mapping": "--map",
    "zone": "--zone",
    "ignore_extra": "--ignore-extra",
    "rows_per_part": "--rows-per-part",
}


class BatchChanged(KingpostError):
    """A batch was begun over other rows, or with other options."""

    code = "batch_changed"

    def __init__(self, directory: Path, differences: tuple[str, ...]) -> None:
        super().__init__(directory, differences)
        self.directory, self.differences = directory, differences

    def __str__(self) -> str:
        return (
            f"{self.directory} holds parts of another batch: {'; '.join(self.differences)}. "
            "Undo the change to continue it, or name another directory with --out"
        )


class BatchInUse(KingpostError):
    """Another process fills the directory.

    Safe to retry: nothing was changed.
    """

    code = "batch_in_use"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"another process fills {self.directory}; wait for it, or name another directory"


class BatchOfPartitions(KingpostError):
    """A batch where several partitions hold the events."""

    code = "batch_of_partitions"

    def __str__(self) -> str:
        return (
            "a batch reads one partition of the journal, and the settings list several; ask the "
            "servers, or submit jobs"
        )


class BatchWorkerFailed(KingpostError):
    """A worker of a batch ended before its work did.

    Safe to retry: the parts that are there are whole.
    """

    code = "batch_worker_failed"
    retry_safe = True

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"a worker ended early: {self.problem}; the same command goes on with what is there"


class InputFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of requests, as it was when the batch began."""

    name: str
    size_bytes: int
    sha256: str


class BatchPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parts of a directory are.

    Attributes:
        id: Names the batch in the control log; UUIDv7.
        bundle: Digest of the approved bundle that scores.
        version: Version of Kingpost.
        stop: The data partition is read up to this offset.
        erasures: Entities of the tenant that were erased, also after `stop`.
        mapping, zone, ignore_extra: How the files are read, see `Reading`.
        rows_per_part: Rows of every part but the last of them.
    """

    format: int = 1
    id: str
    decision: str
    tenant: str
    bundle: str
    version: str
    stop: int
    erasures: int
    inputs: tuple[InputFile, ...]
    mapping: Mapping[str, str]
    zone: str | None
    ignore_extra: bool
    rows_per_part: int

    @property
    def reading(self) -> Reading:
        """How the files are read."""
        return Reading(self.mapping, self.zone, self.ignore_extra)

    @property
    def inputs_digest(self) -> str:
        """SHA-256 over the digests of the files, in their order."""
        digests = "\n".join(one.sha256 for one in self.inputs)
        return hashlib.sha256(digests.encode()).hexdigest()

    def check_same(self, asked: "BatchPlan", directory: Path) -> None:
        """Refuse to continue with what is asked for now, if it differs.

        Raises:
            BatchChanged: It says what differs.
        """
        differences = tuple(
            f"{words} {'is another' if name == 'inputs' else f'was {was!s:.40}, is {now!s:.40}'}"
            for name, words in _NAMES.items()
            for was, now in [(getattr(self, name), getattr(asked, name))]
            if was != now
        )
        if differences:
            raise BatchChanged(directory, differences)
