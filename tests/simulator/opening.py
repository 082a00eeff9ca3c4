"""How a simulation opens an engine: small segments, and a carrier that it drives."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from kingpost.core import Clock, Disk
from kingpost.decisions import Engine
from kingpost.journal import Journal
from kingpost.journal.carriers import Ended
from kingpost.journal.writer import SegmentWriter
from tests.simulated_disk import SimulatedDisk
from tests.simulator.carrier import SteppedCarrier
from tests.tiny_app import open_engine

__all__ = ["DATA", "SNAPSHOTS", "opened", "opened_engine"]

DATA, SNAPSHOTS = Path("/journal/data"), Path("/snapshots")
SEGMENT_BYTES = 64 * 1024


def opened(
    seat: Callable[[SegmentWriter, Ended], SteppedCarrier],
    directory: Path,
    *,
    disk: Disk,
    clock: Clock,
    room_bytes: int = 0,
) -> Journal:
    """Open a journal whose carrier `seat` makes; called as `Journal.open` is."""
    return Journal.open(
        directory,
        disk=disk,
        clock=clock,
        segment_bytes=SEGMENT_BYTES,
        fill_in_background=False,
        room_bytes=min(room_bytes, SEGMENT_BYTES),
        carrier=seat,
    )


def opened_engine(disk: SimulatedDisk, clock: Clock) -> Engine:
    """Open an engine that nobody follows."""

    def seat(writer: SegmentWriter, ended: Ended) -> SteppedCarrier:
        return SteppedCarrier(writer, ended, lambda _: None)

    return open_engine(
        DATA, disk=disk, clock=clock, snapshots=SNAPSHOTS, open_journal=partial(opened, seat)
    )
