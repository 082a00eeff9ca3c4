"""Who may do what, and how much: API keys, tokens of an issuer, limits, sessions of people."""

from kingpost.access.errors import (
    ApiKeyMissing,
    ApiKeyRefused,
    BadKeyRequest,
    BadRoles,
    KeyStoreFailed,
    MissingScope,
    RateLimited,
    SessionOver,
    SessionStoreFailed,
    TokenKeysMissing,
    TokenRefused,
    UnknownKey,
)
from kingpost.access.issuer_keys import FetchedKeys, IssuerKeys, key_file, key_url
from kingpost.access.key_ring import KeyRing
from kingpost.access.keys import SCOPES, NewKey, create_key, is_scope, revoke_key, rotate_key
from kingpost.access.limits import NO_LIMITS, Limits
from kingpost.access.principal import Principal
from kingpost.access.rate_limiter import Fields, RateLimiter
from kingpost.access.roles import read_roles, roles_in
from kingpost.access.session_store import Session, SessionStore
from kingpost.access.session_store_memory import MemorySessions
from kingpost.access.session_store_sqlite import SqliteSessions
from kingpost.access.sessions import NewSession, Sessions
from kingpost.access.store import ApiKey, KeyStore, StoredKey
from kingpost.access.store_memory import MemoryKeys
from kingpost.access.store_sqlite import MIGRATIONS, SqliteKeys
from kingpost.access.tokens import KnownToken, Tokens, TokenSettings

__all__ = [
    "MIGRATIONS",
    "NO_LIMITS",
    "SCOPES",
    "ApiKey",
    "ApiKeyMissing",
    "ApiKeyRefused",
    "BadKeyRequest",
    "BadRoles",
    "FetchedKeys",
    "Fields",
    "IssuerKeys",
    "KeyRing",
    "KeyStore",
    "KeyStoreFailed",
    "KnownToken",
    "Limits",
    "MemoryKeys",
    "MemorySessions",
    "MissingScope",
    "NewKey",
    "NewSession",
    "Principal",
    "RateLimited",
    "RateLimiter",
    "Session",
    "SessionOver",
    "SessionStore",
    "SessionStoreFailed",
    "Sessions",
    "SqliteKeys",
    "SqliteSessions",
    "StoredKey",
    "TokenKeysMissing",
    "TokenRefused",
    "TokenSettings",
    "Tokens",
    "UnknownKey",
    "create_key",
    "is_scope",
    "key_file",
    "key_url",
    "read_roles",
    "revoke_key",
    "roles_in",
    "rotate_key",
]
