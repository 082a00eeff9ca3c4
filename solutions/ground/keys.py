"""A key for a data directory of its own, as `kingpost keys create` makes it."""

from collections.abc import Sequence

from kingpost.access import MIGRATIONS, SqliteKeys, create_key
from kingpost.core import SystemClock
from kingpost.decisions import DataDirectory
from kingpost.storage import migrate, open_database

__all__ = ["make_key"]


def make_key(where: DataDirectory, *, tenant: str, scopes: Sequence[str], name: str) -> str:
    """Create a key and return its secret."""
    connection = open_database(where.access)
    try:
        migrate(connection, "access", MIGRATIONS)
        keys, clock = SqliteKeys(connection), SystemClock()
        return create_key(keys, clock, tenant=tenant, scopes=scopes, name=name).secret
    finally:
        connection.close()
