"""Numbering keys."""

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.features.keys import factorise


@pytest.mark.parametrize(
    "column",
    [
        np.array([7, -3, 7, 120, -128], np.int8),
        np.array([2**64 - 1, 2**64 - 5, 2**64 - 1], np.uint64),
        np.array([-(2**63), 2**63 - 1, 0], np.int64),
        np.array([True, False, True]),
        np.array(["b", "a", "b", ""]),
        np.array(["b", "a", "b"], object),
        np.array([2.5, -1.0, 2.5]),
        np.array([], np.int64),
        np.array([], object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_codes_lead_back_to_the_values_in_ascending_order(column: NDArray[np.generic]) -> None:
    codes, uniques = factorise(column)

    assert codes.dtype == np.int32
    assert uniques.dtype == column.dtype
    assert uniques[codes].tolist() == column.tolist()
    assert uniques.tolist() == sorted(set(column.tolist()))


def test_a_table_of_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="2 dimensions"):
        factorise(np.zeros((2, 2), np.int64))
