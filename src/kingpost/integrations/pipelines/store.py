"""Where the runs of pipelines are kept: what a store of them can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kingpost.core import KingpostError

__all__ = ["PipelineRun", "RunStore", "RunStoreFailed"]


class RunStoreFailed(KingpostError):
    """The runs of pipelines could not be read or written.

    Safe to retry: a run that is not on record is made again, and brings nothing twice.
    """

    code = "run_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the runs of the pipelines: {self.reason}; see `kingpost doctor`"


@dataclass(frozen=True, kw_only=True)
class PipelineRun:
    """One reading of a source; times are microseconds UTC.

    Attributes:
        rows: Rows seen: accepted + duplicates + refused.
        newest_us: Event time of the newest row that kept the contract, ahead of the clock
            left out; None without one.
        problem: Why it failed, with the error's code; empty when it did not.
    """

    pipeline: str
    tenant: str
    started_us: int
    finished_us: int
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    newest_us: int | None = None
    problem: str = ""

    @property
    def is_failed(self) -> bool:
        """Whether it ended before the source did."""
        return bool(self.problem)


class RunStore(Protocol):
    """Runs of pipelines, tenant by tenant. Every call may raise `RunStoreFailed`."""

    def add(self, run: PipelineRun) -> None:
        """Store a run, durably."""
        ...

    def latest(self, tenant: str, pipeline: str, limit: int = 1) -> Sequence[PipelineRun]:
        """Return the newest runs, newest first."""
        ...

    def newest_event_us(self, tenant: str, pipeline: str) -> int | None:
        """Return the event time of the newest event that any run brought."""
        ...

    def known_since_us(self, tenant: str, pipeline: str, now_us: int) -> int:
        """Return when a pipeline was first asked for: now, durably, if it never was."""
        ...

    def tenants(self, pipeline: str) -> Sequence[str]:
        """Return the tenants that have runs of a pipeline, sorted."""
        ...

    def failures(self, tenant: str, pipeline: str) -> int:
        """Count the runs that failed since the last one that did not."""
        ...
