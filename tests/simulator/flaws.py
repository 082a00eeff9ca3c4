"""Faults planted in the code, so that it can be seen that the simulator finds them."""

from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from kingpost.decisions.memory import Memory
from kingpost.decisions.snapshot import Mark
from kingpost.features import OnlineFeatures
from kingpost.journal import Entry
from kingpost.journal.walk import SegmentWalk
from kingpost.records import RecordIndex
from tests.simulated_disk import SimulatedDisk
from tests.simulator.carrier import SteppedCarrier

__all__ = ["FLAWS", "flawed"]


@contextmanager
def _early() -> Generator[None]:
    with patch.object(SteppedCarrier, "tells_before_it_writes", new=True):
        yield


@contextmanager
def _unsynced() -> Generator[None]:
    with patch.object(SimulatedDisk, "forgets_syncs", new=True):
        yield


@contextmanager
def _skipped() -> Generator[None]:
    add = RecordIndex.add

    def forgetful(self: RecordIndex, identifier: bytes, offset: int) -> None:
        if offset % 7:
            add(self, identifier, offset)

    with patch.object(RecordIndex, "add", forgetful):
        yield


@contextmanager
def _blind() -> Generator[None]:
    with (
        patch.object(SegmentWalk, "proof_after", return_value=None),
        patch.object(SegmentWalk, "is_cut_short", return_value=False),
    ):
        yield


@contextmanager
def _believed() -> Generator[None]:
    with patch.object(Mark, "is_in", return_value=True):
        yield


@contextmanager
def _unforgotten() -> Generator[None]:
    with patch.object(OnlineFeatures, "forget", return_value=0):
        yield


@contextmanager
def _unanswered() -> Generator[None]:
    note = Memory.note

    def forgetful(self: Memory, entry: Entry, offset: int) -> None:
        if entry.kind != "record" or offset % 5:
            note(self, entry, offset)

    with patch.object(Memory, "note", forgetful):
        yield


FLAWS = {
    "answers before the disk has it": _early,
    "a sync that does nothing": _unsynced,
    "a record in seven is not indexed": _skipped,
    "damage is taken for the end": _blind,
    "a snapshot is believed unseen": _believed,
    "an erasure leaves the windows": _unforgotten,
    "a record in five is not read back": _unanswered,
}
"""What is wrong -> a context in which it is."""


@contextmanager
def flawed(name: str | None) -> Generator[None]:
    """Plant a fault by its name; none for None."""
    if name is None:
        yield
        return
    with FLAWS[name]():
        yield
