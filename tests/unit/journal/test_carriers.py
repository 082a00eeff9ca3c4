"""A journal that writes in an event loop: the same commits, told in order and in its thread."""

import asyncio
import errno
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kingpost.core import KingpostError, SystemDisk
from kingpost.journal import Commit, Entry, Journal, JournalFailed, JournalFull, scan
from kingpost.journal.file_syncs import FileSyncs
from kingpost.journal.writer import SegmentWriter
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

SEGMENT_BYTES = 64 * 1024
HAS_SYNCS = (probe := FileSyncs.open()) is not None
if probe is not None:
    probe.close()
needs_syncs = pytest.mark.skipif(not HAS_SYNCS, reason="this system syncs in threads only")


def event(body: bytes) -> Entry:
    return Entry("event", "acme", "transactions", body)


def opened(directory: Path) -> Journal:
    return Journal.open(
        directory, disk=SystemDisk(), clock=StoppedClock(), segment_bytes=SEGMENT_BYTES
    )


def in_loop(directory: Path, play: Callable[[Journal], Awaitable[None]]) -> list[Commit]:
    """Play with a journal in a loop, close it there, and return what it holds."""

    async def played() -> None:
        journal = opened(directory)
        assert journal.enter(asyncio.get_running_loop())
        try:
            await play(journal)
        finally:
            journal.close()

    asyncio.run(played())
    return list(scan(directory, disk=SystemDisk()))


class Told:
    """What was told of submissions, in its order."""

    def __init__(self) -> None:
        self.of: list[tuple[int, KingpostError | None]] = []
        self.threads: set[int] = set()
        self.changed = asyncio.Event()

    def landed(self, number: int) -> Callable[[KingpostError | None], None]:
        def tell(error: KingpostError | None) -> None:
            self.of.append((number, error))
            self.threads.add(threading.get_ident())
            self.changed.set()

        return tell

    async def all(self, number: int) -> None:
        async with asyncio.timeout(10):
            while len(self.of) < number:
                self.changed.clear()
                await self.changed.wait()


@needs_syncs
@given(
    groups=st.lists(
        st.tuples(st.lists(st.integers(0, 30_000), min_size=1, max_size=4), st.booleans()),
        max_size=12,
    )
)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_holds_what_a_thread_would_have_written(
    tmp_path_factory: pytest.TempPathFactory, groups: list[tuple[list[int], bool]]
) -> None:
    directory = tmp_path_factory.mktemp("loop") / "data"
    offsets: list[int] = []

    async def play(journal: Journal) -> None:
        told = Told()
        for number, (sizes, waits) in enumerate(groups):
            commits = [[event(bytes([number]) * size)] for size in sizes]
            offsets.append(journal.submit(commits, told.landed(number)))
            if waits:
                await told.all(number + 1)
                assert journal.durable_offset == journal.next_offset
        await told.all(len(groups))
        assert told.of == [(number, None) for number in range(len(groups))]
        assert told.threads <= {threading.get_ident()}

    found = in_loop(directory, play)

    wanted = [
        (bytes([number]) * size) for number, (sizes, _) in enumerate(groups) for size in sizes
    ]
    assert [entry.body for commit in found for entry in commit.entries] == wanted
    assert [commit.offset for commit in found] == list(range(len(wanted)))
    assert offsets == [sum(len(sizes) for sizes, _ in groups[:at]) for at in range(len(groups))]


@needs_syncs
def test_nobody_is_told_before_the_submission_has_returned(tmp_path: Path) -> None:
    async def play(journal: Journal) -> None:
        told = Told()
        journal.submit([[event(b"1")]], told.landed(1))
        journal.submit([[event(b"2")]], told.landed(2))
        assert told.of == []
        await told.all(2)

    assert len(in_loop(tmp_path / "data", play)) == 2


@needs_syncs
def test_a_write_that_the_disk_refuses_fails_all_that_wait_and_all_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def play(journal: Journal) -> None:
        told = Told()
        journal.submit([[event(b"1")]], told.landed(1))
        await told.all(1)
        monkeypatch.setattr(SegmentWriter, "begin", refuse)
        journal.submit([[event(b"2")]], told.landed(2))
        journal.submit([[event(b"3")]], told.landed(3))
        assert len(told.of) == 1
        await told.all(3)
        assert [(number, type(error)) for number, error in told.of[1:]] == [
            (2, JournalFull),
            (3, JournalFull),
        ]
        with pytest.raises(JournalFull):
            journal.submit([[event(b"4")]], told.landed(4))
        assert journal.durable_offset == 1

    assert len(in_loop(tmp_path / "data", play)) == 1


@needs_syncs
def test_a_sync_that_fails_is_never_taken_for_one_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = FileSyncs._take  # pyright: ignore[reportPrivateUsage]

    def fail(syncs: FileSyncs, *, least: int) -> None:
        done = syncs._done  # pyright: ignore[reportPrivateUsage]
        assert done is not None
        syncs._done = lambda _: done(OSError(errno.EIO, "gone"))  # pyright: ignore[reportPrivateUsage]
        take(syncs, least=least)

    async def play(journal: Journal) -> None:
        told = Told()
        monkeypatch.setattr(FileSyncs, "_take", fail)
        journal.submit([[event(b"1")]], told.landed(1))
        await told.all(1)
        assert isinstance(told.of[0][1], JournalFailed)
        assert journal.durable_offset == 0

    in_loop(tmp_path / "data", play)


@needs_syncs
def test_closing_and_leaving_tell_everyone_first(tmp_path: Path) -> None:
    told: list[int] = []

    async def play(journal: Journal) -> None:
        for number in range(5):
            journal.submit([[event(b"a")]], lambda _, number=number: told.append(number))
        journal.leave()
        assert told == [0, 1, 2, 3, 4]
        assert await asyncio.to_thread(journal.append, [event(b"b")]) == 5
        assert journal.enter(asyncio.get_running_loop())
        for number in range(5, 10):
            journal.submit([[event(b"c")]], lambda _, number=number: told.append(number))

    found = in_loop(tmp_path / "data", play)

    assert told == list(range(10))
    assert len(found) == 11


@needs_syncs
def test_a_file_that_cannot_be_synced_is_refused() -> None:
    syncs = FileSyncs.open()
    assert syncs is not None
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="Invalid argument"):
        syncs.begin(writing, lambda _: None)
    assert not syncs.is_busy
    syncs.close()
    os.close(reading)
    os.close(writing)


def test_a_disk_that_is_not_the_systems_is_written_by_a_thread() -> None:
    async def play() -> None:
        journal = Journal.open(
            Path("/journal/data"), disk=SimulatedDisk(), clock=StoppedClock(), segment_bytes=65536
        )
        assert not journal.enter(asyncio.get_running_loop())
        assert journal.append([event(b"1")]) == 0
        journal.close()

    asyncio.run(play())
