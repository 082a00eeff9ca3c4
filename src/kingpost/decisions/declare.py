"""How a decision is declared: request, features, model, gate, budget.

    fraud = kp.decision(
        "fraud",
        request=Transaction,
        features=[kp.field("amount"), spend, risk],
        model=kp.model("fraud", trainer=train, label=verdicts.label("fraud")),
        gate=kp.gate(min_confidence=0.75, otherwise=kp.review("fraud-desk")),
        budget=kp.budget(total="25ms"),
    )

A wrong declaration is an error at import that names the line.
"""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from kingpost.contracts import Contract, Event, contract_of
from kingpost.core import BadDuration, Place, caller_place, duration_us
from kingpost.decisions.alarming import Alarm, check_alarm
from kingpost.decisions.caching import Cache
from kingpost.decisions.errors import WrongDecision
from kingpost.decisions.exposing import Exposure
from kingpost.decisions.objectives import check_slos
from kingpost.features import Feature, FeatureSet, Label, LeakingLabel, WindowFeatures
from kingpost.models import EvaluationGates, FittedModel, TrainingSet
from kingpost.monitoring import Objective
from kingpost.records import Outcome

__all__ = [
    "Budget",
    "Decision",
    "Gate",
    "Model",
    "Otherwise",
    "Predict",
    "Rule",
    "Trainer",
    "budget",
    "decision",
    "fallback",
    "gate",
    "model",
    "refuse",
    "review",
    "rule",
]

Trainer = Callable[[TrainingSet], FittedModel]
Predict = Callable[[NDArray[np.float32]], Sequence[float] | NDArray[np.floating]]
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Otherwise:
    """What happens to a request that does not pass the gate.

    What is unset is left out of a bundle's document, so that one made before it could be
    said keeps its digest.

    Attributes:
        queue: For a review, the desk whose people look at it.
        positive: For a fallback, the answer given instead.
        within_us: For a review, how long the desk may take.
        escalate_to: For a review, the queue that it moves to when it is late.
    """

    outcome: Outcome
    queue: str = ""
    positive: bool = False
    within_us: int | UnsetType = UNSET
    escalate_to: str | UnsetType = UNSET


def review(
    queue: str, *, within: str | timedelta | None = None, escalate_to: str = ""
) -> Otherwise:
    """Send it to people: the answer stands as a proposal until they decide.

    Args:
        queue: The desk whose people look at it.
        within: How long they may take, as `"4h"`; without it there is no deadline.
        escalate_to: The queue that it moves to when they took longer.

    Raises:
        WrongDecision: A name cannot be one, the length is none, or nothing can be late.
    """
    place = caller_place()
    _checked_name("queue", queue, place)
    if escalate_to:
        _checked_name("queue", escalate_to, place)
        if within is None:
            raise WrongDecision(
                f"escalate_to is {escalate_to!r}, and nothing says when a review is late",
                "say how long it may take, as within='4h'",
                place,
            )
    try:
        within_us = UNSET if within is None else duration_us(within)
    except BadDuration as error:
        raise WrongDecision(str(error), "write it so", place) from error
    return Otherwise(Outcome.REVIEW, queue, within_us=within_us, escalate_to=escalate_to or UNSET)


def refuse() -> Otherwise:
    """Answer that no decision can be made."""
    return Otherwise(Outcome.REFUSED)


def fallback(*, positive: bool) -> Otherwise:
    """Answer with a fixed value instead of the model's."""
    return Otherwise(Outcome.FALLBACK, positive=positive)


@dataclass(frozen=True)
class Rule:
    """What happens to a request whose feature lies beyond a bound, however sure the model is.

    With both bounds it speaks of what lies between them. A feature that could not be
    computed lies nowhere.
    """

    feature: str
    above: float | None
    below: float | None
    then: Otherwise


def rule(
    feature: str, *, above: float | None = None, below: float | None = None, then: Otherwise
) -> Rule:
    """Say what happens when a feature is above a bound, below one, or between two.

    Args:
        feature: The name of one of the decision's features.
        above: The rule speaks of values greater than this.
        below: The rule speaks of values less than this.
        then: As from `review`, `refuse` or `fallback`.

    Raises:
        WrongDecision: No value can meet it, or every value does.
    """
    place = caller_place()
    bounds = [float(bound) for bound in (above, below) if bound is not None]
    if not bounds or not all(map(math.isfinite, bounds)):
        raise WrongDecision(
            f"the rule for {feature!r} has no bound that is a number",
            "say above=… or below=…",
            place,
        )
    if above is not None and below is not None and above >= below:
        raise WrongDecision(
            f"no {feature!r} is above {above:g} and below {below:g}",
            "say the lower bound in above=… and the higher one in below=…",
            place,
        )
    return Rule(
        feature,
        None if above is None else float(above),
        None if below is None else float(below),
        then,
    )


@dataclass(frozen=True)
class Gate:
    """How sure the model must be, and what is not left to it.

    Attributes:
        min_confidence: The least probability of the likelier class, 0.5 to 1.
        rules: Looked at first, in their order; the first that speaks of a request says
            what happens to it. Unset where there are none.
    """

    min_confidence: float = 0.5
    otherwise: Otherwise = field(default_factory=refuse)
    rules: tuple[Rule, ...] | UnsetType = UNSET


def gate(
    *,
    min_confidence: float = 0.5,
    otherwise: Otherwise | None = None,
    rules: Sequence[Rule] = (),
) -> Gate:
    """Ask for a confidence, and say what happens below it; first of all look at rules.

    Args:
        min_confidence: The least probability of the likelier class; 0.5 lets all pass.
        otherwise: What happens below it; a refusal by default.
        rules: As from `rule`; the first that speaks of a request says what happens to it.

    Raises:
        WrongDecision: The confidence is not a probability from 0.5 to 1.
    """
    if not 0.5 <= min_confidence <= 1:
        raise WrongDecision(
            f"min_confidence is {min_confidence}",
            "it is the probability of the likelier of two classes: 0.5 to 1",
            caller_place(),
        )
    return Gate(min_confidence, otherwise or refuse(), tuple(rules) or UNSET)


@dataclass(frozen=True)
class Budget:
    """How long a decision may take, in microseconds; None is no bound.

    A request that has waited `total_us` before its turn is answered `failed`; a stage
    that takes longer than its share is counted.
    """

    total_us: int | None = None
    features_us: int | None = None
    model_us: int | None = None


def budget(
    *,
    total: str | timedelta | None = None,
    features: str | timedelta | None = None,
    model: str | timedelta | None = None,
) -> Budget:
    """Bound the time of a decision and of its stages.

    Raises:
        WrongDecision: A length is not one, or the stages need more than the whole.
    """
    place = caller_place()
    try:
        lengths = [None if one is None else duration_us(one) for one in (total, features, model)]
    except BadDuration as error:
        raise WrongDecision(str(error), "write it so", place) from error
    made = Budget(*lengths)
    if made.total_us is not None and (made.features_us or 0) + (made.model_us or 0) > made.total_us:
        raise WrongDecision("the stages' budgets add up to more than the total", "raise it", place)
    return made


@dataclass(frozen=True)
class Model:
    """A model by its name, where it comes from and what it predicts.

    Attributes:
        trainer: What trains it; None for one that is imported or a function.
        predict: The function that it is; None for one that is trained or imported.
        cache: What is kept of its scores; None keeps nothing.
    """

    name: str
    trainer: Trainer | None
    label: Label
    place: Place
    predict: Predict | None = None
    cache: Cache | None = None


def model(
    name: str,
    *,
    label: Label,
    trainer: Trainer | None = None,
    predict: Predict | None = None,
    cache: Cache | None = None,
) -> Model:
    """Declare a model.

    Without a trainer and a function it is one that is imported: `kingpost models import`.

    Args:
        label: What it predicts, as from `verdicts.label("fraud")`.
        trainer: Takes a `TrainingSet`, gives a `FittedModel`; see `kingpost.models`.
        predict: The model itself as a function: takes rows, float32, shape (rows, features),
            and returns a probability for each. Its source is part of the bundle.
        cache: As from `cache`, for a model that is expensive and whose rows repeat; without,
            every row is scored.

    Raises:
        WrongDecision: The name cannot be one, or it is both trained and a function.
    """
    place = caller_place()
    if trainer is not None and predict is not None:
        raise WrongDecision(
            f"model {name!r} has a trainer and a function that predicts", "give one of them", place
        )
    return Model(_checked_name("model", name, place), trainer, label, place, predict, cache)


@dataclass(frozen=True)
class Decision:
    """A question that is answered the same way every time, and recorded.

    Attributes:
        request: The contract of the event that asks it.
        cost: What one answer takes from a caller's limit on cost.
        exposure: What callers see of its answers; None where they see all, and so may a raw
            model be asked.
        alarm: What a positive answer opens an incident about; None where it is no alarm.
        evaluation: What a bundle must show before it may be approved; None where nothing is
            asked for.
        team: Who answers for what it costs; empty for nobody.
        product: The feature of the product that it serves; empty for none.
        slos: What is promised of its answers.
    """

    name: str
    request: Contract[Event]
    features: FeatureSet
    model: Model
    gate: Gate
    budget: Budget
    place: Place
    cost: float = 1.0
    exposure: Exposure | None = None
    alarm: Alarm | None = None
    evaluation: EvaluationGates | None = None
    team: str = ""
    product: str = ""
    slos: tuple[Objective, ...] = ()

    @property
    def views(self) -> tuple[WindowFeatures, ...]:
        """The groups of windowed features it reads."""
        return tuple(slot.view for slot in self.features.windows)

    @property
    def streams(self) -> tuple[Contract[Event], ...]:
        """The contracts of every stream it needs: the request's, its features', the label's."""
        found = [self.request, *self.features.streams, self.model.label.stream.contract]
        return tuple({contract.name: contract for contract in found}.values())


def decision(
    name: str,
    *,
    request: type[Event],
    features: Sequence[Feature],
    model: Model,
    gate: Gate | None = None,
    budget: Budget | None = None,
    cost: float = 1.0,
    exposure: Exposure | None = None,
    alarm: Alarm | None = None,
    evaluation: EvaluationGates | None = None,
    team: str = "",
    product: str = "",
    slos: Sequence[Objective] = (),
) -> Decision:
    """Declare a decision.

    Args:
        name: Its name in routes, records and commands.
        request: The event that asks for it; it is also an event of its own stream.
        features: Fields, functions and windows, in the order the model takes them.
        gate: Without one every answer passes.
        budget: Without one there is no deadline.
        cost: What one answer takes from a caller's limit on cost, see `limit_cost`.
        exposure: As from `exposure`; without, callers see all, and collect as much as they like.
        alarm: As from `alarm`; without, a positive answer opens no incident.
        evaluation: As from `evaluation`; without, a bundle is approved on a person's word alone.
        team: Who answers for what it costs, as `"risk"`.
        product: The feature of the product that it serves, as `"checkout"`.
        slos: As from `slo`; without, nothing is promised.

    Raises:
        WrongFeature: See `FeatureSet`.
        LeakingLabel: The label is among the features or cannot be joined to the request.
        WrongDecision: The name cannot be one, a rule speaks of no feature, the cost is
            none, the exposure, the alarm or an evaluation gate names no field of the request, or
            two objectives have one name.
    """
    place = caller_place()
    contract = contract_of(request)
    label = model.label
    key = label.stream.contract.key
    if key.kind != contract.key.kind:
        raise WrongDecision(
            f"the label's key {key.name!r} is {key.kind} and the request's key "
            f"{contract.key.name!r} is {contract.key.kind}, so they cannot be joined",
            "give both the same type",
            place,
        )
    resolved = FeatureSet(contract, features, place)
    _check_rules(gate or Gate(), resolved, place)
    if not 0 <= cost < math.inf:
        raise WrongDecision(f"the cost is {cost}", "give a number from 0", place)
    if label.stream.contract.name == contract.name:
        raise LeakingLabel(
            f"the label {label.field!r} is a field of the request itself",
            "put it into an event of its own that says when it became known",
            place,
        )
    if alarm is not None:
        check_alarm(alarm, contract, place)
    if evaluation is not None:
        _check_gates(evaluation, resolved, contract)
    for kind, value in (("team", team), ("product", product)):
        if value:
            _checked_name(kind, value, place)
    return Decision(
        _checked_name("decision", name, place),
        contract,
        resolved,
        model,
        gate or Gate(),
        budget or Budget(),
        place,
        cost,
        None if exposure is None else _placed(exposure, contract, resolved, place),
        alarm,
        evaluation,
        team,
        product,
        check_slos(slos, place),
    )


def source_of(trainer: Trainer) -> str:
    """Return the source of a trainer, or of its class where it is an object."""
    return inspect.getsource(trainer if inspect.isfunction(trainer) else type(trainer))


def _check_rules(gate: Gate, features: FeatureSet, place: Place) -> None:
    for one in gate.rules or ():
        if one.feature not in features.names:
            raise WrongDecision(
                f"a rule speaks of {one.feature!r}, which is no feature of this decision",
                f"name one of {', '.join(features.names)}",
                place,
            )


def _check_gates(
    evaluation: EvaluationGates, features: FeatureSet, request: Contract[Event]
) -> None:
    known = (*request.by_name, *features.names)
    for one in evaluation.gates:
        if one.spec.by and one.spec.by not in known:
            raise WrongDecision(
                f"an evaluation gate parts rows by {one.spec.by!r}, which is no field of the request "
                "and no feature",
                f"name one of {', '.join(dict.fromkeys(known))}",
                one.place,
            )


def _placed(
    exposure: Exposure, request: Contract[Event], features: FeatureSet, place: Place
) -> Exposure:
    """Find the field that names whom an answer is about, where none is said."""
    if exposure.entity and exposure.entity not in request.by_name:
        raise WrongDecision(
            f"exposure names the entity {exposure.entity!r}, which is no field of the request",
            f"name one of {', '.join(request.by_name)}",
            place,
        )
    if exposure.entity and request.by_name[exposure.entity].personal:
        raise WrongDecision(
            f"exposure names the entity {exposure.entity!r}, which is personal",
            "name the subject: what is counted by it is kept in the clear",
            place,
        )
    views = (slot.view for slot in features.windows)
    grouped = (
        view.keys[0] for view in views if len(view.keys) == 1 and view.stream.name == request.name
    )
    return replace(exposure, entity=exposure.entity or next(grouped, ""))


def _checked_name(kind: str, name: str, place: Place) -> str:
    if _NAME.fullmatch(name) is None:
        raise WrongDecision(
            f"{kind} name {name!r}",
            "use lower-case letters, digits, '-' and '_', starting with a letter, 64 at most",
            place,
        )
    return name
