"""Features: declared once, computed by one kernel offline and online."""

from kingpost.features.aggregates import Aggregate, count, last, max, mean, min, sum
from kingpost.features.as_recorded import as_recorded
from kingpost.features.catch_up import catch_up
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
from kingpost.features.errors import (
    BadPartitions,
    FeaturesForgotten,
    LeakingLabel,
    StoreBehind,
    StoreFull,
    StoreNotResumed,
    StoreUnfit,
    StoreUnreachable,
    UnlistedPartition,
    WrongFeature,
)
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
from kingpost.features.read_vectors import Partitions, ReadVectors, join_histories
from kingpost.features.store import Change, Changes, FeatureStore, Readings, StoreReader
from kingpost.features.store_memory import MemoryFeatures
from kingpost.features.store_redis import RedisFeatures, RedisSettings
from kingpost.features.versions import RETRACTED, WITHHELD, Arrival, Versions

__all__ = [
    "KERNEL",
    "NEVER",
    "RETRACTED",
    "WITHHELD",
    "Aggregate",
    "Arrival",
    "BadPartitions",
    "Change",
    "Changes",
    "Difference",
    "Feature",
    "FeatureReader",
    "FeatureSet",
    "FeatureStore",
    "FeaturesForgotten",
    "FieldFeature",
    "Histories",
    "History",
    "Label",
    "LeakingLabel",
    "MemoryFeatures",
    "OnlineFeatures",
    "ParityReport",
    "Partitions",
    "ReadVectors",
    "Readings",
    "RedisFeatures",
    "RedisSettings",
    "Requests",
    "RowFeature",
    "StoreBehind",
    "StoreFull",
    "StoreNotResumed",
    "StoreReader",
    "StoreUnfit",
    "StoreUnreachable",
    "Stream",
    "UnlistedPartition",
    "Versions",
    "WindowFeatures",
    "WrongFeature",
    "as_lived",
    "as_recorded",
    "catch_up",
    "check_parity",
    "count",
    "different_bits",
    "feature",
    "feature_matrix",
    "field",
    "join_histories",
    "last",
    "max",
    "mean",
    "min",
    "stream",
    "sum",
]
