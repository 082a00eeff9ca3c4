"""How far a stream has come, in a small file that is replaced in one step."""

import errno
from pathlib import Path

from kingpost.core import Disk
from kingpost.storage import StorageFailed, StorageFull

__all__ = ["PositionFile"]

_LONGEST = 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class PositionFile:
    """A position in a journal, durable when it is written."""

    def __init__(self, path: Path, *, disk: Disk) -> None:
        self._path, self._disk = path, disk

    def read(self) -> int:
        """Return the position; 0 when none was written.

        Raises:
            StorageFailed: The file cannot be read.
        """
        try:
            file = self._disk.open(self._path, write=False)
            try:
                return int(file.read_at(0, _LONGEST))
            finally:
                file.close()
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise StorageFailed(str(self._path), str(error)) from error

    def write(self, position: int) -> None:
        """Put a position in the place of the one before; durable on return.

        Raises:
            StorageFull, StorageFailed: The one before stands.
        """
        try:
            self._replace(str(position).encode())
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise StorageFull(str(self._path)) from error
            raise StorageFailed(str(self._path), error.strerror or str(error)) from error

    def _replace(self, content: bytes) -> None:
        self._disk.make_directory(self._path.parent)
        draft = self._path.with_suffix(".tmp")
        file = self._disk.open(draft, write=True, create=True)
        try:
            file.truncate(0)
            file.write_at(0, content)
            file.sync()
        finally:
            file.close()
        self._disk.rename(draft, self._path)
        self._disk.sync_directory(self._path.parent)
