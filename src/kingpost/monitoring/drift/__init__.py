"""Drift of tables: one pass, counts that merge, limits at a stated rate of false alarms."""

from kingpost.monitoring.drift.columns import CategoryColumn, NumberColumn, WatchedColumn
from kingpost.monitoring.drift.counts import DriftCounts
from kingpost.monitoring.drift.reference import (
    DriftReference,
    build_reference,
    decode_reference,
    encode_reference,
)
from kingpost.monitoring.drift.report import (
    ColumnDrift,
    DriftReport,
    DriftTest,
    Measures,
    compare,
)
from kingpost.monitoring.drift.stored import ArrowStream, StoredTable, open_table
from kingpost.monitoring.drift.tables import BatchTable, ColumnType, Levels, Table
from kingpost.monitoring.drift.vectors import VectorScale

__all__ = [
    "ArrowStream",
    "BatchTable",
    "CategoryColumn",
    "ColumnDrift",
    "ColumnType",
    "DriftCounts",
    "DriftReference",
    "DriftReport",
    "DriftTest",
    "Levels",
    "Measures",
    "NumberColumn",
    "StoredTable",
    "Table",
    "VectorScale",
    "WatchedColumn",
    "build_reference",
    "compare",
    "decode_reference",
    "encode_reference",
    "open_table",
]
