"""How a partition gives back what serving needs: a snapshot, then the journal after it.

The rule: what is read back is what serving had, whatever it is read from. Without a sound
snapshot the journal is read from its first commit on; where a part of one does not fit
what is declared now, that part alone is.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kingpost.core import Clock, Disk
from kingpost.decisions.application import Application
from kingpost.decisions.declare import Decision
from kingpost.decisions.memory import Memory, Tail
from kingpost.decisions.past_events import PastEvents
from kingpost.decisions.snapshot import (
    Mark,
    Snapshot,
    find_snapshot,
    remove_snapshots,
    write_snapshot,
)
from kingpost.features import Consent, Histories, MemoryRoom
from kingpost.journal import Commit, Journal, Lookup, scan

__all__ = ["Snapshotted", "read_back", "read_memory", "take_snapshot"]


def read_memory(
    directory: Path,
    application: Application,
    decisions: Mapping[str, Decision],
    *,
    disk: Disk,
    snapshots: Path | None = None,
    room: MemoryRoom | None = None,
    consents: Collection[Consent] = (),
    clock: Clock | None = None,
    each: Callable[[], None] = lambda: None,
) -> tuple[Memory, Mark | None]:
    """Read what a partition holds up to its present end.

    Args:
        snapshots: Where they lie; None reads the whole journal.
        room: Where windows go that memory has no room for.
        consents: What is held beside what the decisions need.
        clock: Tells how old events are; None lets none go for its age.
        each: Called before each commit; what it raises ends the reading.

    Returns:
        The memory, and its last commit; None when there is none.

    Raises:
        IncompatibleContract: Stored events do not fit a contract declared now.
        ColumnsNewer: A later version of Kingpost wrote the newest snapshot.
        JournalCorrupt, JournalNewer: See `scan`.
    """
    memory = Memory(application, decisions, room, consents, clock)
    with closing(Lookup(directory, disk=disk)) as lookup:
        found = None if snapshots is None else find_snapshot(snapshots, lookup, disk=disk)
        if found is None:
            commits = scan(directory, disk=disk)
            return memory, _read_all(memory, commits, each)
        _fill(memory, found, directory, disk, each)
        tail = Tail(memory, PastEvents(lookup))
        last: Commit | None = None
        at = found.mark
        for commit in scan(directory, disk=disk, start=at.offset, place=at.place):
            each()
            if commit.offset >= at.next_offset:
                tail.add(commit)
                last = commit
        tail.finish()
        return memory, at if last is None else Mark.of(last)


def read_back(
    journal: Journal,
    application: Application,
    decisions: Mapping[str, Decision],
    *,
    disk: Disk,
    snapshots: Path | None = None,
    room: MemoryRoom | None = None,
    consents: Collection[Consent] = (),
    clock: Clock | None = None,
    each: Callable[[], None] = lambda: None,
) -> Memory:
    """Read a partition that is open for writing, and write what contracts have changed.

    Args:
        snapshots, room, consents, clock, each: See `read_memory`.
    """
    memory, _ = read_memory(
        journal.directory,
        application,
        decisions,
        disk=disk,
        snapshots=snapshots,
        room=room,
        consents=consents,
        clock=clock,
        each=each,
    )
    if snapshots is not None:
        remove_snapshots(snapshots, memory.last_erasure, disk=disk)
    if changed := memory.changed_contracts():
        journal.append(changed)
        for entry in changed:
            memory.note_contract(entry.topic, entry.body)
    return memory


@dataclass(frozen=True)
class Snapshotted:
    """A snapshot that was written; `path` is None when there was nothing new to write."""

    path: Path | None
    next_offset: int


def take_snapshot(
    directory: Path,
    application: Application,
    decisions: Mapping[str, Decision],
    snapshots: Path,
    *,
    disk: Disk,
    room: MemoryRoom | None = None,
    consents: Collection[Consent] = (),
    clock: Clock | None = None,
    each: Callable[[], None] = lambda: None,
) -> Snapshotted:
    """Write a snapshot of a partition up to its present end, also beside its writer.

    Args:
        snapshots, room, consents, clock, each: See `read_memory`.

    Raises:
        SnapshotInProgress, OSError: See `write_snapshot`.
        KingpostError: See `read_memory`.
    """
    memory, mark = read_memory(
        directory,
        application,
        decisions,
        disk=disk,
        snapshots=snapshots,
        room=room,
        consents=consents,
        clock=clock,
        each=each,
    )
    if mark is None:
        return Snapshotted(None, 0)
    path = snapshots / f"{mark.next_offset:020d}.columns"
    if path.name in disk.list(snapshots):
        return Snapshotted(None, mark.next_offset)
    written = write_snapshot(snapshots, memory, mark, disk=disk)
    if _is_erased_since(directory, mark, disk):
        disk.remove(written)  # it holds what is erased now
        return Snapshotted(None, mark.next_offset)
    return Snapshotted(written, mark.next_offset)


def _is_erased_since(directory: Path, mark: Mark, disk: Disk) -> bool:
    return any(
        entry.kind == "erasure"
        for commit in scan(directory, disk=disk, start=mark.offset, place=mark.place)
        if commit.offset >= mark.next_offset
        for entry in commit.entries
    )


def _read_all(memory: Memory, commits: Iterator[Commit], each: Callable[[], None]) -> Mark | None:
    streams = memory.application.streams
    histories = Histories(streams.values())
    last: Commit | None = None
    for last in commits:
        each()
        offset = last.offset
        for entry in last.entries:
            memory.note(entry, offset)
            offset += entry.count
        histories.add(last)
    memory.load(histories, keys_of=streams)
    return None if last is None else Mark.of(last)


def _fill(
    memory: Memory, found: Snapshot, directory: Path, disk: Disk, each: Callable[[], None]
) -> None:
    missing = found.fill(memory)
    if not missing.streams:
        return
    streams = memory.application.streams
    histories = Histories(streams[name] for name in missing.streams)
    for commit in scan(directory, disk=disk, stop=found.mark.next_offset):
        each()
        histories.add(commit)
    memory.load(histories, keys_of=missing.keys_of, windows=missing.windows)
