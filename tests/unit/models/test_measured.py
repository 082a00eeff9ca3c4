"""An evaluation says all measures with their counts, also where one is not defined."""

from dataclasses import replace

import numpy as np
import pytest

from kingpost.models import Costs, OneClassOnly, TrainingSet, evaluate

DAY = 86_400_000_000

data = TrainingSet(
    ("amount",),
    np.array([[10], [20], [30], [40]], np.float32),
    np.array([0.0, 1.0, 0.0, 1.0]),
    np.array([0, 1, DAY, DAY + 1]),
    np.array([1, 2, 3, 4]),
)
scores = np.array([0.1, 0.4, 0.2, 0.9])


def test_all_measures_come_together() -> None:
    costs = Costs(data.x[:, 0].astype(np.float64), 1.0)

    found = evaluate(data, scores, k=1, threshold=0.5, costs=costs)

    assert (found.rows, found.positives) == (4, 2)
    assert found.roc_auc == 1.0
    assert found.entity_precision is not None
    assert found.entity_precision.per_day == (1.0, 1.0)
    assert found.at_threshold == (0.5, 1, 1, 0, 20.0, 60.0)
    assert found.metrics() == {
        "rows": 4.0,
        "positives": 2.0,
        "auc_roc": 1.0,
        "average_precision": 1.0,
        "brier": pytest.approx((0.01 + 0.36 + 0.04 + 0.01) / 4),
        "calibration_error": pytest.approx((0.1 + 0.6 + 0.2 + 0.1) / 4),
        "entity_precision_1": 1.0,
        "cost": 20.0,
        "cost_without_model": 60.0,
    }


def test_what_was_not_asked_for_is_not_there() -> None:
    found = evaluate(replace(data, entities=None), scores)

    assert (found.entity_precision, found.at_threshold, found.slices) == (None, None, ())
    assert "cost" not in found.metrics()


def test_a_slice_of_one_class_or_of_none_has_no_ranking() -> None:
    rows = {
        "all": np.ones(4, np.bool_),
        "genuine": data.y == 0,
        "none": np.zeros(4, np.bool_),
    }

    found = {one.name: one for one in evaluate(data, scores, slices=rows).slices}

    assert found["all"] == ("all", 4, 2, pytest.approx(0.4), 1.0, 1.0)
    assert found["genuine"] == ("genuine", 2, 0, pytest.approx(0.15), None, None)
    assert found["none"] == ("none", 0, 0, None, None, None)


def test_rows_of_one_class_cannot_be_judged_on() -> None:
    with pytest.raises(OneClassOnly):
        evaluate(data.take(np.array([0, 2])), scores[[0, 2]])
