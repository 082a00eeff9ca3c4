"""The features of some of the past requests, as a Parquet file.

The rule: a value is a function of its own request and of the history, so a shard is any
range of the requests over the whole history, and the shards together are what one go gives,
bit by bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.subjects import opened_subjects
from kingpost.decisions.train import read_all_histories, read_histories
from kingpost.features import History, Requests, feature_matrix

__all__ = ["PastRequests", "read_past_requests", "write_features"]


@dataclass(frozen=True)
class PastRequests:
    """A tenant's history, and of it what was asked of a decision, in the journal's order.

    Attributes:
        stop: The data partition was read up to this offset.
        erasures: How many of the tenant's entities were erased, whenever that was.
    """

    decision: Decision
    asked: History
    histories: Mapping[str, History]
    stop: int
    erasures: int

    def __len__(self) -> int:
        return len(self.asked)

    def part(self, first: int, after: int) -> Requests:
        """Return the requests of a range."""
        rows = np.arange(first, after)
        return Requests(self.asked.events.take(rows), self.asked.positions[rows])


def read_past_requests(
    where: DataDirectory,
    decision: Decision,
    tenant: str,
    *,
    disk: Disk,
    stop: int | None = None,
) -> PastRequests:
    """Read the history of a decision's streams.

    Args:
        stop: Read this server's partition alone, up to this offset; all of every partition
            by default.

    Raises:
        PartitionNotHere: The journal of a partition cannot be read here.
        IncompatibleContract, JournalCorrupt, JournalNewer: See `read_histories`.
    """
    if stop is None:
        held, position = read_all_histories(where, decision.streams, disk=disk)
    else:
        with opened_subjects(where, decision.streams):
            held, position = read_histories(where.data, decision.streams, disk=disk, stop=stop)
    histories = held.of(tenant)
    asked = histories[decision.request.name]
    return PastRequests(
        decision,
        asked.kept_for(asked.erased).live(),
        histories,
        position.offset(where.partition),
        len(held.erasures(tenant)),
    )


def write_features(past: PastRequests, path: Path, first: int, after: int, *, threads: int) -> None:
    """Compute the features of a range of requests and write them, a row each.

    A row has the request's key and time and one column per feature.

    Args:
        threads: For the kernel; the values do not depend on it.
    """
    import duckdb

    decision, requests = past.decision, past.part(first, after)
    events = requests.events
    values = feature_matrix(decision.features, requests, past.histories, threads=threads)
    request = decision.request
    columns: dict[str, object] = {
        request.key.name: np.array(events.values(request.key.name)),
        request.event_time.name: events.numbers(request.event_time.name)
        .astype(np.int64)
        .astype("datetime64[us]"),
    }
    for index, name in enumerate(decision.features.names):
        columns[name if name not in columns else f"feature_{name}"] = values[:, index].copy()
    with duckdb.connect() as connection:
        connection.register("columns", columns)
        connection.table("columns").write_parquet(str(path), compression="zstd")
