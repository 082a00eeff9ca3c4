"""`kingpost evaluate`: judge a bundle by its evaluation gates on rows of the journal.

The rule: never on rows that the model learned from. Training judges by itself, on what it held
out; this judges a bundle again, on later rows, or for the first time a model that was imported.
"""

from dataclasses import dataclass
from datetime import datetime

from kingpost.contracts import Instant, microseconds
from kingpost.core import Clock, Disk
from kingpost.decisions.application import Application
from kingpost.decisions.bundle import Bundle, check_bundle, read_bundle
from kingpost.decisions.champion_scores import Source
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.environment import present_environment
from kingpost.decisions.errors import NoGates, NotHeldOut
from kingpost.decisions.gating import Judging, note_gates
from kingpost.decisions.registering import made_with
from kingpost.decisions.scorers import all_scores, model_of
from kingpost.decisions.train import read_all_histories
from kingpost.decisions.training import judged_rows, labelled_period
from kingpost.models import BadSplit, Progress, RowsToJudge, every_row, quiet
from kingpost.registry import BundleEvaluation, ControlLog, ModelVersion, TrainingRecipe

__all__ = ["EvaluationPlan", "evaluate_bundle"]


@dataclass(frozen=True)
class EvaluationPlan:
    """Which rows a bundle is judged on.

    Attributes:
        test_from, test_to: Requests from the one moment until before the other; both None are
            those that training held out.
        judged: Which of them count.
        entity: Field of the request that says whom it is about, where `judged` asks.
        threads: For the features; values do not depend on it.
    """

    test_from: datetime | None = None
    test_to: datetime | None = None
    judged: RowsToJudge = every_row
    entity: str | None = None
    threads: int = 1


def evaluate_bundle(
    application: Application,
    decision: Decision,
    where: DataDirectory,
    digest: str,
    plan: EvaluationPlan,
    *,
    tenant: str,
    by: str,
    disk: Disk,
    clock: Clock,
    progress: Progress = quiet,
) -> BundleEvaluation:
    """Judge a bundle by its decision's gates and write what came of it.

    Args:
        digest: The bundle's, or the beginning of it.
        by: Who judges.
        progress: Told of the stages read, features, gates.

    Raises:
        NoGates: The bundle has none.
        BundleMismatch: It is of other code, or other gates, than those that are declared now.
        NotHeldOut: The model may have learned from the rows.
        NothingToLearn: No request of the time has a label.
        KingpostError: See `read_all_histories` and `note_gates`.
    """
    store, control = where.artefacts(disk=disk), where.control_log(disk=disk, clock=clock)
    bundle = read_bundle(control.bundle(decision.name, digest))
    if not bundle.evaluation:
        raise NoGates(decision.name)
    check_bundle(bundle, application, decision, store)
    version = _version_of(control, bundle)
    period = _period(bundle, version.recipe, plan)
    progress("read", 0, 1)
    histories, position = read_all_histories(where, decision.streams, disk=disk)
    progress("read", 1, 1)
    progress("features", 0, 1)
    found = labelled_period(
        decision,
        histories.of(tenant),
        period,
        judged=plan.judged,
        entity=plan.entity,
        threads=plan.threads,
    )
    progress("features", 1, 1)
    scorer = model_of(decision, store.get(bundle.model))
    scores = all_scores(scorer, found.data)
    judging = Judging(
        bundle=bundle,
        version=version,
        scorer=scorer,
        data=found.data,
        judged=judged_rows(found.data, found.requests.events, scores, bundle.threshold),
        source=Source(where, tenant, str(position), period, plan.threads),
        learned_until_us=None if version.recipe is None else version.recipe.train_until_us,
        environment=made_with(present_environment()),
    )
    return note_gates(decision, judging, control, store, by=by, clock=clock, progress=progress)


def _version_of(control: ControlLog, bundle: Bundle) -> ModelVersion:
    versions = control.models(bundle.model_name)
    return next(one for one in versions if one.number == bundle.model_number)


def _period(bundle: Bundle, recipe: TrainingRecipe | None, plan: EvaluationPlan) -> tuple[int, int]:
    """Return what is judged on, checked against what was learned from."""
    if (plan.test_from is None) != (plan.test_to is None):
        raise BadSplit("one end of the test is missing", "name both test_from and test_to")
    if plan.test_from is None or plan.test_to is None:
        if recipe is None:
            raise NotHeldOut(
                bundle.decision,
                bundle.digest,
                "it is not recorded what its model learned from",
                "name a time that it has not seen: --test-from … --test-to …",
            )
        return recipe.test_from_us, recipe.test_to_us
    start, end = microseconds(plan.test_from), microseconds(plan.test_to)
    if start >= end:
        raise BadSplit("test_from is not before test_to", "let the test end later")
    if recipe is not None and start < recipe.train_until_us:
        until = Instant(recipe.train_until_us).isoformat()
        raise NotHeldOut(
            bundle.decision,
            bundle.digest,
            f"its model learned from requests until {until}, and the rows begin at "
            f"{Instant(start).isoformat()}",
            "let them begin later",
        )
    return start, end
