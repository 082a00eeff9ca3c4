"""A directory of Parquet parts and the plan that they come of.

    manifest.json        the plan
    part-00000.parquet   rows of the first shard; a part that is there is whole
    backfill.lock        held by the one process that fills the directory

The rule: a part gets its name once its bytes are on the disk, so `kill -9` leaves whole
parts and files that end in `.tmp`, which the next run removes.
"""

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from kingpost.core import Disk, KingpostError
from kingpost.decisions.backfill.plan import BackfillChanged, BackfillPlan
from kingpost.decisions.whole_files import WholeFiles

__all__ = ["BackfillInUse", "PartsDirectory"]

_MANIFEST = "manifest.json"
_PART = re.compile(r"part-(\d{5,})\.parquet")


class BackfillInUse(KingpostError):
    """Another process fills the directory.

    Safe to retry: nothing was changed.
    """

    code = "backfill_in_use"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"another process fills {self.directory}; wait for it, or name another directory"


class PartsDirectory:
    """The directory of one backfill."""

    def __init__(self, path: Path, *, disk: Disk) -> None:
        self.path, self._files = path, WholeFiles(path, disk=disk)

    @contextmanager
    def claimed(self) -> Generator[None, None, None]:
        """Be the only one who fills it; what a killed run left half written is removed.

        Raises:
            BackfillInUse: Another process does.
        """
        with ExitStack() as held:
            try:
                held.enter_context(self._files.claimed("backfill.lock"))
            except BlockingIOError as error:
                raise BackfillInUse(self.path) from error
            yield

    def plan(self) -> BackfillPlan | None:
        """Return the plan that was begun; None when there is none.

        Raises:
            BackfillChanged: The manifest is not one that this version writes.
        """
        try:
            body = (self.path / _MANIFEST).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(body, type=BackfillPlan)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise BackfillChanged(self.path, (f"{_MANIFEST}: {error}",)) from error

    def begin(self, plan: BackfillPlan) -> None:
        """Write a plan down.

        Raises:
            BackfillChanged: There are parts and no plan.
        """
        if any(_PART.fullmatch(name) for name in self._files.names()):
            raise BackfillChanged(self.path, (f"there are parts and no {_MANIFEST}",))
        body = msgspec.json.format(msgspec.json.encode(plan))
        self._files.place_bytes(_MANIFEST, body)

    def missing(self, plan: BackfillPlan) -> Sequence[int]:
        """Return the numbers of the parts that are not there yet."""
        found = map(_PART.fullmatch, self._files.names())
        there = {int(match[1]) for match in found if match}
        return [part for part in range(plan.parts) if part not in there]

    def place(self, part: int, write: Callable[[Path], None]) -> None:
        """Add a part: `write` makes a file of a temporary name, which then gets its own."""
        self._files.place(f"part-{part:05}.parquet", write)

    def place_bytes(self, part: int, body: bytes) -> None:
        """Add a part that was written elsewhere."""
        self._files.place_bytes(f"part-{part:05}.parquet", body)
