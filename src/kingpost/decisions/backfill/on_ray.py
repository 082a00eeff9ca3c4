"""Shards computed by a Ray cluster (extra `ray`).

The rule: nothing is shared but Ray's object store. The application's source and the history
go into it once, each worker takes them out once, and a part comes back as the bytes of its
file, which the run writes. So the workers need Kingpost installed, and no disk in common.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from kingpost.core import ExtraMissing
from kingpost.decisions.application import Application, load_application
from kingpost.decisions.backfill.plan import BackfillPlan
from kingpost.decisions.backfill.processes import WorkerFailed
from kingpost.decisions.backfill.shard import PastRequests, write_features
from kingpost.decisions.sources import pack_sources, unpack_sources
from kingpost.features import History

__all__ = ["ray_shards"]

_RESTARTS = 3
"""So often a worker whose machine is lost begins again, and so often a part is retried."""


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


class _Remote(Protocol):
    """A method of an actor."""

    def remote(self, part: int) -> object: ...


class _Actor(Protocol):
    """A `ShardWorker` somewhere."""

    @property
    def compute(self) -> _Remote: ...


class _Actors(Protocol):
    """Makes actors."""

    def remote(self, shipment: object, plan: BackfillPlan, threads: int) -> _Actor: ...


class _Ray(Protocol):
    """What is used of Ray, whose own types are partly unknown."""

    def init(
        self, address: str | None = None, *, num_cpus: int | None = None,
        include_dashboard: bool = False, log_to_driver: bool = False, logging_level: int = 0,
    ) -> object: ...  # fmt: skip

    def shutdown(self) -> None: ...

    def put(self, value: object) -> object: ...

    def get(self, reference: object) -> object: ...

    def wait(self, references: list[object]) -> tuple[list[object], list[object]]: ...

    def remote(
        self, *, num_cpus: int, max_restarts: int, max_task_retries: int
    ) -> Callable[[type], _Actors]: ...


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
    try:
        import ray as installed
        from ray.exceptions import RayError
    except ImportError as error:
        raise ExtraMissing("ray", "ray") from error

    ray = cast("_Ray", installed)
    shipment = Shipment(
        pack_sources(application.sources),
        application.path.as_posix(),
        past.decision.name,
        past.asked,
        past.histories,
    )
    try:
        with _joined(ray, address, workers * threads):
            actors = ray.remote(
                num_cpus=threads, max_restarts=_RESTARTS, max_task_retries=_RESTARTS
            )(ShardWorker)  # fmt: skip
            shipped, todo = ray.put(shipment), list(reversed(parts))
            working: dict[object, _Actor] = {}
            for _ in range(min(workers, len(parts))):
                actor = actors.remote(shipped, plan, threads)
                working[actor.compute.remote(todo.pop())] = actor
            while working:
                [ready], _ = ray.wait(list(working))
                actor = working.pop(ready)
                if todo:
                    working[actor.compute.remote(todo.pop())] = actor
                yield cast("tuple[int, bytes]", ray.get(ready))
    except (RayError, ConnectionError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise WorkerFailed(f"Ray: {said[-1]}") from error


@contextmanager
def _joined(ray: _Ray, address: str | None, cpus: int) -> Generator[None, None, None]:
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster of ours tells nobody
        ray.init(num_cpus=cpus, logging_level=logging.ERROR)
    else:
        ray.init(address, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()
