"""Features: declared once, computed by one kernel offline and online."""

from kingpost.features.about import About, described
from kingpost.features.aggregates import Aggregate, count, last, max, mean, min, sum
from kingpost.features.catalogue import (
    FeatureEntry,
    FeatureKind,
    FieldRead,
    ValueType,
    catalogue_of,
)
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
from kingpost.features.parity import (
    Difference,
    ParityReport,
    as_lived,
    check_parity,
    different_bits,
)

__all__ = [
    "KERNEL",
    "About",
    "Aggregate",
    "Difference",
    "Feature",
    "FeatureEntry",
    "FeatureKind",
    "FeatureReader",
    "FeatureSet",
    "FieldFeature",
    "FieldRead",
    "Histories",
    "History",
    "Label",
    "LeakingLabel",
    "OnlineFeatures",
    "ParityReport",
    "Requests",
    "RowFeature",
    "Stream",
    "ValueType",
    "WindowFeatures",
    "WrongFeature",
    "as_lived",
    "catalogue_of",
    "check_parity",
    "count",
    "described",
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
