"""Sealing beside a server: what is finished is sealed, whom was erased is taken out of it, and
it is archived, by a child of the observer when there is something to do.

The rule: it owes nobody anything. What it cannot do now it logs, and tries again later; decisions
and the observer go on meanwhile.
"""

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from kingpost.cli.due_process import DueProcess
from kingpost.core import KingpostError, Settings, SystemDisk
from kingpost.decisions import (
    DataDirectory,
    ObjectStore,
    archive_sealed,
    erase_sealed,
    is_seal_due,
    seal_segments,
)

__all__ = ["NoArchive", "archive_store", "keep_sealed", "seal_and_archive"]

_PAUSE_S = 30.0
_log = logging.getLogger(__name__)


class NoArchive(KingpostError):
    """The settings name no object store."""

    code = "no_archive"

    def __str__(self) -> str:
        return (
            'no object store is set; set archive_store = "s3://bucket/prefix" in kingpost.toml, '
            "or KINGPOST_ARCHIVE_STORE"
        )


@contextmanager
def keep_sealed(
    settings: Settings, where: DataDirectory, command: Sequence[str], *, poll_s: float = _PAUSE_S
) -> Generator[None, None, None]:
    """Seal a partition in the background, and archive it, as the settings have it.

    Args:
        command: What does `seal_and_archive`; it ends by itself when its standard input does.
        poll_s: How often it is looked whether something is to be done.
    """
    if settings.seal == "off":
        yield
        return
    is_archived = not settings.archive_store

    def is_due() -> bool:
        # what an earlier observer sealed may not be in the store yet
        return not is_archived or is_seal_due(where, disk=SystemDisk())

    def done() -> None:
        nonlocal is_archived
        is_archived = True

    process = DueProcess(command, is_due, done, name="sealing", poll_s=poll_s)
    try:
        yield
    finally:
        process.close()


def archive_store(settings: Settings) -> ObjectStore:
    """Open the object store that the settings name.

    Raises:
        NoArchive: They name none.
        ExtraMissing, ArchiveRefused: See `ObjectStore`.
    """
    if not settings.archive_store:
        raise NoArchive
    return ObjectStore(settings.archive_store, settings.archive_endpoint)


def seal_and_archive(settings: Settings, where: DataDirectory) -> None:
    """Seal what is finished, erase in what is sealed, archive it where a store is set; log it.

    Raises:
        KingpostError, OSError: See `seal_segments`, `erase_sealed` and `archive_sealed`.
    """
    disk = SystemDisk()
    done = seal_segments(where, disk=disk)
    if done.segments:
        _log.info("sealed", extra={"segments": done.segments, "records": done.records})
    erased = erase_sealed(where, disk=disk)
    if erased.rows:
        _log.info("sealed_erased", extra={"segments": erased.segments, "rows": erased.rows})
    if erased.old:
        _log.warning("sealed_unerased", extra={"segments": erased.old})
    if settings.archive_store:
        put = archive_sealed(where, archive_store(settings), disk=disk)
        if put.segments:
            _log.info("archived", extra={"segments": put.segments, "store": put.store})
