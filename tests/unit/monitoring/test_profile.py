"""A profile says what the rows were like, and what is unlike them."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.monitoring import (
    HOUR_US,
    BadProfile,
    NewerProfile,
    Profile,
    build_profile,
    decode_profile,
    encode_profile,
)
from kingpost.monitoring.binning import bin_codes, bin_edges, model_values
from kingpost.monitoring.calibration import chance
from kingpost.monitoring.window import FAST
from kingpost.records import Outcome
from tests.watched import START_US

Floats = NDArray[np.float64]


def edges(*values: float, step: float = 0.0) -> tuple[float, ...]:
    return bin_edges(model_values(np.array(values)), step=step)


def made(
    x: Floats,
    *,
    scores: Floats | None = None,
    labels: Floats | None = None,
    below_gate: Outcome = Outcome.REVIEW,
    fallback_positive: bool = False,
) -> Profile:
    rows = len(x)
    return build_profile(
        "fraud",
        [f"f{at}" for at in range(x.shape[1])],
        x,
        START_US + np.arange(rows) * (HOUR_US // 60),
        scores=np.full(rows, np.nan) if scores is None else scores,
        labels=np.zeros(rows) if labels is None else labels,
        threshold=0.5,
        min_confidence=0.75,
        below_gate=below_gate,
        fallback_positive=fallback_positive,
    )


def test_each_of_few_values_has_a_bin_of_its_own() -> None:
    found = edges(0, 1, 1, 0)

    assert found[:2] == (0.0, 1.0)
    assert bin_codes(found, np.array([-1, 0, 0.5, 1, 2, np.nan])).tolist() == [0, 1, 1, 2, 3, 4]


def test_what_is_beyond_the_reference_has_a_bin_on_either_side() -> None:
    values = np.random.default_rng(1).normal(size=10_000)
    found = bin_edges(model_values(values))

    codes = bin_codes(found, np.array([values.min(), values.max(), -9, 9, -np.inf, np.inf]))

    assert codes.tolist() == [1, len(found) - 1, 0, len(found), 0, len(found)]
    counts = np.bincount(bin_codes(found, values), minlength=len(found) + 2)
    assert counts[[0, -2, -1]].tolist() == [0, 0, 0]
    assert counts[1:-2].min() > 900


def test_a_value_that_many_rows_have_does_not_swallow_the_others() -> None:
    rng = np.random.default_rng(1)
    values = np.where(rng.random(10_000) < 0.9, 0.0, rng.lognormal(size=10_000))

    counts = np.bincount(bin_codes(bin_edges(model_values(values)), values))

    assert counts[1] == np.count_nonzero(values == 0)
    assert len(counts) > 5


def test_values_are_compared_as_the_model_sees_them() -> None:
    found = edges(0.1, 0.2, 0.3)

    assert bin_codes(found, np.array([0.1, 0.2, 0.3])).tolist() == [1, 2, 3]
    assert bin_codes(found, np.array([0.1, 0.2, 0.3], np.float32)).tolist() == [1, 2, 3]


def test_values_of_one_step_are_one_value() -> None:
    found = edges(0.001, 0.002, 0.019, step=0.01)

    assert found == pytest.approx((0.0, 0.01, 0.02))
    assert bin_codes(found, np.array([0.0005, 0.0199])).tolist() == [1, 2]


def test_a_column_without_any_value_has_no_edges() -> None:
    assert edges(np.nan, np.inf) == ()
    assert bin_codes((), np.array([1.0, np.nan])).tolist() == [0, 1]


def test_a_profile_comes_back_as_it_was_written() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3_000, 2))
    x[5, 1] = np.nan
    profile = made(x, scores=rng.random(3_000), labels=np.round(rng.random(3_000)))

    text = encode_profile(profile)

    assert decode_profile(text) == profile
    assert encode_profile(decode_profile(text)) == text
    assert [column.kind for column in profile.columns] == [
        "feature",
        "feature",
        "score",
        "confidence",
        "positive",
    ]


def test_a_later_format_is_refused() -> None:
    document = json.loads(encode_profile(made(np.ones((200, 1)))))

    with pytest.raises(NewerProfile, match="upgrade Kingpost"):
        decode_profile(json.dumps(document | {"format": 2}))
    with pytest.raises(NewerProfile):
        decode_profile("{")


def test_the_quality_promised_is_that_of_rows_the_model_had_not_seen() -> None:
    rows = 1_000
    scores = np.where(np.arange(rows) % 2 == 0, 0.9, 0.1)
    labels = np.where(np.arange(rows) % 10 == 0, 1.0, 0.0)
    scores[500:] = np.nan

    profile = made(np.zeros((rows, 1)), scores=scores, labels=labels)

    assert (profile.precision, profile.recall) == pytest.approx((0.2, 1.0))
    assert (profile.precision_rows, profile.recall_rows) == (250, 50)
    assert profile.positive_share == pytest.approx(0.5)
    assert profile.review_wrong_share is None


def test_answers_below_the_gate_are_counted_as_they_are_given() -> None:
    scores = np.where(np.arange(1_000) < 400, 0.6, 0.1)
    labels = np.where(np.arange(1_000) < 100, 1.0, 0.0)
    x = np.zeros((1_000, 1))

    reviewed = made(x, scores=scores, labels=labels)
    refused = made(x, scores=scores, labels=labels, below_gate=Outcome.REFUSED)
    fallen = made(x, scores=scores, labels=labels, below_gate=Outcome.FALLBACK)

    assert reviewed.positive_share == pytest.approx(0.4)
    assert reviewed.review_wrong_share == pytest.approx(0.75)
    assert (refused.positive_share, fallen.positive_share) == (0.0, 0.0)
    rows = [
        column.rows for one in (reviewed, refused) for column in [one.column("score")] if column
    ]
    assert rows == [1_000, 600]


def test_a_profile_without_scores_has_only_features() -> None:
    profile = made(np.zeros((200, 1)))

    assert [column.name for column in profile.columns] == ["f0"]
    assert (profile.precision, profile.recall, profile.positive_share) == (None, None, None)


def test_windows_that_the_reference_cannot_fill_are_not_judged() -> None:
    few = made(np.random.default_rng(1).normal(size=(30, 1)))
    some = made(np.random.default_rng(1).normal(size=(700, 1)))
    fewer = made(np.random.default_rng(1).normal(size=(300, 1)))

    assert few.columns[0].limits == {}
    assert fewer.columns[0].limits.keys() == {"fast"}
    assert some.columns[0].limits.keys() == {"fast", "hour", "day"}


def test_no_limit_is_below_what_chance_alone_exceeds() -> None:
    column = made(np.random.default_rng(1).normal(size=(80, 1))).columns[0]

    assert column.limits["fast"] >= chance(10, 80, FAST) > chance(10, 10_000, FAST) > 0.7
    assert chance(2, 10_000, FAST) < chance(10, 10_000, FAST)


def test_the_background_is_at_most_a_hundred_rows() -> None:
    x = np.random.default_rng(1).normal(size=(1_000, 2))
    x[0, 0] = np.nan

    profile = made(x)

    assert len(profile.background) == 100
    assert profile.background[0] == (None, pytest.approx(float(np.float32(x[0, 1]))))
    assert len(made(x[:7]).background) == 7


def test_a_percentile_is_read_off_the_bins() -> None:
    column = made(np.arange(1_000.0)[:, None]).columns[0]

    assert column.percentile(500.0) == pytest.approx(0.5, abs=0.06)
    assert (column.percentile(-1.0), column.percentile(2_000.0)) == (0.0, 1.0)
    assert column.percentile(np.nan) is None


def test_columns_that_do_not_fit_are_errors() -> None:
    with pytest.raises(BadProfile, match="no rows"):
        made(np.zeros((0, 2)))
    with pytest.raises(BadProfile, match="do not fit"):
        made(np.zeros((10, 1)), labels=np.zeros(9))
