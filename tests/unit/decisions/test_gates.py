"""A wrong gate is an error at import that says which line is wrong, and what to write."""

from collections.abc import Callable

import pytest

import kingpost as kp
from kingpost.decisions import Decision, Otherwise, Rule, WrongDecision
from kingpost.models import EvaluationGate, FittedModel, TrainingSet


class Payment(kp.Event):
    """A payment."""

    id: kp.Key[str]
    at: kp.EventTime
    amount: float


class Finding(kp.Event):
    """What was found out about it."""

    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool


def no_trainer(data: TrainingSet) -> FittedModel:
    """Stand in for a trainer that no test calls."""
    raise AssertionError(data)


def with_evaluation(*gates: EvaluationGate) -> Decision:
    return kp.decision(
        "payment",
        request=Payment,
        features=[kp.field("amount")],
        model=kp.model("payment", trainer=no_trainer, label=kp.stream(Finding).label("fraud")),
        evaluation=kp.evaluation(*gates),
    )


def with_rule(rule: Rule) -> object:
    return kp.decision(
        "payment",
        request=Payment,
        features=[kp.field("amount")],
        model=kp.model("payment", trainer=no_trainer, label=kp.stream(Finding).label("fraud")),
        gate=kp.gate(rules=[rule]),
    )


def unknown() -> object:
    return with_rule(kp.rule("amuont", above=1, then=kp.refuse()))


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (lambda: kp.rule("amount", then=kp.refuse()), "above=… or below=…"),
        (lambda: kp.rule("amount", above=float("nan"), then=kp.refuse()), "no bound"),
        (lambda: kp.rule("amount", above=float("inf"), then=kp.refuse()), "no bound"),
        (lambda: kp.rule("amount", above=5, below=5, then=kp.refuse()), "above 5 and below 5"),
        (lambda: kp.review("Fraud Desk"), "lower-case"),
        (lambda: kp.review("desk", within="soon"), "'soon' is not a length of time"),
        (lambda: kp.review("desk", within="4h", escalate_to="The Boss"), "lower-case"),
        (lambda: kp.review("desk", escalate_to="leads"), "within='4h'"),
        (lambda: kp.gate(min_confidence=0.4), "0.5 to 1"),
        (unknown, "'amuont', which is no feature of this decision; name one of amount"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line(
    declared: Callable[[], object], says: str
) -> None:
    with pytest.raises(WrongDecision, match=says) as refused:
        declared()

    assert refused.value.place.file == __file__


def test_an_evaluation_gate_parts_rows_by_a_field_or_a_feature() -> None:
    with pytest.raises(WrongDecision, match="parts rows by 'colour'") as refused:
        with_evaluation(kp.slice_quality("recall", by="colour", at_least=0.5))

    assert refused.value.place.file == __file__
    known = with_evaluation(kp.slice_quality("recall", by="amount", edges=(5,), at_least=0.5))
    assert known.evaluation is not None


def test_a_gate_of_rules_alone_lets_all_else_pass() -> None:
    made = kp.gate(rules=[kp.rule("amount", above=1, then=kp.review("desk"))])

    assert (made.min_confidence, made.otherwise) == (0.5, kp.refuse())
    assert with_rule(kp.rule("amount", below=3, then=kp.refuse()))


def test_a_deadline_is_kept_in_microseconds() -> None:
    late: Otherwise = kp.review("desk", within="4h", escalate_to="leads")

    assert (late.within_us, late.escalate_to) == (4 * 3_600_000_000, "leads")
