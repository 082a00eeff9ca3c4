"""What the processes have seen of a release, each in a file of its own beside the control log.

The rule: a file appears whole or not at all, and says what its process has seen since the
release began, so a process that is killed goes on from its last second. A file that cannot
be read says nothing, and is logged by whoever asks.
"""

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kingpost.core import Disk
from kingpost.stats import Excess

__all__ = ["EvidenceFiles", "SeenSoFar"]

_log = logging.getLogger(__name__)


class SeenSoFar(msgspec.Struct, frozen=True, kw_only=True):
    """What one process has seen of a release.

    Attributes:
        tests: How far its tests are, by name.
        usual: What its champion's first requests said is usual.
        requests: How many requests the new bundle has answered, by stage.
    """

    format: int = 1
    tests: Mapping[str, Excess] = {}
    usual: Mapping[str, float] = {}
    requests: Mapping[int, int] = {}


_NOTHING = SeenSoFar()


class EvidenceFiles:
    """The files of all releases.

    Args:
        root: Where they lie, `<control directory>/releases`.
        process: The name of this process, one among those that share the directory.
    """

    def __init__(self, root: Path, process: str, *, disk: Disk) -> None:
        self._root, self._name, self._disk = root, f"{process}.json", disk

    def write(self, release: str, seen: SeenSoFar) -> None:
        """Write what this process has seen.

        Raises:
            OSError: The disk refused; what was written before stands.
        """
        folder = self._root / release
        self._disk.make_directory(folder)
        draft = folder / f"{self._name}.{os.getpid()}.tmp"
        file = self._disk.open(draft, write=True, create=True)
        try:
            file.write_at(0, msgspec.json.encode(seen))
            self._disk.rename(draft, folder / self._name)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                self._disk.remove(draft)
            raise
        finally:
            file.close()

    def own(self, release: str) -> SeenSoFar:
        """Read what this process had seen before it was started again."""
        return self._read(self._root / release / self._name)

    def others(self, release: str) -> Sequence[SeenSoFar]:
        """Read what the other processes have seen."""
        folder = self._root / release
        return [
            self._read(folder / name)
            for name in self._disk.list(folder)
            if name.endswith(".json") and name != self._name
        ]

    def _read(self, path: Path) -> SeenSoFar:
        try:
            file = self._disk.open(path, write=False)
        except FileNotFoundError:
            return _NOTHING
        try:
            return msgspec.json.decode(file.read_at(0, file.size()), type=SeenSoFar)
        except msgspec.MsgspecError as error:
            _log.error("evidence_unreadable", extra={"file": str(path), "reason": str(error)})
            return _NOTHING
        finally:
            file.close()
