"""Stores of jobs in memory, SQLite and PostgreSQL, for contract tests."""

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kingpost.jobs import JobStore, MemoryJobs, NewJob, PostgresJobs, SqliteJobs
from tests.postgres import own_schema

__all__ = ["KINDS", "new_job", "opened_jobs"]

KINDS = ("memory", "sqlite", "postgres")


@contextmanager
def opened_jobs(kind: str, directory: Path) -> Generator[JobStore]:
    """Open a store of a kind; PostgreSQL is skipped where it does not answer."""
    match kind:
        case "memory":
            store: JobStore = MemoryJobs()
            yield store
            store.close()
        case "sqlite":
            store = SqliteJobs(directory / "jobs.sqlite")
            yield store
            store.close()
        case _:
            with own_schema() as (_, url):
                store = PostgresJobs(url)
                try:
                    yield store
                finally:
                    store.close()


def new_job(
    body: bytes = b"{}",
    *,
    tenant: str = "acme",
    decision: str = "fraud",
    priority: int = 5,
    key: str = "",
    webhook: str = "",
) -> NewJob:
    """Return a job with an id of its own."""
    return NewJob(
        str(uuid.uuid4()),
        tenant,
        decision,
        "shop",
        body,
        priority=priority,
        key=key,
        webhook=webhook,
    )
