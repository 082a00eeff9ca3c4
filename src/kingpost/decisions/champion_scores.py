"""A champion's scores of requests, where it computes other features than those declared now.

The rule: they are what its own source computes and its own model says, from the same events, so
a paired test stays one of pairs when features change. The recorded source runs in a process of
its own, see `run_recorded`.
"""

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Column, Texts
from kingpost.decisions.bundle import Bundle
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import ReplayFailed
from kingpost.decisions.labels import last_rows_of
from kingpost.decisions.recorded_source import WorkPlace, run_recorded, work_place
from kingpost.registry import ArtefactStore

__all__ = ["KeyedScores", "ScoringJob", "Source", "champion_scores"]

_WORKER = "kingpost.decisions.champion_worker"


class Source(NamedTuple):
    """Where the rows that are judged come from.

    Attributes:
        position: How far the journal was read, as text.
        period_us: The time of the requests: its start, and its end, which none reaches.
    """

    where: DataDirectory
    tenant: str
    position: str
    period_us: tuple[int, int]
    threads: int = 1


class ScoringJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that scores is told.

    Attributes:
        application: The unpacked application's file.
    """

    where: WorkPlace
    decision: str
    bundle: str
    application: str
    tenant: str
    position: str
    period_us: tuple[int, int]
    threads: int


class KeyedScores(msgspec.Struct, frozen=True, kw_only=True):
    """Scores by the key of their request.

    Attributes:
        scores: float64, little-endian, one per key.
    """

    keys: list[str | int]
    scores: bytes


def champion_scores(
    champion: Bundle, store: ArtefactStore, source: Source, keys: Column
) -> NDArray[np.float64]:
    """Score requests by a bundle's own source and model, float64, shape (rows,).

    Args:
        keys: Of the requests wanted.

    Raises:
        ReplayFailed: Its source does not run, or it has no score for one of the requests.
        ArtefactMissing, ArtefactCorrupt: Its source was altered.
    """

    def job(application: Path) -> ScoringJob:
        return ScoringJob(
            where=work_place(source.where),
            decision=champion.decision,
            bundle=champion.digest,
            application=str(application),
            tenant=source.tenant,
            position=source.position,
            period_us=source.period_us,
            threads=source.threads,
        )

    return _of_keys(champion, run_recorded(champion, store, _WORKER, job, KeyedScores), keys)


def _of_keys(champion: Bundle, found: KeyedScores, keys: Column) -> NDArray[np.float64]:
    rows = last_rows_of(_column(found.keys), keys)
    missing = int(np.count_nonzero(rows < 0))
    if missing:
        raise ReplayFailed(
            champion.decision, champion.digest, f"it gives no score to {missing} of the requests"
        )
    return np.frombuffer(found.scores, "<f8")[rows]


def _column(keys: list[str | int]) -> Column:
    texts = [key for key in keys if isinstance(key, str)]
    if texts:
        return Texts(np.arange(len(texts), dtype=np.int32), texts)
    return np.array(keys, np.int64)
