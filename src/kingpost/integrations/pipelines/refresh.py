"""One run of a pipeline: read its source, hand the rows on, keep what became of it.

The rule: a run is on record however it ended, and one that is cut short is completed by
the next: rows that are held count as duplicates.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from kingpost.contracts import ColumnBatch, Contract, Event
from kingpost.core import Clock, KingpostError
from kingpost.integrations.ingest import IngestReport, ingest_chunks
from kingpost.integrations.intake import Intake
from kingpost.integrations.pipelines.declaration import Pipeline
from kingpost.integrations.pipelines.store import PipelineRun, RunStore
from kingpost.integrations.reading import Chunk

__all__ = ["Sink", "Taken", "intake_sink", "refresh"]

_AHEAD_US = 86_400_000_000
"""An event time further ahead of the clock is somebody's mistake, and makes nothing fresh."""


class Taken(NamedTuple):
    """What became of the rows of a run, so far or in the end."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0


class Sink(Protocol):
    """Where rows go: into the journal, or to a running server's API."""

    def __call__(
        self,
        contract: Contract[Event],
        chunks: Iterator[Chunk],
        source: str,
        on_progress: Callable[[Taken], None],
    ) -> None:
        """Take all rows; what is told to `on_progress` is durable."""
        ...


def intake_sink(intake: Intake, tenant: str) -> Sink:
    """Hand rows to the journal; for the process that has it open for writing."""

    def take(
        contract: Contract[Event],
        chunks: Iterator[Chunk],
        source: str,
        on_progress: Callable[[Taken], None],
    ) -> None:
        def told(report: IngestReport, share: float) -> None:
            del share
            on_progress(Taken(report.rows, report.accepted, report.duplicates, report.quarantined))

        ingest_chunks(intake, contract, chunks, tenant=tenant, source=source, on_progress=told)

    return take


def refresh(
    declared: Pipeline,
    sink: Sink,
    runs: RunStore,
    *,
    tenant: str,
    clock: Clock,
    on_progress: Callable[[Taken], None] = lambda taken: None,
) -> PipelineRun:
    """Run a pipeline once, and keep the run; a failed one is returned, not raised.

    Raises:
        RunStoreFailed: The run could not be kept. What was read is in the journal.
    """
    started_us = clock.now_us()
    newest_us = runs.newest_event_us(tenant, declared.name)
    since_us = 0 if newest_us is None else newest_us - declared.overlap_us
    newest = _Newest(declared.contract, clock.now_us() + _AHEAD_US)
    taken = Taken()

    def told(now: Taken) -> None:
        nonlocal taken
        taken = now
        on_progress(now)

    problem = ""
    try:
        chunks = newest.watch(
            declared.source.read(declared.contract, since_us, Path(declared.place.file).parent)
        )
        sink(declared.contract, chunks, f"{declared.name}: {declared.source.name}", told)
    except KingpostError as error:
        problem = f"{error.code}: {error}"
    run = PipelineRun(
        pipeline=declared.name,
        tenant=tenant,
        started_us=started_us,
        finished_us=clock.now_us(),
        rows=taken.rows,
        accepted=taken.accepted,
        duplicates=taken.duplicates,
        refused=taken.refused,
        newest_us=newest.durable_us,
        problem=problem,
    )
    runs.add(run)
    return run


class _Newest:
    """The newest event time of the chunks that were taken whole."""

    def __init__(self, contract: Contract[Event], latest_us: int) -> None:
        self._time, self._latest_us = contract.event_time.name, latest_us
        self.durable_us: int | None = None

    def watch(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            found = self._newest(chunk.batch)
            yield chunk
            # asked for the next one: the sink has made this one durable
            if found is not None:
                self.durable_us = max(found, self.durable_us or found)

    def _newest(self, batch: ColumnBatch) -> int | None:
        times = batch.numbers(self._time).astype(np.int64)
        times = times[times <= self._latest_us]
        return int(times.max()) if len(times) else None
