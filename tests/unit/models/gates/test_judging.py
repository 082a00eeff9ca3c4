"""What a gate says of a number: passed, failed, undecided, and why."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import kingpost as kp
from kingpost.models import (
    BadGroups,
    Champion,
    EvaluationGate,
    GateResult,
    JudgedRows,
    Timings,
    judge_gates,
)
from tests.judged_rows import judged_rows, texts

RNG = np.random.default_rng(1)
LABEL = RNG.random(600) < 0.3
SCORE = np.clip(np.where(LABEL, 0.6, 0.3) + RNG.normal(0, 0.15, 600), 0, 1)
REGION = texts(["north" if at % 3 else "south" for at in range(600)])
ROWS = judged_rows(LABEL, SCORE, columns={"region": REGION, "amount": np.full(600, 10.0)})


def one(
    gate: EvaluationGate,
    rows: JudgedRows = ROWS,
    *,
    confidence: float | None = 0.95,
    champion: Champion | None = None,
    timings: Timings | None = None,
) -> GateResult:
    gates = kp.evaluation(gate, confidence=confidence)
    (found,) = judge_gates(gates, rows, champion=champion, timings=timings)
    return found


def test_the_whole_interval_has_to_keep_the_bound() -> None:
    found = one(kp.quality("auc_roc", at_least=0.5))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    inside = (found.low + found.value) / 2

    assert found.verdict == "passed"
    assert one(kp.quality("auc_roc", at_least=found.high + 0.001)).verdict == "failed"
    assert one(kp.quality("auc_roc", at_least=inside)).verdict == "undecided"
    assert one(kp.quality("auc_roc", at_least=inside), confidence=None).verdict == "passed"


@pytest.mark.parametrize(
    "gate",
    [
        kp.quality("average_precision", at_least=0.1),
        kp.quality("precision", at_least=0.1),
        kp.quality("recall", at_least=0.1),
        kp.quality("false_positive_rate", at_most=0.9),
        kp.quality("brier", at_most=0.9),
        kp.calibrated(at_most=0.9),
    ],
)
def test_each_measure_lies_within_its_interval(gate: EvaluationGate) -> None:
    found = one(gate)

    assert found.verdict == "passed"
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert found.low <= found.value <= found.high


def test_a_part_of_few_rows_is_undecided_however_good_it_looks() -> None:
    label, score = LABEL.copy(), SCORE.copy()
    few = np.arange(600) < 20
    label[few], score[few] = np.arange(20) < 5, np.where(np.arange(20) < 5, 0.9, 0.1)
    rows = judged_rows(label, score, columns={"group": few})

    gates = kp.evaluation(kp.slice_quality("auc_roc", by="group", at_least=0.2))
    rest, small = judge_gates(gates, rows)

    assert rest.verdict == "passed"
    assert (small.group, small.rows, small.positives) == ("group = 1", 20, 5)
    assert small.value == 1.0
    assert small.low is not None
    assert small.verdict == "undecided"
    assert "5 positive rows" in small.why


def test_a_part_of_one_kind_is_undecided_and_has_no_number() -> None:
    rows = judged_rows(
        np.arange(40) < 20, np.linspace(0, 1, 40), columns={"half": np.arange(40) < 20}
    )

    gates = kp.evaluation(kp.slice_quality("average_precision", by="half", at_least=0.2))
    found = judge_gates(gates, rows)

    assert {(part.value, part.verdict) for part in found} == {(None, "undecided")}


def test_a_small_group_is_undecided_in_fairness_and_its_rate_is_told() -> None:
    region = texts(["south" if at < 6 else "north" for at in range(600)])
    rows = judged_rows(LABEL, SCORE, columns={"region": region})

    found = one(kp.fair("demographic_parity_difference", by="region", at_most=0.9), rows)

    assert found.verdict == "undecided"
    assert "region = south has 6 rows" in found.why
    south = found.rates[1]
    assert (south.group, south.rows) == ("region = south", 6)
    assert south.low is not None
    assert south.high is not None
    assert south.high - south.low > 0.4


def test_groups_that_are_treated_apart_fail() -> None:
    score = np.where(np.arange(600) % 3 == 0, 0.9, SCORE)
    rows = judged_rows(LABEL, score, columns={"region": REGION})

    found = one(kp.fair("equalized_odds_difference", by="region", at_most=0.1), rows)

    assert found.verdict == "failed"
    assert {rate.rate for rate in found.rates} == {"true positive rate", "false positive rate"}


def test_a_better_model_passes_against_the_champion_and_an_equal_one_does_not() -> None:
    worse = Champion(np.clip(SCORE + RNG.normal(0, 0.3, 600), 0, 1), 0.5, "it was trained here")
    gate = kp.better_than_champion("average_precision")

    better, equal = one(gate, champion=worse), one(gate, champion=Champion(SCORE, 0.5))

    assert better.verdict == "passed"
    assert better.why == "it was trained here"
    assert (equal.value, equal.low, equal.high) == (0.0, 0.0, 0.0)
    assert equal.verdict == "failed"
    no_worse = kp.better_than_champion("average_precision", by_at_least=-0.01)
    assert one(no_worse, champion=Champion(SCORE, 0.5)).verdict == "passed"


def test_a_gain_has_to_be_above_the_least_that_counts() -> None:
    other = Champion(np.clip(SCORE + RNG.normal(0, 0.3, 600), 0, 1), 0.5)
    found = one(kp.better_than_champion("auc_roc"), champion=other)
    assert found.high is not None

    demanding = kp.better_than_champion("auc_roc", by_at_least=found.high + 0.001)
    assert one(demanding, champion=other).verdict == "failed"


def test_a_lower_brier_score_is_the_gain() -> None:
    worse = Champion(np.full(600, 0.5), 0.5)

    found = one(kp.better_than_champion("brier"), champion=worse)

    assert found.value is not None
    assert found.value > 0
    assert found.verdict == "passed"


def test_without_a_champion_the_paired_gate_passes_and_says_so() -> None:
    gate = kp.better_than_champion("auc_roc")

    first = one(gate)
    itself = one(gate, champion=Champion(None, 0.5, "it is the champion itself", passes=True))
    other = one(gate, champion=Champion(None, 0.5, "the champion takes other features"))

    assert (first.verdict, first.why) == ("passed", "no champion runs yet")
    assert (itself.verdict, itself.why) == ("passed", "it is the champion itself")
    assert (other.verdict, other.why) == ("undecided", "the champion takes other features")


def worth(rows: JudgedRows) -> NDArray[np.float64]:
    """Count amounts that are caught, less one for each false alarm."""
    return rows.numbers("amount") * (rows.answer & rows.label) - (rows.answer & ~rows.label)


def ragged(rows: JudgedRows) -> NDArray[np.float64]:
    """Give too few numbers."""
    return rows.score[:3]


def test_a_business_gate_is_the_mean_worth_of_an_answer() -> None:
    found = one(kp.business(worth, at_least=0.0))

    assert found.value == pytest.approx(float(worth(ROWS).mean()))
    assert found.verdict == "passed"
    assert found.measure == "worth"
    with pytest.raises(BadGroups, match="ragged"):
        one(kp.business(ragged, at_least=0.0))


def test_time_and_cost_have_bounds_and_are_undecided_where_nothing_was_timed() -> None:
    timings = Timings(np.full(2000, 2.0), cpu_s=0.0018)

    assert one(kp.latency(p99="3ms"), timings=timings).verdict == "passed"
    assert one(kp.latency(p99="1ms"), timings=timings).verdict == "failed"
    cost = one(kp.running_cost(at_most_usd=0.1, cpu_hour_usd=0.1), timings=timings)
    assert cost.value == pytest.approx(0.05)
    assert cost.verdict == "passed"
    assert one(kp.latency(p99="3ms")).verdict == "undecided"


def test_the_same_rows_give_the_same_results() -> None:
    gates = kp.evaluation(
        kp.quality("average_precision", at_least=0.5), kp.business(worth, at_least=0)
    )

    assert judge_gates(gates, ROWS) == judge_gates(gates, replace(ROWS))
