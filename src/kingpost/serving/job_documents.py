"""Jobs as JSON, and what asks for them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from kingpost.jobs import HIGHEST_PRIORITY, LOWEST_PRIORITY, Decided, Job
from kingpost.serving.review_documents import moment

__all__ = [
    "JobDecidedDocument",
    "JobDocument",
    "JobQueryDocument",
    "JobsDocument",
    "SubmitQuery",
    "job_decided_document",
    "job_document",
]

_State = Literal["queued", "running", "done", "dead", "cancelled"]
_Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]


class SubmitQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What may be said of a job beside its request.

    Attributes:
        priority: A lower number goes first.
        webhook: The name of a receiver, as configured.
    """

    priority: Annotated[int, Meta(ge=HIGHEST_PRIORITY, le=LOWEST_PRIORITY)] = 5
    webhook: _Name | UnsetType = UNSET


class JobQueryDocument(msgspec.Struct, forbid_unknown_fields=True):
    """Which jobs.

    Attributes:
        after: `next` of the page before.
    """

    state: _State | UnsetType = UNSET
    decision: _Name | UnsetType = UNSET
    after: Annotated[str, Meta(pattern=r"^[0-9]{0,15}$")] = ""
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class JobDocument(msgspec.Struct):
    """A job.

    Attributes:
        attempts: How often deciding failed.
        lost: How often a worker was lost that had it.
        cancelling: Somebody wants no further attempt.
        record: The id of the decision's record.
        answer: What the decision answered; null until it is done.
    """

    id: str
    decision: str
    state: _State
    priority: int
    attempts: int
    lost: int
    cancelling: bool
    reason: str
    record: str | None
    answer: msgspec.Raw
    webhook: str | None
    submitted: str
    started: str | None
    ended: str | None
    version: int


class JobsDocument(msgspec.Struct):
    """A page of jobs, the newest first; `next` is null on the last one."""

    jobs: list[JobDocument]
    next: str | None


class JobDecidedDocument(msgspec.Struct):
    """What came of deciding a job once, for the worker that holds it."""

    kind: Literal["done", "failed", "refused", "held", "unknown", "gone"]
    record: str
    answer: msgspec.Raw
    reason: str
    wait_s: float


def job_document(job: Job) -> JobDocument:
    """Show a job."""
    return JobDocument(
        id=job.id,
        decision=job.decision,
        state=job.state.value,
        priority=job.priority,
        attempts=job.attempts,
        lost=job.lost,
        cancelling=job.is_cancelled and not job.state.is_end,
        reason=job.reason,
        record=job.record or None,
        answer=msgspec.Raw(job.answer or b"null"),
        webhook=job.webhook or None,
        submitted=moment(job.created_us),
        started=moment(job.started_us) if job.started_us else None,
        ended=moment(job.ended_us) if job.ended_us else None,
        version=job.version,
    )


def job_decided_document(came: Decided) -> JobDecidedDocument:
    """Show what came of a job."""
    return JobDecidedDocument(
        came.kind, came.record, msgspec.Raw(came.answer or b"null"), came.reason, came.wait_s
    )
