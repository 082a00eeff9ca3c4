"""Who may do what: API keys with a tenant and scopes, and the sessions of people."""

from kingpost.access.errors import (
    ApiKeyMissing,
    ApiKeyRefused,
    BadKeyRequest,
    KeyStoreFailed,
    MissingScope,
    SessionOver,
    SessionStoreFailed,
    UnknownKey,
)
from kingpost.access.key_ring import KeyRing
from kingpost.access.keys import SCOPES, NewKey, create_key, is_scope, revoke_key
from kingpost.access.principal import Principal
from kingpost.access.session_store import Session, SessionStore
from kingpost.access.session_store_memory import MemorySessions
from kingpost.access.session_store_sqlite import SqliteSessions
from kingpost.access.sessions import NewSession, Sessions
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
    "MemorySessions",
    "MissingScope",
    "NewKey",
    "NewSession",
    "Principal",
    "Session",
    "SessionOver",
    "SessionStore",
    "SessionStoreFailed",
    "Sessions",
    "SqliteKeys",
    "SqliteSessions",
    "StoredKey",
    "UnknownKey",
    "create_key",
    "is_scope",
    "revoke_key",
]
