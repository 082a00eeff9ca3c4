"""From history to a judged model: the training set, the split, the evaluation, the card.

The rules: a row's features are what had happened and was known by its request's own time;
what is learned from was known when the training period ended; what is judged on came after.
The model that is judged is the one that is given back, and its scores are those of the ONNX
bytes that will be served.

Pure but for the trainer: reading the journal and registering is left to `train_decision`.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import EPOCH, ColumnBatch, Instant, Kind, Texts, microseconds
from kingpost.decisions.declare import Decision, Trainer
from kingpost.decisions.errors import NothingToLearn, NoTrainer
from kingpost.decisions.labels import Labelled, labelled_requests
from kingpost.features import History, Requests, feature_matrix
from kingpost.models import (
    BadModel,
    BadTrainingSet,
    CardTable,
    Costs,
    DataSummary,
    Evaluation,
    FittedModel,
    JudgedRows,
    ModelCard,
    OnnxScorer,
    OutOfTimeSplit,
    Progress,
    Provenance,
    RowsToJudge,
    TrainingSet,
    cheapest_threshold,
    evaluate,
    every_row,
    model_input,
    quiet,
    render_card,
    render_card_html,
)
from kingpost.monitoring import Profile, build_profile

__all__ = [
    "Learned",
    "MistakeCosts",
    "Period",
    "Slicer",
    "TrainingPlan",
    "judged_rows",
    "labelled_period",
    "learn",
    "training_set",
]

DEFAULT_THRESHOLD = 0.5
_TEST = timedelta(days=7)

Slicer = Callable[[ColumnBatch], Mapping[str, NDArray[np.bool_]]]
"""Parts of requests to look at apart: a name and which rows, bool, shape (rows,)."""


@dataclass(frozen=True)
class MistakeCosts:
    """What mistakes cost, in one unit.

    Attributes:
        missed: A positive request taken for negative: a number, or the field of the request
            that says, such as its amount.
        false_alarm: A negative request taken for positive.
    """

    missed: float | str
    false_alarm: float

    def __str__(self) -> str:
        missed = f"its {self.missed}" if isinstance(self.missed, str) else f"{self.missed:g}"
        return f"A missed one costs {missed}, a false alarm {self.false_alarm:g}."

    def of(self, requests: ColumnBatch) -> Costs:
        """Return the costs request by request."""
        if isinstance(self.missed, str):
            return Costs(requests.numbers(self.missed).astype(np.float64), self.false_alarm)
        return Costs(self.missed, self.false_alarm)


@dataclass(frozen=True)
class TrainingPlan:
    """How a decision's model is trained and judged.

    Attributes:
        split: What is learned from and judged on; None judges on the last seven days.
        known_until_us: Labels known later are left out altogether; None takes all.
        since_us: Requests before are left out altogether; None takes all.
        entity: Field of the request that says whom it is about, for precision per entity.
        costs: The threshold is the cheapest on rows that the trainer held out; without
            costs, or without such rows, it is 0.5.
        judged: Which rows of the test count.
        slices: Parts of the test to look at apart.
        purpose, limits, tables: Further words and tables of the model card.
        threads: For the features; values do not depend on it.
    """

    split: OutOfTimeSplit | None = None
    known_until_us: int | None = None
    since_us: int | None = None
    entity: str | None = None
    costs: MistakeCosts | None = None
    judged: RowsToJudge = every_row
    slices: Slicer | None = None
    purpose: str = ""
    limits: tuple[str, ...] = ()
    tables: tuple[CardTable, ...] = ()
    threads: int = 1


class Learned(NamedTuple):
    """A model and how good it is.

    Attributes:
        rows: Labelled requests in all, learned from, judged on or neither.
        data: Digest over their keys, positions, labels and features.
        card: The model card in Markdown.
        card_html: The same with plots, as a fragment; see `card_page`.
        profile: What monitors and explanations compare with: the rows from the first one
            learned from to the end of the test.
        split: What was learned from and what was judged on.
        test: The rows judged on.
        judged: The same with their requests and scores, for the evaluation gates.
    """

    model: FittedModel
    threshold: float
    evaluation: Evaluation
    rows: int
    data: str
    card: str
    card_html: str
    profile: Profile
    split: OutOfTimeSplit
    test: TrainingSet
    judged: JudgedRows


def training_set(
    decision: Decision,
    histories: Mapping[str, History],
    *,
    known_until_us: int | None = None,
    since_us: int | None = None,
    entity: str | None = None,
    threads: int = 1,
) -> TrainingSet:
    """Put a decision's labelled requests together with their features.

    Args:
        histories: The streams of one tenant, by name.
        known_until_us: Labels known later are left out; None takes all.
        since_us: Requests before are left out; None takes all.
        entity: Field of the request that says whom it is about.

    Raises:
        BadTrainingSet: A label is neither 0 nor 1, or the request has no such field.
    """
    labelled = labelled_requests(
        decision, histories, known_until_us=known_until_us, since_us=since_us
    )
    return _rows(decision, labelled, histories, entity, threads, code="")


def learn(
    decision: Decision,
    histories: Mapping[str, History],
    plan: TrainingPlan,
    *,
    code: str = "",
    environment: Mapping[str, str] | None = None,
    progress: Progress = quiet,
) -> Learned:
    """Train a decision's model and judge it.

    Args:
        histories: The streams of one tenant, by name.
        code: Digest of the application's source, for the card.
        environment: Name to version, for the card.

    Raises:
        NoTrainer: The decision's model is not trained.
        NothingToLearn: No request has a label, or none before or in the test.
        OneClassOnly: All rows of the training or of the test are positive, or none.
        BadTrainingSet: A label is neither 0 nor 1, or the plan names a field that the
            request does not have.
        BadModel: What the trainer gave cannot be served.
    """
    trainer = _trainer_of(decision)
    if plan.costs is not None and isinstance(plan.costs.missed, str):
        _check_field(decision, plan.costs.missed, ("number", "integer"))
    progress("features", 0, 1)
    labelled = labelled_requests(
        decision, histories, known_until_us=plan.known_until_us, since_us=plan.since_us
    )
    if not len(labelled):
        raise NothingToLearn(
            decision.name,
            "no request has a label that was known in time",
            f"ingest events of {decision.model.label.stream.name!r}, or look at a later moment",
        )
    data = _rows(decision, labelled, histories, plan.entity, plan.threads, code)
    progress("features", 1, 1)
    split = plan.split or _last_days(data)
    learned = _learned_from(data, labelled, split)
    judged = plan.judged(data, *split.test_us)
    for what, rows in (("learn from", learned), ("judge on", judged)):
        if not len(rows):
            raise NothingToLearn(
                decision.name, f"no labelled request to {what}: {split}", "choose other periods"
            )
    training = data.take(learned)
    model = _call(trainer, training, progress)
    scorer = _checked(model, decision)
    threshold = _threshold(model, training, labelled.requests.events.take(learned), plan.costs)
    progress("evaluate", 0, 2)
    unseen = np.setdiff1d(_period(data, split), learned)
    scores = _scores(scorer, data, np.union1d(unseen, judged))
    test, asked = data.take(judged), labelled.requests.events.take(judged)
    evaluation = evaluate(
        test,
        scores[judged],
        threshold=threshold,
        costs=None if plan.costs is None else plan.costs.of(asked),
        slices=None if plan.slices is None else plan.slices(asked),
    )
    card = ModelCard(
        name=decision.model.name,
        purpose=plan.purpose or f"Gives the decision {decision.name!r} its score.",
        positive=decision.model.label.field,
        model=model,
        training=DataSummary.of(training),
        test=DataSummary.of(test),
        split=f"{split}; of the rows learned from, every label was known by the end of training",
        evaluation=evaluation,
        costs="" if plan.costs is None else str(plan.costs),
        tables=plan.tables,
        environment=environment or {},
        limits=plan.limits,
    )
    progress("evaluate", 1, 2)
    profile = _profile(decision, data, scores, split, threshold)
    progress("evaluate", 2, 2)
    return Learned(
        model=model,
        threshold=threshold,
        evaluation=evaluation,
        rows=len(data),
        data=data.provenance.data,
        card=render_card(card),
        card_html=render_card_html(card),
        profile=profile,
        split=split,
        test=test,
        judged=judged_rows(test, asked, scores[judged], threshold),
    )


def judged_rows(
    data: TrainingSet, requests: ColumnBatch, scores: NDArray[np.float64], threshold: float
) -> JudgedRows:
    """Put together what evaluation gates are judged on, row by row."""
    return JudgedRows(data.feature_names, data.x, requests, data.y == 1, scores, threshold)


class Period(NamedTuple):
    """Labelled requests of a time, in the order of their positions."""

    data: TrainingSet
    requests: Requests


def labelled_period(
    decision: Decision,
    histories: Mapping[str, History],
    period_us: tuple[int, int],
    *,
    judged: RowsToJudge = every_row,
    entity: str | None = None,
    threads: int = 1,
) -> Period:
    """Put the labelled requests of a time together with their features.

    Args:
        period_us: Its start, and its end, which no row reaches.
        judged: Which of them count.

    Raises:
        NothingToLearn: There are none.
        BadTrainingSet: See `training_set`.
    """
    labelled = labelled_requests(decision, histories, known_until_us=None)
    if judged is every_row:
        moments = labelled.requests.events.numbers(decision.request.event_time.name)
        at = moments.astype(np.int64)
        inside = np.flatnonzero((at >= period_us[0]) & (at < period_us[1]))
        labelled = labelled.take(inside)
    data = _rows(decision, labelled, histories, entity, threads, code="")
    rows = judged(data, *period_us)
    if not len(rows):
        start, end = (Instant(us).isoformat() for us in period_us)
        raise NothingToLearn(
            decision.name, f"no labelled request from {start} to {end}", "choose another period"
        )
    return Period(data.take(rows), labelled.take(rows).requests)


def _rows(
    decision: Decision,
    labelled: Labelled,
    histories: Mapping[str, History],
    entity: str | None,
    threads: int,
    code: str,
) -> TrainingSet:
    features, events = decision.features, labelled.requests.events
    if entity is not None:
        _check_field(decision, entity, ("text", "integer"))
    x = model_input(feature_matrix(features, labelled.requests, histories, threads=threads))
    event_time = events.numbers(features.request.event_time.name).astype(np.int64)
    return TrainingSet(
        feature_names=features.names,
        x=x,
        y=labelled.labels,
        event_time_us=event_time,
        entities=None if entity is None else _numbered(events, entity),
        provenance=Provenance(_data_digest(decision, labelled, x), features.digest, code),
    )


def _check_field(decision: Decision, name: str, kinds: tuple[Kind, ...]) -> None:
    field = decision.request.by_name.get(name)
    if field is None or field.kind not in kinds or field.optional:
        has = [one.name for one in decision.request.fields if one.kind in kinds]
        raise BadTrainingSet(
            f"the request {decision.request.name!r} has no {' or '.join(kinds)} field {name!r}",
            f"use one of: {', '.join(has)}",
        )


def _numbered(events: ColumnBatch, name: str) -> NDArray[np.int64]:
    column = events.columns[name]
    return (column.codes if isinstance(column, Texts) else column).astype(np.int64)


def _data_digest(decision: Decision, labelled: Labelled, x: NDArray[np.float32]) -> str:
    """Return the SHA-256 over the requests' keys, positions, labels and features."""
    state = hashlib.sha256()
    keys = labelled.requests.events.columns[decision.request.key.name]
    if isinstance(keys, Texts):
        texts = [text.encode() for text in map(keys.values.__getitem__, keys.codes.tolist())]
        # the lengths too, so that no two lists of texts are the same bytes
        state.update(np.fromiter(map(len, texts), np.int64, len(texts)).data)
        state.update(b"".join(texts))
    else:
        state.update(np.ascontiguousarray(keys, np.int64).data)
    for column in (labelled.requests.positions, labelled.known_us, labelled.labels, x):
        state.update(np.ascontiguousarray(column).data)
    return state.hexdigest()


def _last_days(data: TrainingSet) -> OutOfTimeSplit:
    end = EPOCH + timedelta(microseconds=data.end_us())
    return OutOfTimeSplit(train_until=end - _TEST, test_from=end - _TEST, test_to=end)


def _learned_from(
    data: TrainingSet, labelled: Labelled, split: OutOfTimeSplit
) -> NDArray[np.int64]:
    """Return the rows whose labels were known when the period of learning ended."""
    start = None if split.train_from is None else microseconds(split.train_from)
    until = microseconds(split.train_until)
    rows = data.rows_between(start, until)
    return rows[labelled.known_us[rows] < until]


def _trainer_of(decision: Decision) -> Trainer:
    trainer = decision.model.trainer
    if trainer is None:
        raise NoTrainer(decision.name, decision.model.name)
    return trainer


def _call(trainer: Trainer, data: TrainingSet, progress: Progress) -> FittedModel:
    """Call a trainer, with the progress if it takes one."""
    if "progress" in inspect.signature(trainer).parameters:
        telling = cast("Callable[..., FittedModel]", trainer)
        return telling(data, progress=progress)
    return trainer(data)


def _checked(model: FittedModel, decision: Decision) -> OnnxScorer:
    scorer = OnnxScorer(model.onnx)
    if scorer.features != len(decision.features):
        raise BadModel(
            f"it takes {scorer.features} features and decision {decision.name!r} has "
            f"{len(decision.features)}"
        )
    return scorer


def _threshold(
    model: FittedModel, training: TrainingSet, requests: ColumnBatch, costs: MistakeCosts | None
) -> float:
    if costs is None or model.held_out is None:
        return DEFAULT_THRESHOLD
    rows = model.held_out.rows
    return cheapest_threshold(
        training.y[rows], model.held_out.scores, costs.of(requests.take(rows))
    ).threshold


def _scores(scorer: OnnxScorer, data: TrainingSet, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score some rows, NaN for all others: those that the model learned from, or too old."""
    scores = np.full(len(data), np.nan)
    scores[rows] = scorer.scores(data.x[rows])
    return scores


def _profile(
    decision: Decision,
    data: TrainingSet,
    scores: NDArray[np.float64],
    split: OutOfTimeSplit,
    threshold: float,
) -> Profile:
    rows, otherwise = _period(data, split), decision.gate.otherwise
    return build_profile(
        decision.name,
        data.feature_names,
        data.x[rows],
        data.event_time_us[rows],
        scores=scores[rows],
        labels=data.y[rows],
        threshold=threshold,
        min_confidence=decision.gate.min_confidence,
        below_gate=otherwise.outcome,
        fallback_positive=otherwise.positive,
        inputs=decision.features.inputs,
    )


def _period(data: TrainingSet, split: OutOfTimeSplit) -> NDArray[np.int64]:
    """Return the rows from the beginning of the training to the end of the test."""
    start = None if split.train_from is None else microseconds(split.train_from)
    return data.rows_between(start, split.test_us[1])
