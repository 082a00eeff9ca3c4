"""Looking at every byte of a partition: how far each segment is whole, and what is damaged.

Nothing is changed, no lock is taken, and damage does not end it: behind each damaged place the
survey goes on at the next whole commit. It works beside a writer.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kingpost.core import Disk
from kingpost.journal.errors import JournalCorrupt, SegmentArchived
from kingpost.journal.segments import first_offsets, open_segment, segment_path
from kingpost.journal.walk import SegmentWalk, first_frame, last_byte_used

__all__ = ["SurveyedSegment", "survey", "survey_segment"]

_LOOKS = 3
"""A writer may fill a place after it was looked at; damage is what stays."""


class SurveyedSegment(NamedTuple):
    """A segment as it was found.

    Attributes:
        next_offset: The offset after its last whole commit.
        end: The byte after it.
        is_sealed: Whether nothing is added any more: a later segment follows.
        damages: What cannot be read in it, in the order of bytes.
    """

    path: Path
    first_offset: int
    next_offset: int
    end: int
    is_sealed: bool
    damages: Sequence[JournalCorrupt]


def survey(directory: Path, *, disk: Disk) -> Iterator[SurveyedSegment]:
    """Look at all segments of a partition that lie here, in order; archived ones do not.

    Raises:
        JournalCorrupt: The first segment is missing.
        JournalNewer: A later version of Kingpost wrote one.
    """
    firsts = first_offsets(disk, directory)
    for first, following in zip(firsts, [*firsts[1:], None], strict=True):
        try:
            yield survey_segment(directory, first, following, disk=disk)
        except SegmentArchived:
            continue


def survey_segment(
    directory: Path, first_offset: int, following: int | None, *, disk: Disk
) -> SurveyedSegment:
    """Look at one segment.

    Args:
        following: Where the next one begins; None for the last.

    Raises:
        JournalNewer: A later version of Kingpost wrote it.
        SegmentArchived: It was archived, and lies here no more.
    """
    path, is_sealed = segment_path(directory, first_offset), following is not None
    try:
        file, header = open_segment(disk, directory, first_offset)
    except JournalCorrupt as error:
        return SurveyedSegment(path, first_offset, first_offset, 0, is_sealed, [error])
    damages: list[JournalCorrupt] = []
    try:
        walk = SegmentWalk(file, header, path)
        while (damage := _next_damage(walk, following)) is not None:
            damages.append(damage)
            later = first_frame(file, header, walk.byte + 1, file.size() - walk.byte)
            if later is None:
                break
            walk.byte, walk.offset = later.place.byte, later.offset
        return SurveyedSegment(path, first_offset, walk.offset, walk.byte, is_sealed, damages)
    finally:
        file.close()


def _next_damage(walk: SegmentWalk, following: int | None) -> JournalCorrupt | None:
    """Walk on to the next place that is damaged; None at a sound end."""
    for _ in range(_LOOKS):
        try:
            for _ in walk.frames():
                pass
        except JournalCorrupt as error:
            return error
        if following is not None:
            is_sound = walk.offset == following
        else:
            used = last_byte_used(walk.file, walk.byte)
            is_sound = used == walk.byte or walk.proof_after() is None
        if is_sound:
            return None
    what = f"offset {walk.offset} was stored there and is not readable"
    return JournalCorrupt(walk.path, walk.byte, what)
