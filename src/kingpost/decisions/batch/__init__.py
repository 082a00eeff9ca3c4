"""Batch scoring: files of requests in, files of answers out, resumable and in parallel."""

from kingpost.decisions.batch.plan import (
    BatchChanged,
    BatchInUse,
    BatchOfPartitions,
    BatchPlan,
    BatchWorkerFailed,
    InputFile,
)
from kingpost.decisions.batch.run import BatchJob, BatchScored, score_batch

__all__ = [
    "BatchChanged",
    "BatchInUse",
    "BatchJob",
    "BatchOfPartitions",
    "BatchPlan",
    "BatchScored",
    "BatchWorkerFailed",
    "InputFile",
    "score_batch",
]
