"""When a decision's model is trained anew by itself, and how the new one gets to work.

    fraud_anew = kp.retraining(fraud, on=["drift", "quality"], every="30d")

The rule: a declaration says what starts a run, how much must have been learned from, who
approves and how carefully it is released. What the model must reach is the decision's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, get_args

from kingpost.core import BadDuration, Place, caller_place, duration_us
from kingpost.decisions.declare import Decision, Otherwise, Trainer
from kingpost.decisions.errors import WrongDecision
from kingpost.decisions.training import TrainingPlan
from kingpost.monitoring import Monitor
from kingpost.records import Outcome
from kingpost.registry import (
    BadReleasePlan,
    Judged,
    Measure,
    ReleasePlan,
    Stage,
    check_plan,
)

__all__ = ["LearnFrom", "Retraining", "retraining"]

LearnFrom = Literal["all", "breach"]
"""All labelled requests, or those since what the incident is about began."""

_MARGINS: Mapping[Measure, float] = {
    "errors": 0.01,
    "latency": 0.05,
    "undecided": 0.05,
    "business": 0.01,
}
"""What judges a release by default; not its scores, which are meant to be other ones."""
_DAY_US = 86_400_000_000
_NO_INCIDENT: frozenset[Monitor] = frozenset({"stale", "extraction", "release", "alarm"})


@dataclass(frozen=True, eq=False)
class Retraining:
    """How a decision's model is trained anew; made by `retraining`.

    Attributes:
        decision: With the trainer that trains it anew.
        on: The kinds of incidents that start a run.
        every_us: How long after a model was made it is looked at, and trained anew if it has
            become worse; None is never.
        worse_by: By which part of the average precision that the model had when it was made.
        min_labels: How many labelled requests there must be to learn from.
        min_period_us: How long a time they must cover.
        judged_us: How long the period is that the new model is judged on: the last one.
        labels_within_us: How long is waited for that.
        approval: Who approves: nobody but the gates where it is None.
        shadow: The release in which it decides for nobody; None where there is none.
        shadow_requests: How many requests it has decided so, at least.
        canary: The release that makes it champion.
    """

    decision: Decision
    plan: TrainingPlan
    on: tuple[Monitor, ...]
    every_us: int | None
    worse_by: float
    learn_from: LearnFrom
    min_labels: int
    min_period_us: int
    judged_us: int
    labels_within_us: int
    approval: Otherwise | None
    shadow: ReleasePlan | None
    shadow_requests: int
    canary: ReleasePlan
    place: Place


def retraining(
    decision: Decision,
    *,
    on: Sequence[Monitor] = ("drift",),
    every: str | timedelta | None = None,
    worse_by: float = 0.05,
    plan: TrainingPlan | None = None,
    trainer: Trainer | None = None,
    learn_from: LearnFrom = "all",
    min_labels: int = 1000,
    min_period: str | timedelta | None = None,
    judged_on: str | timedelta = "7d",
    labels_within: str | timedelta = "90d",
    approval: Literal["automatic"] | Otherwise = "automatic",
    shadow: int = 1000,
    canary: Sequence[float] = (10, 50, 100),
    stage_time: str | timedelta = "10m",
    stage_requests: int = 1000,
    assign_by: str = "",
    margins: Mapping[Measure, float] | None = None,
    alpha: float = 0.01,
) -> Retraining:
    """Train a decision's model anew when an incident or a schedule asks for it.

    Args:
        on: The kinds of incidents that start a run: drift, missing, score, confidence,
            positive_rate, overrides, quality, latency, failures.
        every: Look at the model so long after it was made, and train anew if it is worse.
        worse_by: The part of its average precision that it must have lost for that.
        plan: Costs, slices and rows of the training and its card; periods are set by the run.
        trainer: In place of the model's own, such as one that needs less history.
        learn_from: `"breach"` learns from what came since the breach began that the
            incident is about, where the data before are of another kind.
        min_labels, min_period: How many labelled requests to learn from there must be, and how
            long a time they must cover. It is waited for them.
        judged_on: How long the period is that is held out and judged on: the last one.
        labels_within: The run ends when there are not enough labels after so long.
        approval: `"automatic"`: the gates decide; as from `review`: a person of its queue.
        shadow: How many requests the new bundle decides for nobody first; 0 for none.
        canary: Percents of the requests that it answers, one after the other; reaching 100
            makes it champion.
        stage_time, stage_requests: How long a stage of the canary lasts at least, and how
            many requests the new bundle answers in it.
        assign_by: All requests of one value of this field go to one bundle.
        margins: What judges a release, and by how much its rate may exceed the champion's:
            errors, latency, undecided and business, each by its usual margin, by default. The
            scores are not judged then: a model that was trained anew is meant to give others.
        alpha: The chance to end a release of something no worse.

    Raises:
        WrongDecision: The declaration makes no sense, and why.
    """
    place = caller_place()
    if decision.model.trainer is None and trainer is None:
        raise WrongDecision(
            f"the model of {decision.name!r} is not trained, so it cannot be trained anew",
            "give its model, or this, a trainer",
            place,
        )
    _check_kinds(on, place, has_schedule=every is not None)
    if not 0 <= worse_by < 1:
        raise WrongDecision(f"worse_by is {worse_by}", "give a part, as 0.05", place)
    if min_labels < 1 or shadow < 0 or stage_requests < 0:
        raise WrongDecision(
            "a number of labels or requests is too small",
            "give min_labels from 1, and shadow and stage_requests from 0",
            place,
        )
    if assign_by and assign_by not in decision.request.by_name:
        raise WrongDecision(
            f"assign_by is {assign_by!r}, which is no field of the request",
            f"name one of {', '.join(decision.request.by_name)}",
            place,
        )
    if learn_from not in get_args(LearnFrom):
        raise WrongDecision(f"learn_from is {learn_from!r}", "say 'all' or 'breach'", place)
    if plan is not None and plan.split is not None:
        raise WrongDecision(
            "the plan says periods, which a run sets itself", "leave out its split", place
        )
    try:
        stage_us = duration_us(stage_time)
        lengths = [
            None if one is None else duration_us(one)
            for one in (every, min_period, judged_on, labels_within)
        ]
    except BadDuration as error:
        raise WrongDecision(str(error), "write it so", place) from error
    every_us, min_period_us, judged_us, within_us = lengths
    if every_us == 0 or not judged_us:
        raise WrongDecision("a length of time is nothing", "give every and judged_on one", place)
    shares = [one / 100 for one in canary]
    chosen_margins = _MARGINS if margins is None else margins
    measures = tuple(Judged(measure=name, margin=at) for name, at in chosen_margins.items())
    try:
        stages = tuple(
            Stage(share=share, min_us=stage_us, min_requests=stage_requests) for share in shares
        )
        released = check_plan(
            ReleasePlan(by=assign_by, stages=stages, judged=measures, alpha=alpha)
        )
        shadowed = check_plan(ReleasePlan(mode="shadow", judged=measures, alpha=alpha))
    except BadReleasePlan as error:
        raise WrongDecision(str(error), "see docs/release.md", place) from error
    if shares[-1] != 1:
        raise WrongDecision(
            f"the canary ends at {canary[-1]:g}%", "let it end at 100, which promotes it", place
        )
    chosen = trainer or decision.model.trainer
    return Retraining(
        replace(decision, model=replace(decision.model, trainer=chosen)),
        plan or TrainingPlan(),
        tuple(on),
        every_us,
        worse_by,
        learn_from,
        min_labels,
        min_period_us or 0,
        judged_us,
        within_us or 90 * _DAY_US,
        _approver(approval, place),
        shadowed if shadow else None,
        shadow,
        released,
        place,
    )


def _check_kinds(on: Sequence[Monitor], place: Place, *, has_schedule: bool) -> None:
    for kind in on:
        if kind not in get_args(Monitor) or kind in _NO_INCIDENT:
            fitting = [one for one in get_args(Monitor) if one not in _NO_INCIDENT]
            raise WrongDecision(
                f"no incident of the kind {kind!r} is about a model",
                f"name some of {', '.join(fitting)}",
                place,
            )
    if not on and not has_schedule:
        raise WrongDecision("nothing starts it", "say on=[…] or every=…", place)


def _approver(approval: Literal["automatic"] | Otherwise, place: Place) -> Otherwise | None:
    if approval == "automatic":
        return None
    if approval.outcome is not Outcome.REVIEW:
        raise WrongDecision(
            f"approval is {approval.outcome}",
            "say 'automatic' or kp.review('queue', within=…)",
            place,
        )
    return approval
