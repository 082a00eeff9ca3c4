"""Databases, opened safely and their formats moved forward; files of columns."""

from kingpost.storage.column_file import ColumnFile, Part, read_columns, write_columns
from kingpost.storage.errors import (
    ColumnsDamaged,
    ColumnsNewer,
    DatabaseNewer,
    DatabaseUnreadable,
    StorageBusy,
    StorageFailed,
    StorageFull,
)
from kingpost.storage.sqlite import (
    make_anew,
    migrate,
    open_database,
    storage_error,
    stored_formats,
    transaction,
)
from kingpost.storage.threads import ThreadConnections

__all__ = [
    "ColumnFile",
    "ColumnsDamaged",
    "ColumnsNewer",
    "DatabaseNewer",
    "DatabaseUnreadable",
    "Part",
    "StorageBusy",
    "StorageFailed",
    "StorageFull",
    "ThreadConnections",
    "make_anew",
    "migrate",
    "open_database",
    "read_columns",
    "storage_error",
    "stored_formats",
    "transaction",
    "write_columns",
]
