"""The process that imports recorded source and decides its records again.

    python -m kingpost.decisions.replay_worker <directory with a job.json>

It writes its findings to `result.json` beside the job; what the recorded source prints
does not mix with them.
"""

from pathlib import Path

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions.application import load_application
from kingpost.decisions.bundle import check_bundle, read_bundle
from kingpost.decisions.comparison import Comparison, compare, read_past
from kingpost.decisions.errors import UnknownDecision
from kingpost.decisions.recorded_source import work_on_job
from kingpost.decisions.reference import profile_of_bundle
from kingpost.decisions.replay_job import Job
from kingpost.decisions.scorers import ready_model
from kingpost.decisions.subjects import opened_subjects

__all__ = ["run"]


def run(job: Job) -> Comparison:
    """Compare the records that a job names.

    Raises:
        KingpostError: Something on the way is not what it was.
    """
    disk = SystemDisk()
    where = job.where.directory()
    store = where.artefacts(disk=disk)
    control = where.control_log(disk=disk, clock=SystemClock())
    bundle = read_bundle(control.bundle(job.decision, job.bundle))
    application = load_application(Path(job.application))
    decision = application.decisions.get(job.decision)
    if decision is None:
        raise UnknownDecision(job.decision, tuple(application.decisions))
    check_bundle(bundle, application, decision, store)
    profile = profile_of_bundle(control, store, bundle)
    scorer = ready_model(decision, store.get(bundle.model), profile).scorer
    with opened_subjects(where, decision.streams):
        past = read_past(
            where.data,
            decision,
            bytes.fromhex(job.bundle),
            disk=disk,
            only=None if job.only is None else bytes.fromhex(job.only),
            selection=job.selection,
            stop=job.stop,
            partitions=where.partitions,
        )
        return compare(decision, bundle, scorer, past, partition=where.data.name)


if __name__ == "__main__":
    work_on_job(Job, run)
