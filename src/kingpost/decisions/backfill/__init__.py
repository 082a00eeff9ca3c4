"""Backfill in parts: many requests of the past, cut into shards, resumable and in parallel."""

from kingpost.decisions.backfill.directory import BackfillInUse
from kingpost.decisions.backfill.plan import BackfillChanged
from kingpost.decisions.backfill.processes import WorkerFailed
from kingpost.decisions.backfill.run import Backfilled, BackfillJob, backfill_parts
from kingpost.decisions.backfill.shard import PastRequests, read_past_requests, write_features

__all__ = [
    "BackfillChanged",
    "BackfillInUse",
    "BackfillJob",
    "Backfilled",
    "PastRequests",
    "WorkerFailed",
    "backfill_parts",
    "read_past_requests",
    "write_features",
]
