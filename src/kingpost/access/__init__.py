"""Who may do what: API keys with a tenant and scopes."""

from kingpost.access.errors import (
    ApiKeyMissing,
    ApiKeyRefused,
    BadKeyRequest,
    KeyStoreFailed,
    MissingScope,
    UnknownKey,
)
from kingpost.access.key_ring import KeyRing
from kingpost.access.keys import SCOPES, NewKey, create_key, revoke_key
from kingpost.access.principal import Principal
from kingpost.access.store import ApiKey, KeyStore, StoredKey
from kingpost.access.store_memory import MemoryKeys
from kingpost.access.store_sqlite import MIGRATIONS, SqliteKeys

__all__ = [
    "MIGRATIONS",
    "SCOPES",
    "ApiKey",
    "ApiKeyMissing",
    "ApiKeyRefused",
    "BadKeyRequest",
    "KeyRing",
    "KeyStore",
    "KeyStoreFailed",
    "MemoryKeys",
    "MissingScope",
    "NewKey",
    "Principal",
    "SqliteKeys",
    "StoredKey",
    "UnknownKey",
    "create_key",
    "revoke_key",
]
