"""What the process that replays is told."""

import msgspec

from kingpost.decisions.record_selection import RecordSelection
from kingpost.decisions.recorded_source import WorkPlace

__all__ = ["Job"]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare.

    Attributes:
        application: The unpacked application's file.
        only: The id of the one record wanted, in hex; None compares all of the bundle.
        selection: Which of them; None for all.
        stop: The data partition is read up to this offset.
    """

    where: WorkPlace
    decision: str
    bundle: str
    application: str
    only: str | None
    selection: RecordSelection | None = None
    stop: int
