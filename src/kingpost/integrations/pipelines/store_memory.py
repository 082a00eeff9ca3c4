"""Runs of pipelines in memory, for tests and for looking ahead."""

from collections.abc import Sequence
from itertools import takewhile

from kingpost.integrations.pipelines.store import PipelineRun

__all__ = ["MemoryRuns"]


class MemoryRuns:
    """A `RunStore` that forgets everything with the process."""

    def __init__(self) -> None:
        self._runs: list[PipelineRun] = []
        self._known: dict[tuple[str, str], int] = {}

    def add(self, run: PipelineRun) -> None:
        self._runs.append(run)

    def latest(self, tenant: str, pipeline: str, limit: int = 1) -> Sequence[PipelineRun]:
        return self._newest_first(tenant, pipeline)[:limit]

    def newest_event_us(self, tenant: str, pipeline: str) -> int | None:
        runs = self._newest_first(tenant, pipeline)
        return max((run.newest_us for run in runs if run.newest_us is not None), default=None)

    def known_since_us(self, tenant: str, pipeline: str, now_us: int) -> int:
        return self._known.setdefault((tenant, pipeline), now_us)

    def tenants(self, pipeline: str) -> Sequence[str]:
        return sorted({run.tenant for run in self._runs if run.pipeline == pipeline})

    def failures(self, tenant: str, pipeline: str) -> int:
        runs = self._newest_first(tenant, pipeline)
        return sum(1 for _ in takewhile(lambda run: run.is_failed, runs))

    def _newest_first(self, tenant: str, pipeline: str) -> list[PipelineRun]:
        return [
            run for run in reversed(self._runs) if (run.tenant, run.pipeline) == (tenant, pipeline)
        ]
