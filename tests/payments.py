"""A small stream for tests of what takes events in, and a look at what was kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from kingpost.contracts import (
    Contract,
    Event,
    EventTime,
    Key,
    Range,
    Resolution,
    contract_of,
    decode_batch,
    events_of,
)
from kingpost.core import Disk
from kingpost.integrations import Intake
from kingpost.journal import Commit, scan
from tests.stopped_clock import StoppedClock

__all__ = ["DIRECTORY", "PAYMENT", "Payment", "commits_on", "held", "open_intake"]

DIRECTORY = Path("/kingpost/journal/data")


class Payment(Event):
    """A card is used."""

    id: Key[int]
    at: EventTime
    amount: Annotated[float, Range(ge=0), Resolution("0.01")]
    shop: str = "-"
    ratio: float | None = None


PAYMENT = contract_of(Payment)


def open_intake(disk: Disk, *contracts: Contract[Event], directory: Path = DIRECTORY) -> Intake:
    """Open the partition for the payments, or for other streams."""
    return Intake.open(directory, contracts or (PAYMENT,), disk=disk, clock=StoppedClock())


def commits_on(disk: Disk, directory: Path = DIRECTORY) -> Sequence[Commit]:
    """Return what was written."""
    return list(scan(directory, disk=disk))


def held(
    disk: Disk,
    *,
    tenant: str = "acme",
    directory: Path = DIRECTORY,
    contract: Contract[Event] = PAYMENT,
) -> list[tuple[int, Event]]:
    """Return a tenant's payments with their positions."""
    found: list[tuple[int, Event]] = []
    for commit in commits_on(disk, directory):
        offset = commit.offset
        for entry in commit.entries:
            if entry.kind == "events" and (entry.tenant, entry.topic) == (tenant, "payment"):
                events = events_of(contract, decode_batch(entry.body, contract))
                found += enumerate(events, offset)
            offset += entry.count
    return found
