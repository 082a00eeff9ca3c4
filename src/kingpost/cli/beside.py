"""What processes beside a server share: when they end, and that there is one of a kind.

The rule: such a process ends with its server, however that ends, since the server holds
the other end of its standard input. Of two over one directory the second waits.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from kingpost.core import KingpostError, SystemDisk

__all__ = ["alone", "told_to_stop"]

_LOCK_POLL_S = 0.5


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


def await_end_of_input() -> None:
    """Return when nobody holds the other end of standard input any more; for a daemon thread.

    It reads past Python's buffer: a thread inside that aborts a process that ends by itself.
    """
    while os.read(0, 1024):
        pass


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
