"""The process that imports a champion's recorded source and scores requests by it.

    python -m kingpost.decisions.champion_worker <directory with a job.json>

It writes the scores to `result.json` beside the job, and nothing anywhere else.
"""

from pathlib import Path

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions.application import load_application
from kingpost.decisions.bundle import check_bundle, read_bundle
from kingpost.decisions.champion_scores import KeyedScores, ScoringJob
from kingpost.decisions.errors import UnknownDecision
from kingpost.decisions.recorded_source import work_on_job
from kingpost.decisions.scorers import all_scores, model_of
from kingpost.decisions.train import read_all_histories
from kingpost.decisions.training import labelled_period
from kingpost.journal import Position

__all__ = ["run"]


def run(job: ScoringJob) -> KeyedScores:
    """Score the labelled requests of a time.

    Raises:
        KingpostError: Something on the way is not what it was.
    """
    disk, where = SystemDisk(), job.where.directory()
    store = where.artefacts(disk=disk)
    control = where.control_log(disk=disk, clock=SystemClock())
    bundle = read_bundle(control.bundle(job.decision, job.bundle))
    application = load_application(Path(job.application))
    decision = application.decisions.get(job.decision)
    if decision is None:
        raise UnknownDecision(job.decision, tuple(application.decisions))
    check_bundle(bundle, application, decision, store)
    histories, _ = read_all_histories(
        where, decision.streams, disk=disk, until=Position.parse(job.position)
    )
    period = labelled_period(decision, histories.of(job.tenant), job.period_us, threads=job.threads)
    scores = all_scores(model_of(decision, store.get(bundle.model)), period.data)
    keys = period.requests.events.values(decision.request.key.name)
    named = [key for key in keys if isinstance(key, str | int)]  # a key is always there
    return KeyedScores(keys=named, scores=scores.astype("<f8").tobytes())


if __name__ == "__main__":
    work_on_job(ScoringJob, run)
