"""A disk in memory that fails on purpose: power loss, a kill, a full disk, a failed sync.

It keeps what programs see (the cache) apart from what would survive (the platter). A
write reaches the platter only by a sync; at a power loss any subset of the unsynced
sectors has made it there, and any prefix of the unsynced changes of names. After a failed
sync the cache still shows the data, but it is no longer due to be written, as in Linux.

Every change is a step, so a test can make each step of a program fail in turn.
"""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

__all__ = ["SimulatedDisk"]


@dataclass(slots=True)
class _Inode:
    cache: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set[int])


Names = dict[Path, _Inode]


class SimulatedDisk:
    """A tree of files under faults.

    Args:
        seed: Decides which unsynced bytes survive a fault.
        sector_bytes: The unit that is written as a whole or not at all.
    """

    forgets_syncs = False
    """Whether a sync says that it is done and does nothing; to see that tests notice."""

    def __init__(self, *, seed: int = 0, sector_bytes: int = 512) -> None:
        self.random = Random(seed)
        self.sector_bytes = sector_bytes
        self.steps = 0
        self.stops_at: int | None = None
        """The step at which the machine or the process dies."""
        self.fails: dict[int, int] = {}
        """Step -> errno."""
        self.before_durable_write: Callable[[], None] | None = None
        """Called before each, so that a test can hold one in flight."""
        self.before_sync: Callable[[], None] | None = None
        """Called in a durable write when its bytes are written and not yet on the platter."""
        self.is_full = False
        self._names: Names = {}
        self._durable_names: Names = {}
        self._pending: list[Callable[[Names], None]] = []
        self._directories: set[Path] = set()
        self._locked: set[Path] = set()

    def after_kill(self) -> "SimulatedDisk":
        """Return the disk as the next process finds it: the cache outlives a kill."""
        self.stops_at, self.fails, self.is_full = None, {}, False
        self._locked.clear()
        return self

    def after_power_loss(self) -> "SimulatedDisk":
        """Return the disk as the machine finds it when it starts again."""
        names = dict(self._durable_names)
        for change in self._pending[: self.random.randint(0, len(self._pending))]:
            change(names)
        self._names, self._durable_names, self._pending = names, dict(names), []
        keeps_all = self.random.random()
        for inode in names.values():
            self._reach_platter(inode, keeps_all)
            inode.cache[:] = inode.platter
        return self.after_kill()

    def damage(self, path: Path, byte: int, data: bytes) -> None:
        """Overwrite bytes behind the program's back."""
        inode = self._names[path]
        inode.cache[byte : byte + len(data)] = data
        inode.platter[byte : byte + len(data)] = data

    def paths(self) -> list[Path]:
        """Return every file, as programs see them, sorted."""
        return sorted(self._names)

    def content(self, path: Path) -> bytes:
        """Return a file as programs see it."""
        return bytes(self._names[path].cache)

    def lose(self, path: Path) -> None:
        """Remove a file behind the program's back."""
        del self._names[path]
        self._durable_names.pop(path, None)

    def cut(self, path: Path, size: int) -> None:
        """Shorten a file behind the program's back."""
        inode = self._names[path]
        _resize(inode.cache, size)
        _resize(inode.platter, size)

    def has_name(self, inode: _Inode) -> bool:
        """Say whether a file that was opened can be found under a name."""
        return any(one is inode for one in self._names.values())

    def contents(self) -> dict[str, bytes]:
        """Return every file as programs see it."""
        return {path.name: bytes(inode.cache) for path, inode in self._names.items()}

    def open(self, path: Path, *, write: bool, create: bool = False) -> "_File":
        if path not in self._names:
            if not create:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            self.step(needs_space=True)
            inode = _Inode()

            def make(names: Names) -> None:
                names[path] = inode

            self._change(make)
        return _File(self, self._names[path], can_write=write)

    def list(self, directory: Path) -> Sequence[str]:
        return sorted(path.name for path in self._names if path.parent == directory)

    def make_directory(self, directory: Path) -> None:
        if directory not in self._directories:
            self.step(needs_space=True)
            self._directories.add(directory)

    def sync_directory(self, directory: Path) -> None:
        self.step()
        self._durable_names = dict(self._names)
        self._pending.clear()

    def rename(self, source: Path, target: Path) -> None:
        self.step()

        def move(names: Names) -> None:
            if source in names:
                names[target] = names.pop(source)

        self._change(move)

    def remove(self, path: Path) -> None:
        self.step()

        def drop(names: Names) -> None:
            names.pop(path, None)

        self._change(drop)

    def lock(self, path: Path) -> "_Lock":
        if path in self._locked:
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(path))
        self._names[path] = self._durable_names[path] = _Inode(bytearray(b"4711\n"))
        self._locked.add(path)
        return _Lock(self._locked, path)

    def step(self, *, needs_space: bool = False) -> None:
        """Count a change, and fail it when it is its turn."""
        step = self.steps
        self.steps += 1
        if self.stops_at is not None and step >= self.stops_at:
            raise OSError(errno.EIO, "the machine is off")
        if step in self.fails:
            raise OSError(self.fails[step], os.strerror(self.fails[step]))
        if needs_space and self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _change(self, change: Callable[[Names], None]) -> None:
        change(self._names)
        self._pending.append(change)

    def _reach_platter(self, inode: _Inode, share: float) -> None:
        """Let some of the dirty sectors reach the platter and forget the others."""
        size = self.random.choice([len(inode.cache), len(inode.platter)])
        _resize(inode.platter, size)
        for sector in sorted(inode.dirty):
            if self.random.random() < share:
                start = sector * self.sector_bytes
                kept = bytes(inode.cache[start : start + self.sector_bytes])
                inode.platter[start : start + len(kept)] = kept[: max(0, size - start)]
        _resize(inode.platter, size)
        inode.dirty.clear()


class _Lock:
    def __init__(self, locked: set[Path], path: Path) -> None:
        self._locked, self._path = locked, path

    def release(self) -> None:
        self._locked.discard(self._path)


class _File:
    def __init__(self, disk: SimulatedDisk, inode: _Inode, *, can_write: bool) -> None:
        self._disk, self._inode, self._can_write = disk, inode, can_write

    def read_at(self, place: int, size: int) -> bytes:
        return bytes(self._inode.cache[place : place + size])

    def write_at(self, place: int, data: bytes) -> None:
        assert self._can_write
        try:
            self._disk.step(needs_space=place + len(data) > len(self._inode.cache))
        except OSError:
            self._put(place, data[: self._disk.random.randint(0, len(data))])
            raise
        self._put(place, data)

    @property
    def descriptor(self) -> None:
        return None

    def write_durable(self, place: int, buffers: Sequence[bytes]) -> None:
        if self._disk.before_durable_write is not None:
            self._disk.before_durable_write()
        self.write_at(place, b"".join(buffers))
        if self._disk.before_sync is not None:
            self._disk.before_sync()
        self.sync()

    def sync(self) -> None:
        inode = self._inode
        try:
            self._disk.step()
        except OSError:
            if self._disk.stops_at is None:
                self._disk._reach_platter(inode, 0.5)  # pyright: ignore[reportPrivateUsage]
            raise
        if self._disk.forgets_syncs:
            return
        sector_bytes = self._disk.sector_bytes
        _resize(inode.platter, len(inode.cache))
        for sector in inode.dirty:
            start = sector * sector_bytes
            inode.platter[start : start + sector_bytes] = inode.cache[start : start + sector_bytes]
        inode.dirty.clear()

    def size(self) -> int:
        return len(self._inode.cache)

    def is_replaced(self) -> bool:
        return not self._disk.has_name(self._inode)

    def map(self) -> memoryview:
        return memoryview(bytes(self._inode.cache))

    def truncate(self, size: int) -> None:
        self._disk.step(needs_space=size > len(self._inode.cache))
        old = len(self._inode.cache)
        _resize(self._inode.cache, size)
        self._touch(min(old, size), max(old, size))

    def close(self) -> None:
        pass

    def _put(self, place: int, data: bytes) -> None:
        cache = self._inode.cache
        if data:
            start = min(place, len(cache))
            _resize(cache, max(len(cache), place + len(data)))
            cache[place : place + len(data)] = data
            self._touch(start, place + len(data))

    def _touch(self, start: int, end: int) -> None:
        sector_bytes = self._disk.sector_bytes
        self._inode.dirty.update(range(start // sector_bytes, -(-end // sector_bytes)))


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))
