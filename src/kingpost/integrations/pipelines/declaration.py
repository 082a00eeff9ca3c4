"""What a pipeline is, when it is due, and when what it brings is stale.

    limits = kp.pipeline(profiles, FileSource("warehouse/*.parquet"), every="1d")

The rule for stale: what counts is the newest event that it ever brought, not whether it
ran. A source that goes on answering and brings nothing new is the failure to find.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from kingpost.contracts import Contract, Event
from kingpost.core import BadDuration, KingpostError, Place, caller_place, duration_us
from kingpost.integrations.pipelines.store import PipelineRun
from kingpost.integrations.reading import Chunk

__all__ = [
    "Pipeline",
    "Source",
    "WrongPipeline",
    "due_us",
    "fresh_until_us",
    "is_stale",
    "pipeline",
]

_FIRST_RETRY_US = 60_000_000


class WrongPipeline(KingpostError):
    """A pipeline declaration that cannot work; it names the line and the mend."""

    code = "wrong_pipeline"

    def __init__(self, problem: str, mend: str, place: Place) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  {self.problem}; {self.mend}"


class Source(Protocol):
    """Where rows come from. Its columns are the contract's fields, or are mapped to them."""

    @property
    def name(self) -> str:
        """What errors, the quarantine and the list of runs call it; no secrets in it."""
        ...

    @property
    def is_incremental(self) -> bool:
        """Whether it can be asked for rows since a time."""
        ...

    def read(self, contract: Contract[Event], since_us: int, beside: Path) -> Iterator[Chunk]:
        """Yield its rows, checked.

        Args:
            since_us: Rows of events before it may be left out.
            beside: The folder of the file that declares it; relative paths count from there.

        Raises:
            UnreadableSource: It cannot be read, or not to its end.
            SchemaMismatch: Its columns do not fit the contract.
        """
        ...


class HasContract(Protocol):
    """A stream, as `kp.stream` makes it."""

    @property
    def contract(self) -> Contract[Event]:
        """What its events keep."""
        ...


@dataclass(frozen=True)
class Pipeline:
    """A source that is read into a stream, again and again.

    Attributes:
        contract: What its rows must keep.
        every_us: How long after the beginning of a run the next one is due.
        stale_after_us: How old the newest event may become.
        overlap_us: How far before the newest event an incremental source is read again.
    """

    name: str
    contract: Contract[Event]
    source: Source
    every_us: int
    stale_after_us: int
    overlap_us: int
    place: Place


def pipeline(
    stream: HasContract,
    source: Source,
    *,
    every: str | timedelta,
    stale_after: str | timedelta | None = None,
    overlap: str | timedelta = "0s",
    name: str | None = None,
) -> Pipeline:
    """Declare that a source is read into a stream on a schedule.

    A row whose key is held is dropped, so a source may be read whole each time. A row of a
    daily vector needs a key of its own for each day.

    Args:
        every: How long after the beginning of a run the next one is due.
        stale_after: How old the newest event may become before the pipeline counts as
            stale; twice `every` by default.
        overlap: How far before the newest event an incremental source is read again, for
            rows that reach it late.
        name: The stream's name by default.

    Raises:
        WrongPipeline: A length of time is none, or zero where it must not be; an overlap
            for a source that is read whole.
    """
    place = caller_place()
    try:
        every_us, overlap_us = duration_us(every), duration_us(overlap)
        stale_us = 2 * every_us if stale_after is None else duration_us(stale_after)
    except BadDuration as error:
        raise WrongPipeline(str(error), "write it so", place) from error
    if every_us == 0 or stale_us == 0:
        raise WrongPipeline(
            "`every` and `stale_after` are longer than zero", 'as in every="1d"', place
        )
    if overlap_us and not source.is_incremental:
        raise WrongPipeline(
            f"{source.name} is read whole each time, so there is nothing to overlap",
            "leave `overlap` out, or make the source incremental",
            place,
        )
    called = stream.contract.name if name is None else name
    return Pipeline(called, stream.contract, source, every_us, stale_us, overlap_us, place)


def due_us(declared: Pipeline, latest: PipelineRun | None, failures: int) -> int:
    """Return when the next run is due; 0 when there was none.

    After a failure the wait begins with a minute and doubles, up to the usual one.

    Args:
        latest: The newest run.
        failures: How many runs failed since the last one that did not.
    """
    if latest is None:
        return 0
    if failures:
        patience = _FIRST_RETRY_US * 2 ** min(failures - 1, 40)
        return latest.finished_us + min(patience, declared.every_us)
    return latest.started_us + declared.every_us


def fresh_until_us(declared: Pipeline, newest_us: int | None, known_since_us: int) -> int:
    """Return until when a pipeline is fresh.

    Args:
        newest_us: Event time of the newest event that it ever brought.
        known_since_us: When it was first heard of: one that brought nothing yet has its time
            from then on.
    """
    return (known_since_us if newest_us is None else newest_us) + declared.stale_after_us


def is_stale(
    declared: Pipeline, newest_us: int | None, now_us: int, known_since_us: int | None = None
) -> bool:
    """Say whether the newest event that a pipeline ever brought is too old.

    Args:
        known_since_us: See `fresh_until_us`; None gives one that brought nothing no time.
    """
    if newest_us is None and known_since_us is None:
        return True
    return now_us > fresh_until_us(declared, newest_us, known_since_us or 0)
