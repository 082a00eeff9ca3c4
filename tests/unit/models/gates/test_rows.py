"""Parting rows by a field of the request or a feature."""

import numpy as np
import pytest

from kingpost.models import BadGroups
from kingpost.models.gates.rows import groups_of
from tests.judged_rows import judged_rows, texts

ROWS = judged_rows(
    np.array([True, False, True, False]),
    np.array([0.9, 0.1, 0.8, 0.2]),
    columns={
        "channel": texts(["web", "shop", "web", "app"]),
        "amount": np.array([5.0, 20.0, 50.0, 120.0]),
    },
    present={"channel": np.array([True, True, True, False])},
    features={"night": np.array([0.0, 1.0, 1.0, np.nan])},
)


def parted(by: str, *edges: float) -> dict[str, list[int]]:
    return {name: np.flatnonzero(rows).tolist() for name, rows in groups_of(ROWS, by, edges)}


def test_each_text_is_a_group_and_what_is_missing_another() -> None:
    assert parted("channel") == {
        "channel = shop": [1],
        "channel = web": [0, 2],
        "channel missing": [3],
    }


def test_each_value_of_a_feature_is_a_group() -> None:
    assert parted("night") == {"night = 0": [0], "night = 1": [1, 2], "night missing": [3]}


def test_a_number_is_cut_at_edges_the_upper_part_taking_the_edge() -> None:
    assert parted("amount", 20, 100) == {
        "amount below 20": [0],
        "amount 20 to 100": [1, 2],
        "amount from 100": [3],
    }


def test_what_cannot_part_rows_is_an_error_that_says_why() -> None:
    many = np.arange(60)
    rows = judged_rows(many > 3, many / 60, columns={"customer": many})
    with pytest.raises(BadGroups, match="60 values"):
        groups_of(rows, "customer")
    with pytest.raises(BadGroups, match="is text"):
        groups_of(ROWS, "channel", (1.0,))
    with pytest.raises(BadGroups, match="no number"):
        ROWS.numbers("colour")
