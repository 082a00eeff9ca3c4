"""Removing what may be kept no longer: from the journal, what was sealed, the archive, the search.

The rule: nothing goes that was not noted in the control log before, with the policy that asked
for it; so a run that is killed is finished by the next one, and whoever checks the log later
knows what went and why. Only what the tree has taken in goes: its leaves stay, and prove that
there was something.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from kingpost.core import Clock, Disk
from kingpost.decisions.application import Application
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.retention.judging import Judge, standing_holds
from kingpost.decisions.retention.policy import RetentionPolicy
from kingpost.decisions.sealed import remove_sealed, sealing_paused
from kingpost.features import Hold, decode_hold
from kingpost.journal import (
    FinishedSegment,
    Scan,
    finished_segments,
    is_removed,
    remove_commits,
    scan,
)
from kingpost.registry import ControlLog, Removal, RetentionRun

__all__ = ["Forgets", "RetentionPlan", "apply_retention", "noted_removals", "plan_retention"]

_HOLD = b"hold\0"


class Forgets(Protocol):
    """A search of records that can let go of some."""

    def remove(self, ranges: Sequence[tuple[int, int]]) -> int:
        """Let go of the records at offsets from one to before another; return how many."""
        ...


class RetentionPlan(msgspec.Struct, kw_only=True):
    """What is over its time.

    Attributes:
        removals: The offsets that go, segment by segment.
        commits: How many commits they are.
        entries: How many entries of each kind.
        kept: How many commits stay though their time is over, by the reason.
        lengths: For how long each decision and each stream is kept, and what asks for that.
    """

    removals: list[Removal] = msgspec.field(default_factory=list[Removal])
    commits: int = 0
    entries: dict[str, int] = {}
    kept: dict[str, int] = {}
    lengths: dict[str, str] = {}


def plan_retention(
    where: DataDirectory,
    application: Application,
    policy: RetentionPolicy,
    *,
    disk: Disk,
    clock: Clock,
    until: int,
    reviewed: Collection[str] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RetentionPlan:
    """Look through the finished segments for what is over its time; changes nothing there.

    Args:
        until: What lies at this offset or later stays: the tree has not taken it in.
        reviewed: Ids of records whose review is open.
        on_progress: Told how many segments were looked at, and of how many.

    Raises:
        SegmentArchived: A segment lies in an object store alone; bring it back first.
        JournalCorrupt, JournalNewer, NewerRecord, NewerReview: A segment cannot be read.
    """
    plan = RetentionPlan(
        lengths={
            name: f"{kept.text}: {kept.because}"
            for name, kept in {**policy.streams, **policy.decisions}.items()
        }
    )
    if policy.is_endless:
        return plan
    judge = Judge(
        policy,
        application,
        clock.now_us(),
        held=standing_holds(_holds(where, disk)),
        reviewed=reviewed,
    )
    segments = finished_segments(where.data, disk=disk)
    for number, segment in enumerate(segments):
        if segment.next_offset > until:
            break
        _look(segment, judge, plan, disk)
        on_progress(number + 1, len(segments))
    plan.entries, plan.kept = dict(judge.gone), dict(judge.kept)
    return plan


def apply_retention(
    where: DataDirectory,
    plan: RetentionPlan,
    policy: RetentionPolicy,
    control: ControlLog,
    *,
    disk: Disk,
    clock: Clock,
    by: str,
    search: Forgets | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RetentionRun | None:
    """Remove what a plan names, having noted it; finish what an earlier run has left.

    Args:
        by: Who asked.
        search: Lets go of the records that are gone.
        on_progress: Told how many segments are done, and of how many.

    Returns:
        What was noted; None where nothing had to go.

    Raises:
        SealInUse: Another process seals or archives; nothing was removed.
        JournalInUse: Another process kept the control log for too long; nothing was removed.
        JournalCorrupt, OSError: What was noted goes with the next run.
    """
    run = None
    with sealing_paused(where, disk=disk):
        if plan.removals:
            run = RetentionRun(
                format=1,
                partition=where.partition,
                policy=policy.text,
                removals=tuple(plan.removals),
                commits=plan.commits,
                entries=plan.entries,
                by=by,
                at_us=clock.now_us(),
            )
            control.note_retention(run)
        noted = noted_removals(control.retentions(where.partition))
        segments = finished_segments(where.data, disk=disk)
        for number, segment in enumerate(segments):
            _remove(segment, noted, policy.text, disk)
            on_progress(number + 1, len(segments))
        remove_sealed(where, noted, disk=disk, now_us=clock.now_us())
    if search is not None and noted:
        search.remove(noted)
    return run


def _look(segment: FinishedSegment, judge: Judge, plan: RetentionPlan, disk: Disk) -> None:
    """Add to a plan what of a segment is over its time: runs of commits, as they will be noted."""
    commits = scan(
        segment.path.parent, disk=disk, start=segment.first_offset, stop=segment.next_offset
    )
    for commit in commits:
        if judge.is_kept(commit):
            continue
        plan.commits += 1
        last = plan.removals[-1] if plan.removals else None
        if last is not None and last.end == commit.offset and last.first >= segment.first_offset:
            plan.removals[-1] = Removal(first=last.first, end=commit.next_offset)
        else:
            plan.removals.append(Removal(first=commit.offset, end=commit.next_offset))


def noted_removals(runs: Iterable[RetentionRun]) -> Sequence[tuple[int, int]]:
    """Join the offsets that were noted: from one to before another, in order and apart."""
    found: list[tuple[int, int]] = []
    for one in sorted((one for run in runs for one in run.removals), key=lambda one: one.first):
        if found and one.first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], one.end))
        else:
            found.append((one.first, one.end))
    return found


def _remove(
    segment: FinishedSegment, noted: Sequence[tuple[int, int]], reason: str, disk: Disk
) -> None:
    starts = [first for first, _ in noted]

    def is_noted(offset: int) -> bool:
        at = bisect_right(starts, offset) - 1
        return at >= 0 and offset < noted[at][1]

    at = bisect_left(noted, (segment.first_offset + 1, 0))
    is_touched = is_noted(segment.first_offset) or (
        at < len(noted) and noted[at][0] < segment.next_offset
    )
    if is_touched and any(map(is_noted, _still_there(segment, disk))):
        remove_commits(segment, lambda one: not is_noted(one.offset), reason, disk=disk)


def _still_there(segment: FinishedSegment, disk: Disk) -> Sequence[int]:
    """Return the offsets of the commits of a segment that were not removed."""
    reader = Scan(segment.path.parent, disk=disk, start=segment.first_offset)
    try:
        return [
            one.offset for one in reader.frames(stop=segment.next_offset) if not is_removed(one)
        ]
    finally:
        reader.close()


def _holds(where: DataDirectory, disk: Disk) -> Mapping[str, Sequence[Hold]]:
    """Read all legal holds, and their ends, by tenant; of commits without any nothing is decoded."""
    found: dict[str, list[Hold]] = {}
    reader = Scan(where.data, disk=disk)
    try:
        for frame in reader.frames():
            if frame.buffer.find(_HOLD, frame.entries_at, frame.end) < 0:
                continue
            offset = frame.offset
            for entry in frame.commit().entries:
                if entry.kind == "hold":
                    found.setdefault(entry.tenant, []).append(decode_hold(entry, offset))
                offset += entry.count
    finally:
        reader.close()
    return found
