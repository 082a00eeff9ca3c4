"""The store of keys that settings name."""

from pathlib import Path
from urllib.parse import urlsplit

from kingpost.subjects.errors import KeyStoreUnfit
from kingpost.subjects.store import KeyStore
from kingpost.subjects.store_postgres import PostgresSubjectKeys
from kingpost.subjects.store_sqlite import SqliteSubjectKeys

__all__ = ["open_key_store"]


def open_key_store(setting: str, path: Path, partition: str) -> KeyStore:
    """Open the store of a setting.

    Args:
        setting: `postgresql://…`, or empty for a file.
        path: The file.
        partition: Whose keys are wanted of a server.

    Raises:
        KeyStoreUnfit: The setting names no store.
        ExtraMissing, StorageFailed, DatabaseNewer: See `PostgresSubjectKeys`.
        DatabaseUnreadable, DatabaseNewer: See `SqliteSubjectKeys`.
    """
    if not setting:
        return SqliteSubjectKeys(path)
    if urlsplit(setting).scheme not in ("postgresql", "postgres"):
        raise KeyStoreUnfit
    return PostgresSubjectKeys(setting, partition)
