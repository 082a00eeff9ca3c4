"""The most memory that this process and those it started held at one time."""

import os
import resource
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["MemoryWatch"]

_EVERY_S = 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


class MemoryWatch:
    """Watches resident memory while it is open: `with MemoryWatch() as watch: …`.

    On Linux the processes are added up four times a second; pages that two of them share
    count twice. Elsewhere it is the largest process's own peak.
    """

    def __init__(self) -> None:
        self._peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak_mb(self) -> float:
        """The peak so far, in megabytes of 2**20 bytes."""
        if not self._peak_bytes:
            unit = 1 if sys.platform == "darwin" else 1024
            peaks = [
                resource.getrusage(who).ru_maxrss * unit
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            ]
            return max(peaks) / 2**20
        return self._peak_bytes / 2**20

    def _watch(self) -> None:
        if not (_PROC / "self" / "statm").exists():
            return
        while True:
            self._peak_bytes = max(self._peak_bytes, _resident_bytes(os.getpid()))
            if self._stop.wait(_EVERY_S):
                return


def _resident_bytes(root: int) -> int:
    """Add up the resident memory of a process and all below it."""
    parents: dict[int, int] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended while we looked
    family, waiting = {root}, [root]
    while waiting:
        parent = waiting.pop()
        born = [child for child, its in parents.items() if its == parent and child not in family]
        family.update(born)
        waiting.extend(born)
    total = 0
    for process in family:
        try:
            total += int((_PROC / str(process) / "statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            continue
    return total
