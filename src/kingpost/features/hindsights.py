"""How much the classical backfill knows better than serving did, feature by feature.

Late events, corrections and retractions make the two differ: a request was answered with
what had reached us, a backfill without positions uses what reached us since. A model
trained on the latter learns from values it will not see in service.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kingpost.features.feature_set import FeatureSet
from kingpost.features.history import History
from kingpost.features.offline import Requests, feature_matrix
from kingpost.features.read_vectors import ReadVectors
from kingpost.features.recorded_values import as_recorded

__all__ = ["hindsight"]


def hindsight(
    features: FeatureSet,
    requests: Requests,
    histories: Mapping[str, History],
    *,
    vectors: ReadVectors | None = None,
    threads: int = 1,
) -> dict[str, float]:
    """Compare features as recorded with the classical backfill of the same requests.

    Args:
        requests: With the position each row was read at; without, each row's own position.
        histories: The events of each stream that the features window over, by its name.
        vectors: What each row was read as of, where several partitions were.

    Returns:
        By feature, the share of rows whose bits differ; 0 where there are no rows.
    """
    if vectors is None:
        read_at = requests.positions if requests.read_at is None else requests.read_at
        recorded = feature_matrix(
            features, replace(requests, read_at=read_at), histories, threads=threads
        )
    else:
        recorded = as_recorded(
            features,
            requests.events,
            vectors,
            histories,
            positions=requests.positions,
            threads=threads,
        )
    classical = feature_matrix(
        features, replace(requests, read_at=None), histories, threads=threads
    )
    differ = recorded.view(np.int64) != classical.view(np.int64)
    differ &= ~(np.isnan(recorded) & np.isnan(classical))
    shares = differ.mean(axis=0) if len(requests) else np.zeros(len(features))
    return dict(zip(features.names, shares.tolist(), strict=True))
