"""The disk as a parameter: every durable byte of the journal goes through it.

`SystemDisk` is the real one. Tests bring one that loses unsynced writes, fills up or
fails, so that each fault can be simulated at each step.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["Disk", "DiskFile", "DiskLock", "SystemDisk"]

DURABLE_WRITE: int = getattr(os, "RWF_DSYNC", 0)
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)
_MOST_BUFFERS = 1024  # IOV_MAX of Linux and macOS
_NO_SUCH_FLAG = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class DiskFile(Protocol):
    """An open file, read and written at stated places."""

    def read_at(self, place: int, size: int) -> bytes:
        """Read up to `size` bytes from byte `place`; fewer only at the end of the file."""
        ...

    def write_at(self, place: int, data: bytes) -> None:
        """Write all of `data` at byte `place`; it is durable only after `sync`."""
        ...

    def write_durable(self, place: int, buffers: Sequence[bytes]) -> None:
        """Write the buffers one after the other from byte `place`; return once on the disk."""
        ...

    def sync(self) -> None:
        """Return once every byte written before is on the disk."""
        ...

    @property
    def descriptor(self) -> int | None:
        """What the system calls the file; None where it is none of the system's."""
        ...

    def size(self) -> int:
        """Return the file's length in bytes."""
        ...

    def is_replaced(self) -> bool:
        """Say whether the file has lost its name: it was removed, or another one has it now."""
        ...

    def map(self) -> memoryview:
        """Return the whole file as bytes that are read when they are looked at.

        They stay when the file is closed or removed; nobody may change it meanwhile.
        """
        ...

    def truncate(self, size: int) -> None:
        """Cut or extend the file to `size` bytes."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class DiskLock(Protocol):
    """An exclusive claim on a path, freed with the process that holds it."""

    def release(self) -> None:
        """Give the claim up."""
        ...


class Disk(Protocol):
    """A tree of files."""

    def open(self, path: Path, *, write: bool, create: bool = False) -> DiskFile:
        """Open a file; `create` makes it when it is missing.

        Raises:
            FileNotFoundError: It is missing and `create` is false.
            OSError: The disk refused.
        """
        ...

    def list(self, directory: Path) -> Sequence[str]:
        """Return the names in a directory, sorted; none when it does not exist."""
        ...

    def make_directory(self, directory: Path) -> None:
        """Make a directory and its parents, durably."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Make creations, renames and removals in a directory durable."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Replace `target` by `source` in one step."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file."""
        ...

    def lock(self, path: Path) -> DiskLock:
        """Take an exclusive claim on `path` without waiting.

        Raises:
            BlockingIOError: Another process holds it.
        """
        ...


class _SystemFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._durable_write = DURABLE_WRITE

    @property
    def descriptor(self) -> int:
        return self._descriptor

    def read_at(self, place: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := os.pread(self._descriptor, size, place)):
            parts.append(part)
            place += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write_at(self, place: int, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = os.pwrite(self._descriptor, left, place)
            place += written
            left = left[written:]

    def write_durable(self, place: int, buffers: Sequence[bytes]) -> None:
        if len(buffers) > _MOST_BUFFERS:
            buffers = [b"".join(buffers)]
        written = 0
        if self._durable_write:
            try:
                written = os.pwritev(self._descriptor, buffers, place, self._durable_write)
            except OSError as error:
                if error.errno not in _NO_SUCH_FLAG:
                    raise
                self._durable_write = 0
        if written < sum(map(len, buffers)):
            self.write_at(place + written, b"".join(buffers)[written:])
            self.sync()

    def sync(self) -> None:
        if _FULL_SYNC is not None:  # macOS, where fsync leaves the data in the drive's cache
            fcntl.fcntl(self._descriptor, _FULL_SYNC)
        else:
            os.fdatasync(self._descriptor)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def is_replaced(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0

    def map(self) -> memoryview:
        if not self.size():
            return memoryview(b"")
        return memoryview(mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ))

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class _SystemLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        os.close(self._descriptor)


class SystemDisk:
    """The machine's own file system."""

    def open(self, path: Path, *, write: bool, create: bool = False) -> DiskFile:
        flags = (os.O_RDWR if write else os.O_RDONLY) | (os.O_CREAT if create else 0)
        return _SystemFile(os.open(path, flags | os.O_CLOEXEC, 0o600))

    def list(self, directory: Path) -> Sequence[str]:
        try:
            return sorted(os.listdir(directory))
        except FileNotFoundError:
            return []

    def make_directory(self, directory: Path) -> None:
        if directory.is_dir():
            return
        self.make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        self.sync_directory(directory.parent)

    def sync_directory(self, directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        os.unlink(path)

    def lock(self, path: Path) -> DiskLock:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(descriptor)
            raise
        return _SystemLock(descriptor)
