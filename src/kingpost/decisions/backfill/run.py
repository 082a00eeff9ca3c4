"""A backfill in parts from its beginning, or from where it was left, to its end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from kingpost.core import Disk
from kingpost.decisions.application import Application
from kingpost.decisions.backfill.directory import PartsDirectory
from kingpost.decisions.backfill.on_ray import ray_shards
from kingpost.decisions.backfill.plan import BackfillOfPartitions, BackfillPlan
from kingpost.decisions.backfill.processes import Task, absolute, process_shards
from kingpost.decisions.backfill.shard import PastRequests, read_past_requests
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.sources import code_digest

__all__ = ["BackfillJob", "Backfilled", "backfill_parts"]


@dataclass(frozen=True, kw_only=True)
class BackfillJob:
    """What to backfill, and by whom.

    Attributes:
        rows_per_part: Rows of each part; part of the plan, as who computes it is not.
        threads: For the kernel, of each worker.
        ray_address: Of a cluster that runs; a local one is started without.
    """

    application: Application
    decision: Decision
    tenant: str
    rows_per_part: int
    workers: int
    threads: int
    on: Literal["processes", "ray"] = "processes"
    ray_address: str | None = None


@dataclass(frozen=True)
class Backfilled:
    """What came of it.

    Attributes:
        resumed: Parts that an earlier run had left.
    """

    plan: BackfillPlan
    resumed: int


def backfill_parts(
    job: BackfillJob,
    where: DataDirectory,
    out: Path,
    *,
    disk: Disk,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Backfilled:
    """Compute the features of every past request of a decision into a directory of parts.

    What an earlier run left there is continued, as of the journal that it saw.

    Args:
        on_progress: Told how many rows are done, and of how many.

    Raises:
        BackfillChanged: The directory holds another backfill, or the journal is another.
        BackfillOfPartitions: The events lie in several partitions.
        BackfillInUse: Another process fills it.
        ExtraMissing: Ray is asked for and not installed.
        WorkerFailed: A worker ended early; what is there can be continued.
        KingpostError: The journal cannot be read.
    """
    if where.listed:
        raise BackfillOfPartitions
    directory = PartsDirectory(out, disk=disk)
    with directory.claimed():
        plan, past = _planned(job, where, directory, disk)
        missing = directory.missing(plan)
        rows = plan.requests - sum(_size(plan, part) for part in missing)
        on_progress(rows, plan.requests)
        if missing:
            for part in _computed(job, where, directory, plan, past, missing, disk):
                rows += _size(plan, part)
                on_progress(rows, plan.requests)
    return Backfilled(plan, plan.parts - len(missing))


def _planned(
    job: BackfillJob, where: DataDirectory, directory: PartsDirectory, disk: Disk
) -> tuple[BackfillPlan, PastRequests | None]:
    """Go on with the plan that is there, or make one over the journal as it is now."""
    asked = BackfillPlan(
        decision=job.decision.name,
        tenant=job.tenant,
        features=job.decision.features.digest,
        sources=code_digest(job.application.sources),
        version=metadata.version("kingpost"),
        stop=0,
        requests=0,
        rows_per_part=job.rows_per_part,
    )
    begun = directory.plan()
    if begun is not None:
        begun.check_same(asked, directory.path)
        return begun, None
    past = read_past_requests(where, job.decision, job.tenant, disk=disk)
    plan = asked.over(past.stop, len(past), past.erasures)
    directory.begin(plan)
    return plan, past


def _computed(
    job: BackfillJob,
    where: DataDirectory,
    directory: PartsDirectory,
    plan: BackfillPlan,
    past: PastRequests | None,
    missing: Sequence[int],
    disk: Disk,
) -> Iterator[int]:
    if job.on == "processes":
        task = Task(
            data_dir=absolute(where.root),
            partition=where.partition,
            application=absolute(job.application.root / job.application.path),
            out=absolute(directory.path),
            plan=plan,
            threads=job.threads,
            key_store=where.key_store,
        )
        yield from process_shards(task, missing, job.workers)
        return
    if past is None:
        past = read_past_requests(where, job.decision, job.tenant, disk=disk, stop=plan.stop)
        found = plan.over(past.stop, len(past), past.erasures)
        plan.check_journal(found, directory.path)
    for part, body in ray_shards(
        job.application, past, plan, missing, job.workers,
        threads=job.threads, address=job.ray_address,
    ):  # fmt: skip
        directory.place_bytes(part, body)
        yield part


def _size(plan: BackfillPlan, part: int) -> int:
    first, after = plan.rows_of(part)
    return after - first
