"""Why a job is not taken, found or changed."""

from kingpost.core import KingpostError

__all__ = [
    "JobEnded",
    "JobKeyReused",
    "JobNotDead",
    "JobNotFound",
    "JobQueueUnfit",
    "JobStoreFailed",
    "JobStoreNewer",
    "JobStoreUnfit",
    "JobsFull",
]


class JobNotFound(KingpostError):
    """A job that the tenant does not have, or has no longer."""

    code = "job_not_found"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return "there is no job of this id; those that ended are kept for the time of `jobs_keep`"


class JobEnded(KingpostError):
    """A job that cannot be cancelled any more."""

    code = "job_ended"

    def __init__(self, identifier: str, state: str) -> None:
        super().__init__(identifier, state)
        self.identifier, self.state = identifier, state

    def __str__(self) -> str:
        return f"job {self.identifier} has ended as {self.state}; nothing is left to cancel"


class JobNotDead(KingpostError):
    """A job that is asked to be replayed, and was never given up."""

    code = "job_not_dead"

    def __init__(self, identifier: str, state: str) -> None:
        super().__init__(identifier, state)
        self.identifier, self.state = identifier, state

    def __str__(self) -> str:
        return f"job {self.identifier} is {self.state}; only dead jobs can be replayed"


class JobKeyReused(KingpostError):
    """An idempotency key under which another job was submitted."""

    code = "job_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return "another job was submitted under this Idempotency-Key; use a key for one job only"


class JobsFull(KingpostError):
    """More jobs than may wait."""

    code = "jobs_full"
    retry_safe = True

    def __init__(self, most: int, retry_after_s: int) -> None:
        super().__init__(most, retry_after_s)
        self.most, self.retry_after_s = most, retry_after_s

    def __str__(self) -> str:
        return f"{self.most:,} jobs wait already; retry after {self.retry_after_s} s"


class JobStoreFailed(KingpostError):
    """The database of jobs refused."""

    code = "job_store_failed"
    retry_safe = True

    def __init__(self, store: str, problem: str) -> None:
        super().__init__(store, problem)
        self.store, self.problem = store, problem

    def __str__(self) -> str:
        return f"the jobs in {self.store} cannot be reached: {self.problem}"


class JobStoreNewer(KingpostError):
    """Tables of jobs that a later version made."""

    code = "job_store_newer"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(found, known)
        self.found, self.known = found, known

    def __str__(self) -> str:
        return (
            f"the tables of jobs have format {self.found}, this version knows {self.known}; "
            "upgrade Kingpost"
        )


class JobStoreUnfit(KingpostError):
    """A setting `job_store` that names no store of jobs."""

    code = "job_store_unfit"

    def __str__(self) -> str:
        return "job_store must be a URL as postgresql://user:password@host:5432/database, or empty"


class JobQueueUnfit(KingpostError):
    """A setting `job_queue` that names no queue."""

    code = "job_queue_unfit"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"job_queue: {self.problem}"
