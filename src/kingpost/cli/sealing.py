"""Sealing beside a server: a thread of the observer seals what is finished, takes out of it whom
was erased, and archives it.

The rule: it owes nobody anything. What it cannot do now it logs once, and tries again later;
decisions and the observer go on meanwhile.
"""

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from kingpost.core import KingpostError, Settings, SystemDisk
from kingpost.decisions import (
    DataDirectory,
    ObjectStore,
    archive_sealed,
    erase_sealed,
    seal_segments,
)

__all__ = ["NoArchive", "SealingThread", "archive_store", "keep_sealed"]

_PAUSE_S = 30.0
_JOIN_S = 10.0
_log = logging.getLogger(__name__)


class NoArchive(KingpostError):
    """The settings name no object store."""

    code = "no_archive"

    def __str__(self) -> str:
        return (
            'no object store is set; set archive_store = "s3://bucket/prefix" in kingpost.toml, '
            "or KINGPOST_ARCHIVE_STORE"
        )


class SealingThread:
    """Does some work now and then, until it is closed.

    Args:
        work: Does what there is to do; asks its argument whether to stop.
        pause_s: So long between two times.
    """

    def __init__(
        self, work: Callable[[Callable[[], bool]], object], *, pause_s: float = _PAUSE_S
    ) -> None:
        self._work, self._pause_s = work, pause_s
        self._stopped = threading.Event()
        self._failed = ""
        self._thread = threading.Thread(target=self._keep, name="sealing", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the segment that is being sealed, or without it when that takes long."""
        self._stopped.set()
        self._thread.join(_JOIN_S)

    def _keep(self) -> None:
        while not self._stopped.is_set():
            try:
                self._work(self._stopped.is_set)
            except (KingpostError, OSError) as error:
                code = getattr(error, "code", type(error).__name__)
                if code != self._failed:
                    _log.error("sealing_waits", extra={"code": code, "reason": str(error)})
                self._failed = code
            else:
                if self._failed:
                    _log.warning("sealing_goes_on")
                self._failed = ""
            self._stopped.wait(self._pause_s)


@contextmanager
def keep_sealed(settings: Settings, where: DataDirectory) -> Generator[None, None, None]:
    """Seal a partition in the background, and archive it, as the settings have it."""
    if settings.seal == "off":
        yield
        return
    thread = SealingThread(lambda is_stopped: _seal(settings, where, is_stopped))
    try:
        yield
    finally:
        thread.close()


def archive_store(settings: Settings) -> ObjectStore:
    """Open the object store that the settings name.

    Raises:
        NoArchive: They name none.
        ExtraMissing, ArchiveRefused: See `ObjectStore`.
    """
    if not settings.archive_store:
        raise NoArchive
    return ObjectStore(settings.archive_store, settings.archive_endpoint)


def _seal(settings: Settings, where: DataDirectory, is_stopped: Callable[[], bool]) -> None:
    disk = SystemDisk()
    done = seal_segments(where, disk=disk, is_stopped=is_stopped)
    if done.segments:
        _log.info("sealed", extra={"segments": done.segments, "records": done.records})
    erased = erase_sealed(where, disk=disk, is_stopped=is_stopped)
    if erased.rows:
        _log.info("sealed_erased", extra={"segments": erased.segments, "rows": erased.rows})
    if erased.old:
        _log.warning("sealed_unerased", extra={"segments": erased.old})
    if settings.archive_store and not is_stopped():
        put = archive_sealed(where, archive_store(settings), disk=disk, is_stopped=is_stopped)
        if put.segments:
            _log.info("archived", extra={"segments": put.segments, "store": put.store})
