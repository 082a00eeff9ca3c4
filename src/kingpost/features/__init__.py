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
from kingpost.features.history import NEVER, Histories, History
from kingpost.features.kernel import KERNEL
from kingpost.features.offline import Requests, feature_matrix
from kingpost.features.online import FeatureReader, OnlineFeatures
from kingpost.features.parity import (
    Difference,
    ParityReport,
    as_lived,
    check_parity,
    different_bits,
)
from kingpost.features.versions import RETRACTED, WITHHELD, Arrival, Versions

__all__ = [
    "KERNEL",
    "NEVER",
    "RETRACTED",
    "WITHHELD",
    "Aggregate",
    "Arrival",
    "Difference",
    "Feature",
    "FeatureReader",
    "FeatureSet",
    "FieldFeature",
    "Histories",
    "History",
    "Label",
    "LeakingLabel",
    "OnlineFeatures",
    "ParityReport",
    "Requests",
    "RowFeature",
    "Stream",
    "Versions",
    "WindowFeatures",
    "WrongFeature",
    "as_lived",
    "check_parity",
    "count",
    "different_bits",
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
