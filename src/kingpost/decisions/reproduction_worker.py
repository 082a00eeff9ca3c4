"""The process that imports recorded source and trains its model again.

    python -m kingpost.decisions.reproduction_worker <directory with a job.json>

It writes what it made to `result.json` beside the job, by digest, and nothing anywhere else.
"""

from datetime import datetime, timedelta
from pathlib import Path

from kingpost.contracts import EPOCH
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions.application import load_application
from kingpost.decisions.bundle import read_bundle
from kingpost.decisions.errors import NotReproducible, UnknownDecision
from kingpost.decisions.recorded_source import work_on_job
from kingpost.decisions.reproduction import Remade, TrainingJob
from kingpost.decisions.sources import code_digest
from kingpost.decisions.train import read_all_histories
from kingpost.decisions.training import MistakeCosts, TrainingPlan, learn
from kingpost.journal import Position
from kingpost.models import OutOfTimeSplit
from kingpost.registry import ModelVersion, TrainingRecipe, digest_of

__all__ = ["run"]


def run(job: TrainingJob) -> Remade:
    """Train as a model version records that it was trained.

    Raises:
        KingpostError: Something on the way is not what it was.
    """
    disk, where = SystemDisk(), job.where.directory()
    control = where.control_log(disk=disk, clock=SystemClock())
    bundle = read_bundle(control.bundle(job.decision, job.bundle))
    application = load_application(Path(job.application))
    decision = application.decisions.get(job.decision)
    if decision is None:
        raise UnknownDecision(job.decision, tuple(application.decisions))
    version = next(
        one for one in control.models(bundle.model_name) if one.number == bundle.model_number
    )
    if version.recipe is None:
        raise NotReproducible(job.decision, job.bundle)
    histories, _ = read_all_histories(
        where, decision.streams, disk=disk, until=Position.parse(version.data.position)
    )
    learned = learn(
        decision,
        histories.of(version.data.tenant),
        _plan(version, version.recipe, job.threads),
        code=code_digest(application.sources),
    )
    return Remade(
        features=decision.features.digest,
        data=learned.data,
        rows=learned.rows,
        native=digest_of(learned.model.native) if learned.model.native else "",
        model=digest_of(learned.model.onnx),
        threshold=learned.threshold,
    )


def _plan(version: ModelVersion, recipe: TrainingRecipe, threads: int) -> TrainingPlan:
    costs = None
    if recipe.missed_cost is not None and recipe.false_alarm_cost is not None:
        costs = MistakeCosts(recipe.missed_cost, recipe.false_alarm_cost)
    start = None if recipe.train_from_us is None else _moment(recipe.train_from_us)
    return TrainingPlan(
        split=OutOfTimeSplit(
            train_until=_moment(recipe.train_until_us),
            test_from=_moment(recipe.test_from_us),
            test_to=_moment(recipe.test_to_us),
            train_from=start,
        ),
        known_until_us=version.data.known_until_us,
        entity=recipe.entity or None,
        costs=costs,
        threads=threads,
    )


def _moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


if __name__ == "__main__":
    work_on_job(TrainingJob, run)
