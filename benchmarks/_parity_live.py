"""A process that takes a stream, journals it, reads features, and may be killed at any moment.

Payments and retractions go into the journal in groups; once a group is durable its events
are applied and its reads are written down, then how far the stream has been taken. At a
start all state comes back from the journal, and what was not noted is sent again: the
journal's keys tell what it holds already.
"""

import argparse
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks._parity_stream import FEATURES, Arrivals, Payment, arrivals
from kingpost.contracts import ColumnBatch, contract_of, events_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.features import Arrival, Histories, OnlineFeatures, Versions
from kingpost.journal import Entry, Journal, scan

__all__ = ["CONTRACT", "READ_EVERY", "TENANT", "histories_in"]

CONTRACT: Final = contract_of(Payment)
TENANT, TOPIC = "bench", CONTRACT.name
READ_EVERY = 15
"""A payment whose id is a multiple of this asks for its features."""
GROUP = 256


class _Applied(NamedTuple):
    """What a durable entry does to the features."""

    event: Payment
    retracts: int | None
    """The position of the event that is taken out; None for an arrival."""
    counts: bool
    reads: bool


def histories_in(directory: Path) -> Histories:
    """Gather what a journal holds."""
    histories = Histories([CONTRACT])
    for commit in scan(directory, disk=SystemDisk()):
        histories.add(commit)
    return histories


class _Live:
    """The state of one life of the process."""

    def __init__(self, directory: Path) -> None:
        self._journal = Journal.open(directory, disk=SystemDisk(), clock=SystemClock())
        histories = histories_in(directory)
        self._online = OnlineFeatures(slot.view for slot in FEATURES.windows)
        self._online.load(histories.of(TENANT))
        self._versions: Versions = histories.versions_of(TENANT)[TOPIC]
        self._reader = self._online.reader(FEATURES)
        self._values = array("d", bytes(8 * len(FEATURES)))

    def take(self, group: list[tuple[Payment, bool]]) -> bytes:
        """Journal a group, apply it and read; return the reads."""
        position = self._journal.next_offset
        entries: list[Entry] = []
        applied: list[_Applied] = []
        for event, retracts in group:
            found = self._judged(event, position + len(entries), retracts=retracts)
            if found is None:
                continue
            applied.append(found)
            if retracts:
                body = CONTRACT.key_body(event.id)
                entries.append(Entry("retraction", TENANT, TOPIC, body))
            else:
                entries.append(Entry("event", TENANT, TOPIC, CONTRACT.encode(event)))
        if entries:
            landed = self._journal.append(entries)
            assert landed == position
        return b"".join(self._lived(one, position + at) for at, one in enumerate(applied))

    def _judged(self, event: Payment, position: int, *, retracts: bool) -> _Applied | None:
        if retracts:
            before = self._versions.retract(event.id)
            if before is not None and before < 0:
                return None
            return _Applied(event, before, before is not None, reads=False)
        arrival = self._versions.arrive(event.id, position)
        if arrival is Arrival.DUPLICATE:
            return None
        return _Applied(event, None, arrival is Arrival.COUNTS, event.id % READ_EVERY == 0)

    def _lived(self, one: _Applied, position: int) -> bytes:
        if one.counts and one.retracts is None:
            self._online.apply(TOPIC, one.event, position)
        elif one.counts and one.retracts is not None:
            self._online.retract(TOPIC, one.event, one.retracts)
        if not one.reads:
            return b""
        self._reader.read(one.event, position, self._values, 0)
        return position.to_bytes(8, "little") + self._values.tobytes()


def _groups(stream: Arrivals, start: int) -> Iterator[tuple[int, list[tuple[Payment, bool]]]]:
    """Yield the stream in groups, and where in it each one ends."""
    for first in range(start, len(stream), GROUP):
        rows = np.arange(first, min(first + GROUP, len(stream)))
        batch = ColumnBatch(
            len(rows),
            {
                "id": stream.ids[rows],
                "at": stream.times[rows],
                "account": stream.accounts[rows],
                "amount": stream.cents[rows] / 100,
            },
            {},
        )
        retracts = stream.retracts[rows].astype(np.bool_).tolist()
        yield first + len(rows), list(zip(events_of(CONTRACT, batch), retracts, strict=True))


def _whole_records(path: Path, size: int) -> int:
    """Open a file of records for appending; one that a kill left half-written is erased."""
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND)
    os.ftruncate(file, os.fstat(file).st_size // size * size)
    return file


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    chosen = parser.parse_args()
    reads = _whole_records(chosen.directory / "reads", 8 + 8 * len(FEATURES))
    taken = _whole_records(chosen.directory / "taken", 8)
    before = os.fstat(taken).st_size
    start = int.from_bytes(os.pread(taken, 8, before - 8), "little") if before else 0
    live = _Live(chosen.directory / "journal")
    for end, group in _groups(arrivals(chosen.count), start):
        os.write(reads, live.take(group))
        os.write(taken, end.to_bytes(8, "little"))


if __name__ == "__main__":
    main()
