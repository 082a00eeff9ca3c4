"""The requests of a decision as they were recorded: what asked, and what each was read as of."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kingpost.contracts import Event, batch_of
from kingpost.core import Disk
from kingpost.decisions.comparison import entry_at
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.subjects import opened_subjects
from kingpost.features import Partitions, ReadVectors, Requests
from kingpost.journal import Commit, Position, scan
from kingpost.records import DecisionRecord, decode_record

__all__ = ["RecordedRequests", "recorded_requests"]


class RecordedRequests(NamedTuple):
    """Requests with their places among the events of all partitions, and their vectors."""

    requests: Requests
    vectors: ReadVectors


def recorded_requests(
    where: DataDirectory, decision: Decision, tenant: str, *, disk: Disk
) -> RecordedRequests:
    """Read those of this server's partition for which features were read.

    Raises:
        JournalCorrupt, JournalNewer: See `scan`.
        UnlistedPartition: A record speaks of a partition that is not listed.
    """
    partitions = Partitions(tuple(where.partitions))
    events: list[Event] = []
    places: list[int] = []
    vectors: list[Position | None] = []
    with opened_subjects(where, [decision.request]):
        for commit in scan(where.data, disk=disk):
            for record, event in _requests_in(commit, decision, tenant):
                events.append(event)
                places.append(partitions.sequence(where.partition, record.event_offset))
                vectors.append(Position.parse(record.position))
    requests = Requests(batch_of(decision.request, events), np.array(places, np.int64))
    return RecordedRequests(requests, ReadVectors.of(partitions, vectors))


def _requests_in(
    commit: Commit, decision: Decision, tenant: str
) -> Iterator[tuple[DecisionRecord, Event]]:
    for entry in commit.entries:
        if (entry.kind, entry.topic, entry.tenant) != ("record", decision.name, tenant):
            continue
        record = decode_record(entry.body)
        asked = entry_at(commit, record.event_offset)
        if asked is not None and record.features:
            yield record, decision.request.decode_stored(asked.body)
