"""A training set holds rows that fit together, and rounds them once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.models import BadTrainingSet, TrainingSet, model_input

DAY = 86_400_000_000

data = TrainingSet(
    ("amount", "count"),
    model_input(np.array([[1.5, 1], [2.5, 2], [3.5, 3]], np.float64)),
    np.array([0.0, 1.0, 0.0]),
    np.array([0, DAY, 2 * DAY]),
    np.array([7, 8, 7]),
)


@given(value=st.floats(width=64))
def test_a_value_is_rounded_to_the_nearest_float32_without_a_warning(value: float) -> None:
    rounded = model_input(np.array([[value]]))

    assert rounded.dtype == np.float32
    with np.errstate(over="ignore"):
        assert np.array_equal(rounded, [[np.float32(value)]], equal_nan=True)


def test_a_period_begins_with_its_start_and_ends_before_its_end() -> None:
    part = data.between(DAY, 2 * DAY)

    assert part.x.tolist() == [[2.5, 2.0]]
    assert (part.positives, part.entities is not None and part.entities.tolist()) == (1, [8])
    assert data.rows_between(None, DAY).tolist() == [0]
    assert data.rows_between(DAY, None).tolist() == [1, 2]


def test_no_row_reaches_the_end() -> None:
    assert data.end_us() == 3 * DAY
    assert data.period == "1970-01-01T00:00:00Z to 1970-01-03T00:00:00Z"


def test_the_digest_tells_any_change() -> None:
    changed = data.x.copy()
    changed[0, 0] += 1

    assert data.digest == replace(data).digest
    assert len({data.digest, replace(data, x=changed).digest, data.between(DAY, None).digest}) == 3


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"x": np.zeros((3, 2))}, "model_input"),
        ({"x": np.zeros((3, 1), np.float32)}, r"\(3, 2\)"),
        ({"y": np.array([0.0, 2.0, 0.0])}, "neither 0 nor 1"),
        ({"y": np.array([0.0, np.nan, 0.0])}, "neither 0 nor 1"),
        ({"event_time_us": np.zeros(3)}, "event_time_us is float64"),
        ({"entities": np.zeros(2, np.int64)}, "entities is int64 of shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(BadTrainingSet, match=says):
        replace(data, **wrong)  # pyright: ignore[reportArgumentType]  that is the test
