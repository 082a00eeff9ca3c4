"""Feature values as serving read them from several partitions: the vectors recorded say what
each read saw, and the offline computation sees the same.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch
from kingpost.features.feature_set import FeatureSet
from kingpost.features.history import History
from kingpost.features.offline import Requests, feature_matrix
from kingpost.features.read_vectors import ReadVectors

__all__ = ["as_recorded"]


def as_recorded(
    features: FeatureSet,
    requests: ColumnBatch,
    vectors: ReadVectors,
    histories: Mapping[str, History],
    *,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Compute all features of many requests, each as of the vector it was read at.

    Args:
        requests: The requests, by the column.
        vectors: What each of them was read as of.
        histories: The events of each stream with sequences as positions, as
            `join_histories` makes them.

    Returns:
        Values as float64, shape (rows, features), in the order of the requests; the bits
        that the store gave.
    """
    out = np.empty((requests.rows, len(features)), np.float64)
    for rows, chain in vectors.chains():
        asked = Requests(requests.take(rows), np.zeros(len(rows), np.int64), chain)
        out[rows] = feature_matrix(features, asked, histories, threads=threads)
    return out
