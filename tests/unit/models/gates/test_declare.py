"""Declaring evaluation gates: what is said in words, and what cannot be asked for."""

from collections.abc import Callable

import numpy as np
import pytest

import kingpost as kp
from kingpost.models import EvaluationGate, JudgedRows, WrongGate


def saved(rows: JudgedRows) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Count what is caught."""
    return (rows.answer & rows.label).astype(np.float64)


def test_each_gate_says_what_it_asks_for() -> None:
    gates = kp.evaluation(
        kp.quality("auc_roc", at_least=0.85),
        kp.quality("brier", at_most=0.1),
        kp.slice_quality("auc_roc", by="channel", at_least=0.8),
        kp.calibrated(at_most=0.03),
        kp.fair("demographic_parity_ratio", by="region", at_least=0.8),
        kp.latency(p99="5ms"),
        kp.running_cost(at_most_usd=2, cpu_hour_usd=0.05),
        kp.business(saved, at_least=0),
        kp.better_than_champion("average_precision", by_at_least=0.01),
    )

    assert [str(gate) for gate in gates.spec.gates] == [
        "auc_roc at least 0.85",
        "brier at most 0.1",
        "auc_roc by channel at least 0.8",
        "calibration_error at most 0.03",
        "demographic_parity_ratio by region at least 0.8",
        "p99 of one score at most 5 ms",
        "running cost of a million scores at most 2 USD",
        "saved at least 0",
        "average_precision better than the champion's by more than 0.01",
    ]
    assert (gates.spec.confidence, gates.spec.undecided) == (0.95, "refused")


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda: kp.quality("accurracy", at_least=0.5), "'accurracy' is no measure"),  # pyright: ignore[reportArgumentType]
        (lambda: kp.quality("auc_roc"), "no bound"),
        (lambda: kp.quality("auc_roc", at_least=0.5, at_most=0.9), "two"),
        (lambda: kp.quality("auc_roc", at_least=float("nan")), "no number"),
        (lambda: kp.fair("equalized_odds_ratio", by="region", at_most=0.8), "asks for nothing"),
        (lambda: kp.slice_quality("recall", by="a", edges=(2, 1), at_least=0.1), "edges"),
        (lambda: kp.latency(p99="soon"), "soon"),
        (lambda: kp.running_cost(at_most_usd=0, cpu_hour_usd=1), "at_most_usd is 0"),
        (lambda: kp.business(lambda rows: rows.score, at_least=0), "no name"),
    ],
)
def test_a_gate_that_cannot_be_is_an_error_that_names_its_line(
    declare: Callable[[], EvaluationGate], problem: str
) -> None:
    with pytest.raises(WrongGate, match=problem) as raised:
        declare()

    assert raised.value.place.file == __file__


def test_no_gates_one_twice_or_a_wrong_confidence_is_an_error() -> None:
    gate = kp.calibrated(at_most=0.1)
    with pytest.raises(WrongGate, match="without gates"):
        kp.evaluation()
    with pytest.raises(WrongGate, match="twice"):
        kp.evaluation(gate, kp.calibrated(at_most=0.1))
    with pytest.raises(WrongGate, match="confidence is 95"):
        kp.evaluation(gate, confidence=95)
    with pytest.raises(WrongGate, match="undecided"):
        kp.evaluation(gate, undecided="maybe")  # pyright: ignore[reportArgumentType]
