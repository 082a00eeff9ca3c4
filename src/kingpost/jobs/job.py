"""Jobs: decisions that were asked for and are made later.

The rule: a job ends exactly once, as done, dead or cancelled. Done means that its decision is
on record; dead, that it was given up and can be replayed; cancelled, that no answer was made.
A lost lease is no failed attempt: the worker may have been killed for reasons that are not
the job's, so that it is counted apart and has a limit of its own.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Literal, NamedTuple

__all__ = [
    "HIGHEST_PRIORITY",
    "LOWEST_PRIORITY",
    "Decided",
    "Job",
    "JobBacklog",
    "JobPolicy",
    "JobQuery",
    "JobState",
    "NewJob",
    "Settlement",
]

HIGHEST_PRIORITY = 0
LOWEST_PRIORITY = 9


class JobState(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class NewJob:
    """What somebody wants decided.

    Attributes:
        id: A UUID; with it the decision's record is found again, however often it is made.
        principal: Who asked, as it stands in the record.
        priority: 0 to 9; a lower number goes first.
        key: The idempotency key of the submission; empty for none.
        webhook: The name of the receiver that is told of its end; empty for none.
        request: What tells one request from another where equal ones have other bodies, since
            they are encrypted; empty where the body does.
    """

    id: str
    tenant: str
    decision: str
    principal: str
    body: bytes = field(repr=False)
    trace_id: str = ""
    session: str = ""
    priority: int = 5
    key: str = ""
    webhook: str = ""
    request: bytes = field(default=b"", repr=False)

    @property
    def digest(self) -> str:
        """What two submissions under one key must have in common."""
        facts = (self.decision, self.session, str(self.priority), self.webhook)
        return sha256("\n".join(facts).encode() + b"\n" + (self.request or self.body)).hexdigest()


@dataclass(frozen=True)
class Job:
    """A job as it is kept. Times are UTC microseconds since 1970, 0 for not yet.

    Attributes:
        body: The request; empty once it is done or cancelled.
        attempts: How often deciding failed.
        lost: How often a worker's lease ran out before it said what came of it.
        record: The id of the decision's record.
        answer: What the caller would have got, as JSON.
        is_cancelled: Somebody wants no further attempt.
        started_us: When a worker first took it.
        due_us: When it may be taken; while it runs, when its lease ends.
        version: Grows with each change.
        place: Its number in the store.
    """

    place: int
    id: str
    tenant: str
    decision: str
    principal: str
    trace_id: str
    session: str
    body: bytes = field(repr=False)
    digest: str = field(repr=False)
    priority: int
    webhook: str
    state: JobState
    attempts: int
    lost: int
    reason: str
    record: str
    answer: bytes = field(repr=False)
    is_cancelled: bool
    created_us: int
    started_us: int
    due_us: int
    ended_us: int
    version: int

    @property
    def decision_key(self) -> str:
        """The idempotency key of its decision: made twice, it is the same record."""
        return f"job:{self.id}"


class Decided(NamedTuple):
    """What came of deciding a job once.

    Attributes:
        kind: `done`: there is a record; `failed`: an attempt; `refused`: it can never be
            decided; `held`: it was not tried, and this is no attempt; `unknown`: it may have
            been decided, nobody said; `gone`: it is no longer this worker's.
        wait_s: The least wait before the next try.
    """

    kind: Literal["done", "failed", "refused", "held", "unknown", "gone"]
    record: str = ""
    answer: bytes = b""
    reason: str = ""
    wait_s: float = 0.0


class Settlement(NamedTuple):
    """What becomes of a job that a worker holds.

    Attributes:
        state: `running` leaves it to whoever takes it when it is due, as a lost lease.
        attempts: Failed attempts, this one with them.
    """

    job: Job
    state: JobState
    attempts: int
    due_us: int
    reason: str = ""
    record: str = ""
    answer: bytes = b""


class JobQuery(NamedTuple):
    """Which jobs of a tenant, the newest first.

    Attributes:
        decisions: Of these alone; None for all.
        before: Those with a smaller place.
    """

    state: JobState | None = None
    decisions: tuple[str, ...] | None = None
    before: int | None = None
    limit: int = 50


class JobBacklog(NamedTuple):
    """How many jobs of a decision are in a state, and since when the oldest is there."""

    decision: str
    state: JobState
    number: int
    oldest_us: int


@dataclass(frozen=True)
class JobPolicy:
    """How jobs are worked on.

    Attributes:
        waits_s: Before each further attempt; after the last the job is dead.
        most_lost: So many leases may be lost; one more and the job is dead.
        lease_s: How long a worker has a job without a sign of life; longer than the clocks of
            machines differ.
        batch: So many jobs are taken at a time.
        poll_s: How often a worker that hears nothing looks into the store.
        held_s: The least wait when the server takes no work.
    """

    waits_s: tuple[float, ...] = (1.0, 5.0, 30.0, 120.0)
    most_lost: int = 50
    lease_s: float = 30.0
    batch: int = 16
    poll_s: float = 1.0
    held_s: float = 1.0
