"""Features: declared once, computed by one kernel offline and online."""

from kingpost.features.aggregates import Aggregate, count, last, max, mean, min, sum
from kingpost.features.declare import (
    Feature,
    FieldFeature,
    Label,
    RowFeature,
    Stream,
    WindowFeatures,
    feature,
    field,
    stream,
)
from kingpost.features.errors import LeakingLabel, WrongFeature
from kingpost.features.feature_set import FeatureSet
from kingpost.features.history import Histories, History
from kingpost.features.kernel import KERNEL
from kingpost.features.offline import Requests, feature_matrix
from kingpost.features.online import FeatureReader, OnlineFeatures

__all__ = [
    "KERNEL",
    "Aggregate",
    "Feature",
    "FeatureReader",
    "FeatureSet",
    "FieldFeature",
    "Histories",
    "History",
    "Label",
    "LeakingLabel",
    "OnlineFeatures",
    "Requests",
    "RowFeature",
    "Stream",
    "WindowFeatures",
    "WrongFeature",
    "count",
    "feature",
    "feature_matrix",
    "field",
    "last",
    "max",
    "mean",
    "min",
    "stream",
    "sum",
]
