"""Syncs of files that an event loop hears of, without a thread.

Linux's asynchronous I/O: a sync is handed to the kernel, which says through a descriptor that
the loop watches when the bytes are on the disk. A thread that syncs would take the
interpreter's lock twice for each group that it writes, while requests wait for it.

Where the system has no such call, or forbids it, `open` gives None: use a thread.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Callable
from typing import Protocol

__all__ = ["FileSyncs", "WatchesFiles"]

_CALLS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
"""Numbers of io_setup, io_destroy, io_getevents and io_submit."""
_FDATASYNC = 3
_TELL_DESCRIPTOR = 1
_REQUEST = struct.Struct("<QIIHhIQQqQII")  # struct iocb of linux/aio_abi.h
_EVENT = struct.Struct("<QQqq")


class WatchesFiles(Protocol):
    """An event loop, as far as it is needed here."""

    def add_reader(self, fd: int, callback: Callable[[], object], /) -> object:
        """Call back when there is something to read."""
        ...

    def remove_reader(self, fd: int, /) -> object:
        """Do so no longer."""
        ...

    def is_closed(self) -> bool:
        """Whether it has ended."""
        ...


class FileSyncs:
    """At most one sync at a time, for one thread; made by `open`."""

    def __init__(self, calls: tuple[int, int, int, int], told: int) -> None:
        self._system = ctypes.CDLL(None, use_errno=True).syscall
        self._setup, self._destroy, self._events, self._submit = calls
        self._told = told
        self._context = ctypes.c_ulong(0)
        self._request = ctypes.create_string_buffer(_REQUEST.size)
        self._requests = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._event = ctypes.create_string_buffer(_EVENT.size)
        self._done: Callable[[OSError | None], None] | None = None
        self._loop: WatchesFiles | None = None

    @staticmethod
    def open() -> "FileSyncs | None":
        """Ask the kernel for it; None where it has no such thing."""
        calls = _CALLS.get(os.uname().machine)
        if not sys.platform.startswith("linux") or calls is None:
            return None
        told = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        syncs = FileSyncs(calls, told)
        try:
            syncs._call(syncs._setup, 1, ctypes.byref(syncs._context))
        except OSError:
            os.close(told)
            return None
        return syncs

    @property
    def is_busy(self) -> bool:
        """Whether a sync is under way."""
        return self._done is not None

    def watch(self, loop: WatchesFiles | None) -> None:
        """Let a loop hear when a sync is done; with None, it is heard in `wait`."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._told)
        self._loop = loop
        if loop is not None:
            loop.add_reader(self._told, self._hear)

    def begin(self, descriptor: int, done: Callable[[OSError | None], None]) -> None:
        """Begin to sync a file.

        Args:
            done: Told when its bytes are on the disk, or why they may not be.

        Raises:
            OSError: The kernel took no request; nothing is under way.
        """
        assert self._done is None
        request = (0, 0, 0, _FDATASYNC, 0, descriptor, 0, 0, 0, 0, _TELL_DESCRIPTOR, self._told)
        _REQUEST.pack_into(self._request, 0, *request)
        self._call(self._submit, self._context, 1, self._requests)
        self._done = done

    def wait(self) -> None:
        """Wait until the sync that is under way is done, and tell."""
        while self._done is not None:
            self._take(least=1)

    def close(self) -> None:
        """Give it back to the kernel, when nothing is under way."""
        self.watch(None)
        self._call(self._destroy, self._context)
        os.close(self._told)

    def _hear(self) -> None:
        try:
            os.eventfd_read(self._told)
        except BlockingIOError:
            return  # it was heard in `wait`
        if self._done is not None:
            self._take(least=0)

    def _take(self, *, least: int) -> None:
        try:
            number = self._call(self._events, self._context, least, 1, self._event, None)
        except InterruptedError:
            return
        if number:
            done, self._done = self._done, None
            result = _EVENT.unpack_from(self._event)[2]
            assert done is not None
            done(OSError(-result, os.strerror(-result)) if result < 0 else None)

    def _call(self, number: int, *arguments: object) -> int:
        result = self._system(ctypes.c_long(number), *arguments)
        if result < 0:
            code = ctypes.get_errno() or errno.EIO
            raise OSError(code, os.strerror(code))
        return result
