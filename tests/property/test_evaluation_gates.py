"""What holds of evaluation gates whatever the rows are: parity with libraries, signs, coverage."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Literal, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import kingpost as kp
from kingpost.models import Champion, GateResult, JudgedRows, judge_gates
from kingpost.models.gates.declare import FairnessMeasure
from kingpost.models.gates.quality import weighted_measure
from tests.judged_rows import judged_rows, texts

# neither has types
fairlearn: Any = import_module("fairlearn.metrics")
sklearn: Any = import_module("sklearn.metrics")

QUALITY: dict[str, Callable[[Any, Any, Any], float]] = {
    "auc_roc": lambda y, p, w: sklearn.roc_auc_score(y, p, sample_weight=w),
    "average_precision": lambda y, p, w: sklearn.average_precision_score(y, p, sample_weight=w),
    "brier": lambda y, p, w: sklearn.brier_score_loss(y, p, sample_weight=w),
}
Paired = Literal["auc_roc", "average_precision", "brier"]
Apart = Literal["demographic_parity_difference", "equalized_odds_difference"]

# few different scores, so that many are equal
rows_of = st.lists(
    st.tuples(st.booleans(), st.integers(0, 8), st.integers(0, 8), st.sampled_from("abc")),
    min_size=24,
    max_size=80,
)


def columns(drawn: Sequence[tuple[bool, int, int, str]]) -> tuple[JudgedRows, NDArray[np.float64]]:
    """Return rows with one model's scores, and another's scores of the same rows."""
    label = np.array([row[0] for row in drawn])
    label[:2] = True, False
    score, other = np.array([row[1] / 8 for row in drawn]), np.array([row[2] / 8 for row in drawn])
    return judged_rows(label, score, columns={"region": texts([row[3] for row in drawn])}), other


def judged(rows: JudgedRows, *gates: Any, confidence: float | None = None) -> list[GateResult]:
    return list(judge_gates(kp.evaluation(*gates, confidence=confidence), rows))


@given(drawn=rows_of, seed=st.integers(0, 99))
def test_quality_is_that_of_scikit_learn_under_any_weights(
    drawn: list[tuple[bool, int, int, str]], seed: int
) -> None:
    rows, _ = columns(drawn)
    weights = np.random.default_rng(seed).integers(0, 3, len(rows)).astype(np.float64)
    weights[:2] = 1.0  # both classes are drawn

    for name, expected in QUALITY.items():
        found = weighted_measure(name, rows)(weights)
        assert found == pytest.approx(expected(rows.label, rows.score, weights), abs=1e-12)


@settings(max_examples=20)  # Fairlearn takes 50 ms for each
@given(drawn=rows_of)
def test_fairness_is_that_of_fairlearn(drawn: list[tuple[bool, int, int, str]]) -> None:
    rows, _ = columns(drawn)
    region = np.array([row[3] for row in drawn])
    for name in get_args(FairnessMeasure):
        gate = (
            kp.fair(name, by="region", at_least=0.0)
            if name.endswith("ratio")
            else kp.fair(name, by="region", at_most=1.0)
        )
        (found,) = judged(rows, gate)
        if any(rate.value is None for rate in found.rates):
            assert found.value is None  # Fairlearn takes a rate of no rows for 0
        elif found.value is not None:
            measure = getattr(fairlearn, name)
            expected = measure(rows.label, rows.answer, sensitive_features=region)
            assert found.value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=8)
@given(drawn=rows_of)
def test_swapping_the_models_of_a_paired_test_flips_its_sign(
    drawn: list[tuple[bool, int, int, str]],
) -> None:
    rows, other = columns(drawn)
    swapped = judged_rows(rows.label, other)
    measures: tuple[Paired, ...] = get_args(Paired)
    for measure in measures:
        gates = kp.evaluation(kp.better_than_champion(measure))
        (one,) = judge_gates(gates, rows, champion=Champion(other, 0.5))
        (back,) = judge_gates(gates, swapped, champion=Champion(rows.score, 0.5))

        assert one.value is not None
        assert back.value is not None
        assert one.low is not None
        assert one.high is not None
        assert back.value == pytest.approx(-one.value, abs=1e-12)
        assert (back.low, back.high) == pytest.approx((-one.high, -one.low), abs=1e-9)
        assert not one.verdict == back.verdict == "passed"


@given(drawn=rows_of, bound=st.floats(0, 1))
def test_a_gate_passes_only_where_its_whole_interval_keeps_the_bound(
    drawn: list[tuple[bool, int, int, str]], bound: float
) -> None:
    rows, _ = columns(drawn)
    for gate in (kp.quality("recall", at_least=bound), kp.quality("recall", at_most=bound)):
        (found,) = judged(rows, gate, confidence=0.9)
        if found.low is None or found.high is None:
            assert found.verdict == "undecided"
            continue
        keeps = found.low >= bound if found.side == "at_least" else found.high <= bound
        breaks = found.high < bound if found.side == "at_least" else found.low > bound
        assert found.verdict != "passed" or keeps
        assert (found.verdict == "failed") == breaks


@pytest.mark.parametrize("measure", get_args(Apart))
def test_intervals_of_fairness_hold_for_small_groups(measure: Apart) -> None:
    rng = np.random.default_rng(6)
    sizes, accused = (12, 15, 80), (0.15, 0.3, 0.4)  # the same among both labels
    truth, covered, drawn = 0.25, 0, 300
    group = np.repeat([0, 1, 2], sizes)
    names = texts([str(one) for one in group])
    gates = kp.evaluation(kp.fair(measure, by="group", at_most=1.0))
    for _ in range(drawn):
        label = rng.random(len(group)) < 0.5
        answer = rng.random(len(group)) < np.array(accused)[group]
        rows = judged_rows(label, answer.astype(np.float64), columns={"group": names})
        (found,) = judge_gates(gates, rows)
        covered += found.low is None or found.high is None or found.low <= truth <= found.high

    assert covered / drawn >= 0.95


def test_the_interval_of_average_precision_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)

    def drawn(size: int) -> JudgedRows:
        label = rng.random(size) < 0.2
        score = 1 / (1 + np.exp(-rng.normal(np.where(label, 0.5, -1.0))))
        return judged_rows(label, score)

    (truth,) = judged(drawn(200_000), kp.quality("average_precision", at_least=0.0))
    assert truth.value is not None
    covered, times = 0, 60
    for _ in range(times):
        gate = kp.quality("average_precision", at_least=0.0)
        (found,) = judged(drawn(400), gate, confidence=0.9)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth.value <= found.high

    assert covered / times >= 0.8  # 0.9 but for chance, in 60 draws


def test_a_model_that_is_no_better_passes_the_paired_test_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(8)
    gates, passed, times = kp.evaluation(kp.better_than_champion("auc_roc")), 0, 60
    for _ in range(times):
        label = rng.random(300) < 0.3
        one, other = (np.where(label, 0.5, 0.0) + rng.random(300) for _ in range(2))
        (found,) = judge_gates(gates, judged_rows(label, one), champion=Champion(other, 0.5))
        passed += found.verdict == "passed"

    assert passed / times <= 0.08  # 2.5% but for chance
