"""What the process that replays is told, and what it tells: two JSON files in its directory."""

import msgspec

from kingpost.decisions.comparison import Comparison
from kingpost.decisions.record_selection import RecordSelection

__all__ = ["JOB", "RESULT", "Job", "Result"]

JOB, RESULT = "job.json", "result.json"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to compare.

    Attributes:
        application: The unpacked application's file.
        only: The id of the one record wanted, in hex; None compares all of the bundle.
        selection: Which of them; None for all.
        stop: The data partition is read up to this offset.
        partition: Its name.
        control_dir: Where the control log and the artefacts are.
        listed: All partitions with their data directories; none where it is alone.
        key_store: Where the keys of data subjects are.
    """

    data_dir: str
    control_dir: str
    partition: str
    listed: tuple[tuple[str, str], ...]
    decision: str
    bundle: str
    application: str
    only: str | None
    selection: RecordSelection | None = None
    stop: int
    key_store: str = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, or why nothing could be."""

    comparison: Comparison | None = None
    problem: str = ""
