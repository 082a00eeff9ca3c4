"""A directory whose files are whole: each gets its name once its bytes are on the disk.

So `kill -9` leaves whole files and some that end in `.tmp`, which the next run removes. One
process fills it at a time.
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kingpost.core import Disk

__all__ = ["WholeFiles"]


class WholeFiles:
    """The files of one directory.

    Args:
        is_wanted: Asked before a file gets its name; one that is not wanted any more is
            removed.
    """

    def __init__(
        self, path: Path, *, disk: Disk, is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        self.path, self._disk, self._is_wanted = path, disk, is_wanted

    @contextmanager
    def claimed(self, lock: str) -> Generator[None, None, None]:
        """Be the only one who fills it; what a killed run left half written is removed.

        Raises:
            BlockingIOError: Another process does.
        """
        self._disk.make_directory(self.path)
        held = self._disk.lock(self.path / lock)
        try:
            for name in self.names():
                if name.endswith(".tmp"):
                    self._disk.remove(self.path / name)
            yield
        finally:
            held.release()

    def names(self) -> Sequence[str]:
        """Return the names of all files."""
        return self._disk.list(self.path)

    def place(self, name: str, write: Callable[[Path], None]) -> None:
        """Add a file: `write` makes one of a temporary name, which then gets its own."""
        # the process in the name: a worker that outlives a killed run disturbs nobody
        temporary = self.path / f"{name}.{os.getpid()}.tmp"
        write(temporary)
        file = self._disk.open(temporary, write=True)
        try:
            file.sync()
        finally:
            file.close()
        if not self._is_wanted():
            self._disk.remove(temporary)
            return
        self._disk.rename(temporary, self.path / name)
        self._disk.sync_directory(self.path)

    def place_bytes(self, name: str, body: bytes) -> None:
        """Add a file with some bytes."""

        def write(path: Path) -> None:
            path.write_bytes(body)

        self.place(name, write)
