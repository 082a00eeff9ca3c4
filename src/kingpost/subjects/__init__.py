"""The keys of data subjects: personal content is encrypted under them, and ends with them."""

from kingpost.subjects.errors import (
    ContentDamaged,
    KeysNotKept,
    KeysNotMoved,
    KeyStoreUnfit,
    MasterKeyUnusable,
    SubjectKeyMissing,
)
from kingpost.subjects.master_key import MasterKey, read_master_key
from kingpost.subjects.opened import open_key_store
from kingpost.subjects.store import KeyStore, WrappedKey
from kingpost.subjects.store_memory import MemorySubjectKeys
from kingpost.subjects.store_postgres import PostgresSubjectKeys
from kingpost.subjects.store_sqlite import SqliteSubjectKeys
from kingpost.subjects.vault import SubjectName, SubjectVault

__all__ = [
    "ContentDamaged",
    "KeyStore",
    "KeyStoreUnfit",
    "KeysNotKept",
    "KeysNotMoved",
    "MasterKey",
    "MasterKeyUnusable",
    "MemorySubjectKeys",
    "PostgresSubjectKeys",
    "SqliteSubjectKeys",
    "SubjectKeyMissing",
    "SubjectName",
    "SubjectVault",
    "WrappedKey",
    "open_key_store",
    "read_master_key",
]
