"""Databases: opened safely, their formats moved forward."""

from kingpost.storage.errors import DatabaseNewer, DatabaseUnreadable
from kingpost.storage.sqlite import migrate, open_database, transaction

__all__ = ["DatabaseNewer", "DatabaseUnreadable", "migrate", "open_database", "transaction"]
