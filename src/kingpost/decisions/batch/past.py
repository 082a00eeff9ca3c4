"""The history that a batch reads."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from kingpost.contracts import EventKey
from kingpost.core import Disk
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.subjects import opened_subjects
from kingpost.decisions.train import read_histories
from kingpost.features import History

__all__ = ["BatchPast", "read_batch_past"]


@dataclass(frozen=True)
class BatchPast:
    """A tenant's history as a batch sees it.

    Attributes:
        histories: Per stream: the request's, and those that features are made of.
        withheld: Keys of requests that were taken back before they came.
        stop: The journal was read up to this offset.
    """

    histories: Mapping[str, History]
    withheld: AbstractSet[EventKey]
    stop: int


def read_batch_past(
    where: DataDirectory,
    decision: Decision,
    tenant: str,
    *,
    disk: Disk,
    stop: int | None = None,
) -> tuple[BatchPast, int]:
    """Read the history of the streams that a decision's features are made of.

    Args:
        stop: Up to this offset; all by default.

    Returns:
        The history, and how many of the tenant's entities were erased.

    Raises:
        IncompatibleContract, JournalCorrupt, JournalNewer: See `read_histories`.
    """
    request = decision.request
    streams = {one.name: one for one in (request, *decision.features.streams)}
    with opened_subjects(where, streams.values()):
        held, position = read_histories(where.data, streams.values(), disk=disk, stop=stop)
    past = BatchPast(
        held.of(tenant), held.withheld(tenant, request.name), position.offset(where.partition)
    )
    return past, len(held.erasures(tenant))
