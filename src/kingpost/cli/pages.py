"""The console of an installation: its pages joined to what they read, behind their door.

The rule: a bundle and its training reference never change under their digest, so the pages
read each once.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock
from typing import TypeVar

from starlette.types import ASGIApp

from kingpost.cli.sign_in import open_sign_in
from kingpost.console import ConsoleSources, KeptRecords, build_console
from kingpost.core import Clock, Disk, KingpostError, Settings
from kingpost.decisions import Bundle, DataDirectory, ServedDecision, profile_of, read_bundle
from kingpost.serving import ReviewDesk

__all__ = ["open_pages"]

Found = TypeVar("Found")
_log = logging.getLogger(__name__)


def open_pages(
    settings: Settings,
    where: DataDirectory,
    served: Mapping[str, ServedDecision],
    desk: ReviewDesk,
    *,
    disk: Disk,
    clock: Clock,
) -> ASGIApp:
    """Open the console.

    Args:
        desk: What people may do; its sources are what the pages read.

    Raises:
        KingpostError: See `open_sign_in`.
    """
    control, store = where.control_log(disk=disk, clock=clock), where.artefacts(disk=disk)

    def bundle_of(decision: str, digest: bytes) -> Bundle:
        return read_bundle(control.bundle(decision, digest.hex()))

    sources = ConsoleSources(
        served=served,
        records=desk.sources.records,
        monitors=desk.sources.monitors,
        tasks=desk.sources.tasks,
        desk=desk,
        kept=KeptRecords(where.data, disk=disk),
        control=control,
        artefacts=store,
        bundle_of=_once(bundle_of),
        profile_of=_once(lambda decision, digest: profile_of(control, store, decision, digest)),
        explain=desk.sources.explain,
    )
    return build_console(sources, clock, door=open_sign_in(settings, where, clock))


def _once(read: Callable[[str, bytes], Found | None]) -> Callable[[str, bytes], Found | None]:
    """Keep what was read; what cannot be read is logged, and nothing."""
    known: dict[bytes, Found | None] = {}
    turn = Lock()

    def found(decision: str, digest: bytes) -> Found | None:
        with turn:
            if digest not in known:
                try:
                    known[digest] = read(decision, digest)
                except KingpostError:
                    _log.exception("bundle_unreadable", extra={"bundle": digest.hex()})
                    known[digest] = None
            return known[digest]

    return found
