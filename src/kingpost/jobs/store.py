"""The store of jobs: the one truth of what is to be decided and what came of it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from kingpost.calls import DeadLetters, Outbox
from kingpost.jobs.job import Job, JobBacklog, JobQuery, NewJob, Settlement

__all__ = ["JobStore", "Submitted"]


class Submitted(NamedTuple):
    """A job that is kept; `is_repeat` when an earlier submission made it."""

    job: Job
    is_repeat: bool


class JobStore(Protocol):
    """Jobs of all tenants. Times are UTC microseconds since 1970; each call is a transaction.

    Raises:
        JobStoreFailed: The database refused.
    """

    @property
    def outbox(self) -> Outbox:
        """What webhooks are to be told, kept with the jobs."""
        ...

    @property
    def dead_letters(self) -> DeadLetters:
        """What webhooks could not be told."""
        ...

    def submit(self, new: NewJob, *, now_us: int) -> Submitted:
        """Keep a job; under the key of an earlier one, return that one.

        Raises:
            JobKeyReused: The earlier one is another.
        """
        ...

    def get(self, tenant: str, identifier: str) -> Job | None:
        """Return a job; None when the tenant has none of that id."""
        ...

    def running(self, identifier: str) -> Job | None:
        """Return a job of any tenant that is running; None when it is not."""
        ...

    def find(self, tenant: str, query: JobQuery) -> Sequence[Job]:
        """List jobs of a tenant, the newest first."""
        ...

    def claim(self, by: str, *, now_us: int, until_us: int, limit: int) -> Sequence[Job]:
        """Take jobs that are due, by priority, then the longest due; also lost ones."""
        ...

    def renew(self, by: str, identifiers: Sequence[str], *, until_us: int) -> int:
        """Keep jobs until a later time; return how many of them are still this worker's."""
        ...

    def settle(self, by: str, settlements: Sequence[Settlement], *, now_us: int) -> Sequence[Job]:
        """Note what became of jobs; return those that were still this worker's, as they are now.

        A job that ended tells its webhook, in the same transaction.
        """
        ...

    def cancel(self, tenant: str, identifier: str, *, now_us: int) -> Job:
        """Cancel a job that waits; one that runs gets no further attempt.

        Raises:
            JobNotFound: The tenant has none of that id.
            JobEnded: It has ended otherwise.
        """
        ...

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> Job:
        """Let a dead job wait again, as if it had never been tried.

        Raises:
            JobNotFound: The tenant has none of that id.
            JobNotDead: It is not dead.
        """
        ...

    def backlog(self) -> Sequence[JobBacklog]:
        """Count the jobs of all tenants that wait, run or are dead."""
        ...

    def prune(self, *, before_us: int) -> int:
        """Forget jobs that ended before a time; return how many."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
