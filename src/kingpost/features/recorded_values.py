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
    positions: NDArray[np.int64] | None = None,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Compute all features of many requests, each as of the vector it was read at.

    Args:
        requests: The requests, by the column.
        vectors: What each of them was read as of.
        histories: The events of each stream with sequences as positions, as
            `join_histories` makes them.
        positions: The sequence of each request's own event, int64, shape (rows,); only what
            needs consent depends on it.

    Returns:
        Values as float64, shape (rows, features), in the order of the requests; the bits
        that the store gave.

    Raises:
        ValueError: Features need consent, and no positions are given.
    """
    if positions is None:
        if features.consents:
            raise ValueError("features that need consent need the positions of requests")
        positions = np.zeros(requests.rows, np.int64)
    out = np.empty((requests.rows, len(features)), np.float64)
    for rows, chain in vectors.chains():
        asked = Requests(requests.take(rows), positions[rows], chain)
        out[rows] = feature_matrix(features, asked, histories, threads=threads)
    return out
