"""Shards computed by a Ray cluster (extra `ray`).

The rule: nothing is shared but Ray's object store. The application's source and the history
go into it once, each worker takes them out once, and a part comes back as the bytes of its
file, which the run writes. So the workers need Kingpost installed, and no disk in common.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kingpost.decisions.application import Application, load_application
from kingpost.decisions.backfill.plan import BackfillPlan
from kingpost.decisions.backfill.processes import WorkerFailed
from kingpost.decisions.backfill.shard import PastRequests, write_features
from kingpost.decisions.ray_work import RayWorkFailed, ray_work
from kingpost.decisions.sources import pack_sources, unpack_sources
from kingpost.features import History

__all__ = ["ray_shards"]


@dataclass(frozen=True)
class Shipment:
    """What a worker needs to know of the past, as it goes through the object store.

    Attributes:
        sources: The application's source, packed.
        application: The application's file, relative to the root of the sources.
    """

    sources: bytes
    application: str
    decision: str
    asked: History
    histories: Mapping[str, History]


class ShardWorker:
    """Computes parts for one plan; in a process of Ray."""

    def __init__(self, shipment: Shipment, plan: BackfillPlan, threads: int) -> None:
        self._sources = tempfile.TemporaryDirectory(prefix="kingpost-backfill-")
        root = Path(self._sources.name)
        unpack_sources(shipment.sources, root)
        decision = load_application(root / shipment.application).decisions[shipment.decision]
        self._past = PastRequests(
            decision, shipment.asked, shipment.histories, plan.stop, plan.erasures
        )
        self._plan, self._threads = plan, threads

    def compute(self, part: int) -> tuple[int, bytes]:
        """Return a part as the bytes of its Parquet file."""
        first, after = self._plan.rows_of(part)
        with tempfile.TemporaryDirectory(prefix="kingpost-part-") as directory:
            path = Path(directory) / "part.parquet"
            write_features(self._past, path, first, after, threads=self._threads)
            return part, path.read_bytes()


def ray_shards(
    application: Application,
    past: PastRequests,
    plan: BackfillPlan,
    parts: Sequence[int],
    workers: int,
    *,
    threads: int,
    address: str | None = None,
) -> Iterator[tuple[int, bytes]]:
    """Compute parts by so many workers of a Ray cluster; yield each with its bytes.

    Args:
        threads: For the kernel, of each worker, and the CPUs that it asks of Ray.
        address: Of a cluster; a local one is started, and ended after use, without.

    Raises:
        ExtraMissing: Ray is not installed.
        WorkerFailed: The cluster cannot be reached, or a part failed more than three times.
    """
    shipment = Shipment(
        pack_sources(application.sources),
        application.path.as_posix(),
        past.decision.name,
        past.asked,
        past.histories,
    )
    try:
        yield from ray_work(
            ShardWorker, (shipment, plan, threads), parts, workers, threads=threads, address=address
        )
    except RayWorkFailed as error:
        raise WorkerFailed(f"Ray: {error.problem}") from error
