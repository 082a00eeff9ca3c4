"""How the model is judged: the protocol of the Fraud Detection Handbook, in two forms.

The rule: what is learned from was known when the training ended, parameters are chosen on
weeks before that, and the test is looked at once. The handbook's own form, one week of
training and nothing chosen, stands beside it, comparable with the published table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

import kingpost as kp
from kingpost.contracts import microseconds
from kingpost.decisions import Learned, learn, training_set
from kingpost.features import History
from kingpost.models import (
    CardTable,
    Evaluation,
    Folds,
    LightGbmGrid,
    LightGbmParameters,
    LightGbmTrainer,
    OnnxScorer,
    OutOfTimeSplit,
    PastWeeks,
    Progress,
    TrainingSet,
    evaluate,
)
from solutions.fraud.app import fraud, trainer
from solutions.fraud.data import VERDICT_DAYS, TransactionFiles
from solutions.fraud.training import HANDBOOK_FEATURES, PLAN, UNKNOWN_CARDS

__all__ = ["PUBLISHED", "BadPeriods", "OneWeek", "Periods", "Quality", "judge"]

PUBLISHED = {
    "logistic regression": (0.871, 0.606, 0.291),
    "decision tree, depth 2": (0.763, 0.496, 0.241),
    "decision tree, unlimited": (0.788, 0.309, 0.243),
    "random forest": (0.867, 0.658, 0.287),
    "XGBoost": (0.862, 0.639, 0.273),
}
"""Chapter 3 of the handbook, test 2018-08-08 to 14: ROC AUC, AP, card precision@100."""

WEEKS_TO_CHOOSE_ON = 4
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_UNTUNED = LightGbmParameters(
    num_leaves=31, lambda_l2=0.0, rounds=100, learning_rate=0.1, min_data_in_leaf=20
)
"""LightGBM's own defaults."""


class BadPeriods(kp.KingpostError):
    """Periods of training and test that are out of order or not in the files."""

    code = "bad_periods"

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"{self.problem}; {self.mend}"


@dataclass(frozen=True)
class Periods:
    """What is learned from and judged on, in days (UTC).

    Attributes:
        train_until: Labels known before this day are learned from.
        test_from: First day of the test.
        test_to: The last one.
    """

    train_until: date = date(2018, 8, 1)
    test_from: date = date(2018, 8, 8)
    test_to: date = date(2018, 8, 14)

    @property
    def learned_before(self) -> date:
        """The first day whose labels were not known in time."""
        return self.train_until - timedelta(days=VERDICT_DAYS)

    @property
    def gap(self) -> str:
        """How much lies between what is learned from and what is judged on."""
        return f"{(self.test_from - self.learned_before).days}d"

    def split(self) -> OutOfTimeSplit:
        """Return the periods as moments."""
        return OutOfTimeSplit(
            *map(_midnight, (self.train_until, self.test_from, self.test_to + _DAY))
        )

    def check(self, files: TransactionFiles) -> None:
        """Compare the periods with each other and with the files.

        Raises:
            BadPeriods: They are out of order, or the files do not reach them.
        """
        if not self.train_until <= self.test_from <= self.test_to:
            raise BadPeriods(
                f"train until {self.train_until}, test from {self.test_from} to {self.test_to}",
                "the test follows the training, and --test-to is its last day",
            )
        weeks = (self.learned_before - files.first_day) // _WEEK
        needed = WEEKS_TO_CHOOSE_ON + 4  # two to learn from, and two between that and the test
        if weeks < needed:
            raise BadPeriods(
                f"{files.path} begins on {files.first_day}, {max(weeks, 0)} weeks before "
                f"{self.learned_before}, when the last labels known by {self.train_until} "
                "were made",
                f"give at least {needed} weeks, or choose a later --train-until",
            )
        if files.last_day < self.test_to:
            raise BadPeriods(
                f"{files.path} ends on {files.last_day}, before the test does on {self.test_to}",
                "choose an earlier --train-until, --test-from and --test-to",
            )


@dataclass(frozen=True)
class Quality:
    """How good a model was on the test."""

    train_rows: int
    train_frauds: int
    auc_roc: float
    average_precision: float
    card_precision_100: float

    @staticmethod
    def of(train_rows: int, train_frauds: int, found: Evaluation) -> "Quality":
        """Take the measures out of an evaluation."""
        card = found.entity_precision.mean if found.entity_precision else float("nan")
        return Quality(train_rows, train_frauds, found.roc_auc, found.average_precision, card)


@dataclass(frozen=True)
class OneWeek:
    """The handbook's own protocol: one week of training, default parameters.

    Attributes:
        train_to: The last day learned from.
    """

    train_from: date
    train_to: date
    handbook_features: Quality
    all_features: Quality


def judge(
    histories: Mapping[str, History], periods: Periods, progress: Progress
) -> tuple[Learned, OneWeek]:
    """Choose parameters, train and judge, by both protocols.

    Args:
        histories: Both streams, by name, as from `TransactionFiles.histories`.

    Raises:
        OneClassOnly: The test or a training has no fraud.
        HistoryTooShort: A week to choose on has no fraud.
        ExtraMissing: LightGBM is not installed.
    """
    one_week = _one_week(histories, periods, progress)
    weeks = PastWeeks(Folds(WEEKS_TO_CHOOSE_ON, "7d", periods.gap), UNKNOWN_CARDS)
    searching = replace(trainer, grid=LightGbmGrid(), weeks=weeks)
    decision = replace(fraud, model=replace(fraud.model, trainer=searching))
    plan = replace(PLAN, split=periods.split(), tables=(_comparison(one_week),))
    return learn(decision, histories, plan, progress=progress), one_week


def _one_week(histories: Mapping[str, History], periods: Periods, progress: Progress) -> OneWeek:
    progress("one week", 0, 3)
    data = training_set(fraud, histories, entity=PLAN.entity)
    progress("one week", 1, 3)
    start, end = periods.test_from - 2 * _WEEK, periods.test_from - _WEEK
    training = data.between(_us(start), _us(end))
    test = data.take(UNKNOWN_CARDS(data, _us(periods.test_from), _us(periods.test_to + _DAY)))
    handbook = _untuned(_handbook(training), _handbook(test))
    progress("one week", 2, 3)
    all_features = _untuned(training, test)
    progress("one week", 3, 3)
    return OneWeek(start, end - _DAY, handbook, all_features)


def _untuned(training: TrainingSet, test: TrainingSet) -> Quality:
    model = LightGbmTrainer(_UNTUNED)(training)
    found = evaluate(test, OnnxScorer(model.onnx).scores(test.x))
    return Quality.of(len(training), training.positives, found)


def _handbook(data: TrainingSet) -> TrainingSet:
    return replace(
        data,
        feature_names=data.feature_names[:HANDBOOK_FEATURES],
        x=np.ascontiguousarray(data.x[:, :HANDBOOK_FEATURES]),
    )


def _comparison(one_week: OneWeek) -> CardTable:
    handbook, ours = one_week.handbook_features, one_week.all_features
    lines = [(f"published: {name}", *values) for name, values in PUBLISHED.items()] + [
        (name, one.auc_roc, one.average_precision, one.card_precision_100)
        for name, one in (
            (f"LightGBM, the handbook's {HANDBOOK_FEATURES} features", handbook),
            (f"LightGBM, all {len(fraud.features)} features", ours),
        )
    ]
    return CardTable(
        "The handbook's protocol: one week of training",
        ("model", "ROC AUC", "average precision", "card precision@100"),
        tuple((name, *(f"{value:.3f}" for value in values)) for name, *values in lines),
        f"Learned from {one_week.train_from} to {one_week.train_to} with default parameters, "
        "judged on the test above. The published lines are chapter 3 of the Fraud Detection "
        "Handbook, on its own data and the test week 2018-08-08 to 14.",
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _us(day: date) -> int:
    return microseconds(_midnight(day))
