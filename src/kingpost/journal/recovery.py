"""Opening a partition for writing: find its end, cut what a crash left half-written.

The rule: what was acknowledged stays, byte for byte; what was not is kept when it is
whole and erased when it is torn; what was durable and is no longer readable is damage,
and nothing is touched. One group is in flight at a time, so only the last one can be torn,
and a frame that starts a later group proves damage.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from kingpost.core import Disk, DiskFile
from kingpost.journal.errors import JournalCorrupt
from kingpost.journal.segments import SegmentHeader, open_segment, segment_path, zero_fill
from kingpost.journal.walk import SegmentWalk, last_byte_used

__all__ = ["Tail", "recover_tail"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tail:
    """The segment being written: the next frame goes to `byte`, zeros reach to `filled`."""

    file: DiskFile
    header: SegmentHeader
    path: Path
    byte: int
    filled: int
    next_offset: int
    last_time_us: int


def recover_tail(disk: Disk, directory: Path, first_offset: int) -> Tail:
    """Open the last segment and make its end safe to build on.

    Raises:
        JournalCorrupt: Durable commits cannot be read.
        JournalNewer: A later version of Kingpost wrote them.
    """
    file, header = open_segment(disk, directory, first_offset, write=True)
    try:
        return _recover(SegmentWalk(file, header, segment_path(directory, first_offset)))
    except BaseException:
        file.close()
        raise


def _recover(walk: SegmentWalk) -> Tail:
    file = walk.file
    group_at, last_time_us = walk.byte, walk.header.time_us
    for frame in walk.frames():
        if frame.starts_group:
            group_at = frame.byte
        last_time_us = frame.time_us
    used = last_byte_used(file, walk.byte)
    if used > walk.byte:
        proof = walk.proof_after()
        if proof is not None:
            raise JournalCorrupt(
                walk.path,
                walk.byte,
                f"no whole commit lies there, but a later one at byte {proof} proves "
                f"that offset {walk.offset} was stored",
            )
        _log.warning(
            "journal_tail_cut",
            extra={"segment": walk.path.name, "byte": walk.byte, "size_bytes": used - walk.byte},
        )
        # erased, not only cut off: a leftover frame must never follow on a new one
        zero_fill(file, walk.byte, used)
    # nobody knows whether the last group's sync came back, and after a failed one the
    # kernel may call pages clean that never reached the disk: write it again
    file.write_at(group_at, file.read_at(group_at, walk.byte - group_at))
    file.sync()
    return Tail(file, walk.header, walk.path, walk.byte, file.size(), walk.offset, last_time_us)
