"""What a server and processes beside it share: when they end, that there is one of a kind, memory.

The rule: such a process ends with its server, however that ends, since the server holds
the other end of its standard input. Of two over one directory the second waits.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from kingpost.core import KingpostError, Settings, SystemDisk

__all__ = [
    "alone",
    "end_with_parent",
    "map_large_blocks",
    "own_command",
    "start_child",
    "told_to_stop",
]

_LOCK_POLL_S = 0.5
_MAPPED_FROM, _LARGE_BLOCK = -3, 1 << 20
"""M_MMAP_THRESHOLD of mallopt(3), and its bytes."""


def told_to_stop(*, with_parent: bool, niceness: int) -> threading.Event:
    """Return what is set by SIGTERM and SIGINT.

    Args:
        with_parent: Set it when standard input ends, too, and leave others the way: this
            runs beside a server.
        niceness: How much this process gives way to others then.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    if with_parent:
        os.nice(niceness)
        threading.Thread(target=_await_end, args=(stop,), daemon=True).start()
    return stop


def _await_end(stop: threading.Event) -> None:
    await_end_of_input()
    stop.set()


def end_with_parent(*, niceness: int) -> None:
    """Give way to others, and end at once when standard input does; for what may be killed."""
    os.nice(niceness)
    threading.Thread(target=_end_at_once, daemon=True).start()


def _end_at_once() -> None:
    await_end_of_input()
    os._exit(0)


def await_end_of_input() -> None:
    """Return when nobody holds the other end of standard input any more; for a daemon thread.

    It reads past Python's buffer: a thread inside that aborts a process that ends by itself.
    """
    while os.read(0, 1024):
        pass


def map_large_blocks() -> None:
    """Have every large block of memory mapped by itself, so that it leaves with its last use.

    For processes that live long. The C library of Linux else stops doing so once one was freed,
    and tables that grow and shrink leave holes that nothing fits into. Other C libraries have no
    such call.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if change is not None:
        change(_MAPPED_FROM, _LARGE_BLOCK)


def own_command(settings: Settings, *arguments: str) -> Sequence[str]:
    """Return the command line of another `kingpost` over the same directory and settings."""
    config = click.get_current_context().find_root().params["config"]
    chosen = () if config is None else ("--config", str(config))
    data_dir = ("--data-dir", str(settings.data_dir))
    return (sys.executable, "-m", "kingpost.cli", *chosen, *data_dir, *arguments)


def start_child(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start what ends with this process, by its standard input, and says nothing to its output.

    It has a session of its own: Ctrl-C is for the server, which then closes the pipe.
    """
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
    )


@contextmanager
def alone(
    path: Path, wait: threading.Event | None, taken: Callable[[], KingpostError]
) -> Generator[None, None, None]:
    """Hold a lock file, which goes with this process.

    Args:
        wait: Wait for whoever holds it, until this is set; None does not wait.
        taken: Makes the error that says that it is held.
    """
    disk = SystemDisk()
    disk.make_directory(path.parent)
    while True:
        try:
            lock = disk.lock(path)
            break
        except BlockingIOError as error:
            if wait is None or wait.wait(_LOCK_POLL_S):
                raise taken() from error
    try:
        yield
    finally:
        lock.release()
