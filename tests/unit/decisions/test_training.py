"""What is learned from was known in time, and what is judged came after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
import pytest
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import EPOCH, ColumnBatch, batch_of, contract_of
from kingpost.decisions.declare import Decision, Trainer
from kingpost.decisions.errors import NothingToLearn
from kingpost.decisions.training import MistakeCosts, TrainingPlan, learn, training_set
from kingpost.features import History
from kingpost.models import (
    BadModel,
    BadTrainingSet,
    FittedModel,
    HeldOut,
    OneClassOnly,
    OutOfTimeSplit,
    Progress,
    TrainingSet,
    model_input,
    quiet,
)
from tests.onnx_models import fitted, logistic_onnx

DAY = 86_400_000_000
FIRST = 17_744
"""1 August 2018, in days since 1970."""


class Payment(kp.Event):
    """A payment."""

    id: kp.Key[str]
    at: kp.EventTime
    card: str
    amount: Annotated[float, kp.Resolution("0.01")]


class Finding(kp.Event):
    """What was found out about it."""

    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool


payments, findings = kp.stream(Payment), kp.stream(Finding)
spend = payments.by("card").over("7d").features(n=kp.count(), mean=kp.mean("amount"))
ONNX = logistic_onnx([0.02, 0.0, 0.0], -2.0)


@dataclass
class ByAmount:
    """A trainer that keeps what it was given: the larger the amount, the likelier fraud."""

    seen: list[TrainingSet] = field(default_factory=list[TrainingSet])
    onnx: bytes = ONNX
    held_out: Callable[[TrainingSet], HeldOut] | None = None

    def __call__(self, data: TrainingSet, *, progress: Progress = quiet) -> FittedModel:
        progress("fit", 1, 1)
        self.seen.append(data)
        held_out = self.held_out(data) if self.held_out else None
        return fitted(data, self.onnx, held_out=held_out)


def decision_with(trainer: Trainer) -> Decision:
    return kp.decision(
        "payment",
        request=Payment,
        features=[kp.field("amount"), spend],
        model=kp.model("payment", trainer=trainer, label=findings.label("fraud")),
    )


def history(
    rows: Sequence[tuple[str, float, float, bool | None, float]], *, first: int = 0
) -> Mapping[str, History]:
    """Make both streams: id, day, amount, fraud and after how many days it was known."""
    asked = [
        Payment(id=key, at=moment(day), card="c", amount=amount) for key, day, amount, _, _ in rows
    ]
    told = [
        Finding(payment=key, at=moment(day), known_at=moment(day + after), fraud=fraud)
        for key, day, _, fraud, after in rows
        if fraud is not None
    ]
    return {
        "payment": History(batch_of(contract_of(Payment), asked), first + np.arange(len(asked))),
        "finding": History(batch_of(contract_of(Finding), told), 1000 + np.arange(len(told))),
    }


def moment(day: float) -> kp.Instant:
    return kp.Instant(FIRST * DAY + round(day * DAY))


def day(number: int) -> datetime:
    return EPOCH + timedelta(days=FIRST + number)


THREE_WEEKS = history(
    [(f"p{at}", at / 4, 20.0 + 60 * (at % 5 == 0) + at, at % 5 == 0, 2) for at in range(84)]
)
LAST_WEEK = TrainingPlan(split=OutOfTimeSplit(day(14), day(14), day(21)))


def test_a_row_has_the_features_of_its_own_time_whatever_came_later() -> None:
    rows = [("a", 0, 10.0, False, 1.0), ("b", 1, 30.0, True, 1.0), ("c", 2, 50.0, False, 1.0)]

    data = training_set(decision_with(ByAmount()), history(rows))
    late = training_set(decision_with(ByAmount()), history([rows[2], rows[0], rows[1]]))

    assert data.feature_names == ("amount", "card_n_7d", "card_mean_7d")
    assert data.x.tolist() == [[10, 1, 10], [30, 2, 20], [50, 3, 30]]
    assert data.y.tolist() == [0, 1, 0]
    assert late.x.tolist() == [[50, 3, 30], [10, 1, 10], [30, 2, 20]]


def test_a_request_without_a_label_is_no_row_but_counts_in_windows() -> None:
    rows = [("a", 0, 10.0, None, 1.0), ("b", 1, 30.0, True, 1.0)]

    data = training_set(decision_with(ByAmount()), history(rows))

    assert data.x.tolist() == [[30, 2, 20]]


def test_a_label_that_was_not_known_yet_is_left_out() -> None:
    rows = [("a", 0, 10.0, False, 1.0), ("b", 1, 30.0, True, 9.0)]

    data = training_set(decision_with(ByAmount()), history(rows), known_until_us=(FIRST + 5) * DAY)

    assert data.y.tolist() == [0]


def test_entities_are_numbered() -> None:
    data = training_set(decision_with(ByAmount()), THREE_WEEKS, entity="card")

    assert data.entities is not None
    assert data.entities.tolist() == [0] * 84


def test_what_is_learned_from_was_known_when_the_training_ended() -> None:
    trainer = ByAmount()

    learned = learn(decision_with(trainer), THREE_WEEKS, LAST_WEEK)

    (seen,) = trainer.seen
    # known two days later, which must be before the end: the last row of the day before
    assert seen.event_time_us.max() == (FIRST + 12) * DAY - DAY // 4
    assert learned.evaluation.rows == 28
    assert learned.evaluation.roc_auc > 0.9
    assert learned.rows == 84


def test_without_a_split_the_last_seven_days_are_judged_on() -> None:
    assert (
        learn(decision_with(ByAmount()), THREE_WEEKS, TrainingPlan()).evaluation
        == learn(decision_with(ByAmount()), THREE_WEEKS, LAST_WEEK).evaluation
    )


def test_the_model_is_judged_by_the_scores_of_its_onnx_bytes() -> None:
    upside_down = ByAmount(onnx=logistic_onnx([-0.02, 0.0, 0.0], 2.0))

    assert learn(decision_with(upside_down), THREE_WEEKS, LAST_WEEK).evaluation.roc_auc < 0.1


def test_the_threshold_is_half_without_costs_or_without_held_out_rows() -> None:
    costs = MistakeCosts(missed="amount", false_alarm=5)

    free = learn(decision_with(ByAmount()), THREE_WEEKS, LAST_WEEK)
    unseen = learn(decision_with(ByAmount()), THREE_WEEKS, replace(LAST_WEEK, costs=costs))

    assert (free.threshold, unseen.threshold) == (0.5, 0.5)
    assert free.evaluation.at_threshold is None
    assert unseen.evaluation.at_threshold is not None


def test_the_threshold_is_the_cheapest_on_held_out_rows() -> None:
    def held_out(data: TrainingSet) -> HeldOut:
        rows = np.arange(len(data))
        return HeldOut(rows, np.where(data.y == 1, 0.3, 0.1))

    costs = MistakeCosts(missed="amount", false_alarm=5)
    learned = learn(
        decision_with(ByAmount(held_out=held_out)), THREE_WEEKS, replace(LAST_WEEK, costs=costs)
    )

    assert learned.threshold == pytest.approx(0.2)
    assert "A missed one costs its amount, a false alarm 5." in learned.card


def test_the_same_inputs_give_the_same_model_digest_and_card() -> None:
    one = learn(decision_with(ByAmount()), THREE_WEEKS, LAST_WEEK, code="c0de")
    other = learn(decision_with(ByAmount()), THREE_WEEKS, LAST_WEEK, code="c0de")

    assert (one.model.onnx, one.data, one.card) == (other.model.onnx, other.data, other.card)
    assert (one.card_html, one.profile) == (other.card_html, other.profile)
    assert one.data in one.card
    assert "c0de" in one.card


def test_the_reference_is_of_training_and_test_and_its_scores_of_rows_not_learned_from() -> None:
    decision = replace(
        decision_with(ByAmount()), gate=kp.gate(min_confidence=0.9, otherwise=kp.refuse())
    )
    weeks = history([(f"p{at}", at / 24, 20.0 + at, at % 5 == 0, 2) for at in range(504)])

    profile = learn(decision, weeks, LAST_WEEK).profile
    shorter = replace(LAST_WEEK, split=OutOfTimeSplit(day(14), day(14), day(20), day(7)))
    part = learn(decision, weeks, shorter).profile

    # labels take two days: rows of the last two days of training were not learned from either
    assert (profile.rows, part.rows) == (21 * 24, 13 * 24)
    assert profile.precision is not None
    assert profile.recall_rows == sum(at % 5 == 0 for at in range(12 * 24, 504))
    assert (profile.threshold, profile.min_confidence) == (0.5, 0.9)
    assert [column.name for column in profile.features] == ["amount", "card_n_7d", "card_mean_7d"]


def test_the_card_is_told_with_plots_too() -> None:
    learned = learn(decision_with(ByAmount()), THREE_WEEKS, LAST_WEEK, code="c0de")

    assert learned.card_html.startswith('<article class="model-card"')
    assert learned.data in learned.card_html
    assert "plot-precision-recall" in learned.card_html


@pytest.mark.parametrize(
    "other",
    [
        history([("a", 0, 10.0, True, 1), ("b", 1, 30.0, True, 1.0)]),
        history([("a", 0, 10.0, False, 1), ("x", 1, 30.0, True, 1.0)]),
        history([("a", 0, 10.0, False, 1), ("b", 1, 30.01, True, 1.0)]),
        history([("a", 0, 10.0, False, 2), ("b", 1, 30.0, True, 1.0)]),
        history([("a", 0, 10.0, False, 1), ("b", 1, 30.0, True, 1.0)], first=5),
    ],
    ids=["label", "key", "feature", "known time", "position"],
)
def test_the_data_digest_covers(other: Mapping[str, History]) -> None:
    decision = decision_with(ByAmount())
    same = history([("a", 0, 10.0, False, 1), ("b", 1, 30.0, True, 1.0)])

    assert digest(decision, other) != digest(decision, same)
    assert digest(decision, same) == digest(decision, same)


def digest(decision: Decision, histories: Mapping[str, History]) -> str:
    return training_set(decision, histories).provenance.data


def test_slices_of_the_test_are_looked_at_apart() -> None:
    def large(asked: ColumnBatch) -> Mapping[str, NDArray[np.bool_]]:
        return {"large": asked.numbers("amount").astype(np.float64) > 100}

    learned = learn(decision_with(ByAmount()), THREE_WEEKS, replace(LAST_WEEK, slices=large))

    (part,) = learned.evaluation.slices
    assert (part.name, part.rows < 28) == ("large", True)


def test_progress_reaches_a_trainer_that_takes_it() -> None:
    told: list[str] = []

    def note(stage: str, done: int, total: int) -> None:
        assert done <= total
        told.append(stage)

    learn(decision_with(ByAmount()), THREE_WEEKS, LAST_WEEK, progress=note)

    assert list(dict.fromkeys(told)) == ["features", "fit", "evaluate"]


def plain_trainer(data: TrainingSet) -> FittedModel:
    """Take no progress."""
    return fitted(data, ONNX)


def test_a_trainer_may_be_a_function_of_the_rows_alone() -> None:
    assert learn(decision_with(plain_trainer), THREE_WEEKS, LAST_WEEK).model.library == "by hand"


def test_without_labels_there_is_nothing_to_learn() -> None:
    with pytest.raises(NothingToLearn, match="ingest events of 'finding'"):
        learn(decision_with(ByAmount()), history([("a", 0, 1.0, None, 1.0)]), TrainingPlan())


def test_without_labels_before_the_test_there_is_nothing_to_learn() -> None:
    plan = TrainingPlan(split=OutOfTimeSplit(day(1), day(1), day(21)))

    with pytest.raises(NothingToLearn, match="no labelled request to learn from"):
        learn(decision_with(ByAmount()), THREE_WEEKS, plan)


def test_without_rows_in_the_test_there_is_nothing_to_judge_on() -> None:
    far = datetime(2030, 1, 1, tzinfo=UTC)
    plan = TrainingPlan(split=OutOfTimeSplit(day(14), far, far + timedelta(days=1)))

    with pytest.raises(NothingToLearn, match="no labelled request to judge on"):
        learn(decision_with(ByAmount()), THREE_WEEKS, plan)


@pytest.mark.parametrize(
    "plan",
    [
        replace(LAST_WEEK, entity="shop"),
        replace(LAST_WEEK, entity="amount"),
        replace(LAST_WEEK, costs=MistakeCosts("card", 5)),
        replace(LAST_WEEK, costs=MistakeCosts("loss", 5)),
    ],
)
def test_a_plan_that_names_a_field_that_will_not_do_is_refused(plan: TrainingPlan) -> None:
    with pytest.raises(BadTrainingSet, match="the request 'payment' has no"):
        learn(decision_with(ByAmount()), THREE_WEEKS, plan)


def test_a_test_of_one_class_is_an_error() -> None:
    honest = history([(f"p{at}", at / 4, 20.0, at == 1, 1) for at in range(84)])

    with pytest.raises(OneClassOnly):
        learn(decision_with(ByAmount()), honest, LAST_WEEK)


def test_a_model_of_another_width_is_refused() -> None:
    with pytest.raises(BadModel, match="takes 2 features"):
        learn(decision_with(ByAmount(onnx=logistic_onnx([1, 1]))), THREE_WEEKS, LAST_WEEK)


def test_the_rows_are_rounded_as_they_are_served() -> None:
    data = training_set(decision_with(ByAmount()), THREE_WEEKS)

    assert data.x.dtype == np.float32
    assert np.array_equal(data.x, model_input(data.x.astype(np.float64)))
