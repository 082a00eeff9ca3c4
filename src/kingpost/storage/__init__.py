"""Databases: opened safely, their formats moved forward."""

from kingpost.storage.errors import (
    DatabaseNewer,
    DatabaseUnreadable,
    StorageBusy,
    StorageFailed,
    StorageFull,
)
from kingpost.storage.sqlite import make_anew, migrate, open_database, storage_error, transaction
from kingpost.storage.threads import ThreadConnections

__all__ = [
    "DatabaseNewer",
    "DatabaseUnreadable",
    "StorageBusy",
    "StorageFailed",
    "StorageFull",
    "ThreadConnections",
    "make_anew",
    "migrate",
    "open_database",
    "storage_error",
    "transaction",
]
