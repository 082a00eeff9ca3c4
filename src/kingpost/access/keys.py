"""API keys: `kp_<id>_<secret>`, made once, kept as a hash, rotated, revoked for good.

The rule: the secret is shown when the key is made and never again. What is stored is its
SHA-256, which is enough for 256 random bits: nothing shorter than them can be guessed.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from kingpost.access.errors import BadKeyRequest, UnknownKey
from kingpost.access.limits import NO_LIMITS, Limits
from kingpost.access.store import ApiKey, KeyStore
from kingpost.core import Clock

__all__ = ["SCOPES", "NewKey", "create_key", "is_scope", "revoke_key", "rotate_key"]

SCOPES = (
    "decide",
    "ingest",
    "records",
    "review",
    "workflows",
    "erase",
    "jobs",
    "release",
    "metrics",
    "audit",
    "admin",
)
"""What a key can be let do; `decide:<decision>` is one decision,
`decide:<decision>.model` the model behind it alone, `review:<queue>` one queue."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NARROWED = re.compile(r"decide:[a-z][a-z0-9_-]{0,63}(?:\.model)?|review:[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class NewKey:
    """A key just made; `secret` is the text a caller sends, known only here."""

    key: ApiKey
    secret: str = field(repr=False)


def is_scope(text: str) -> bool:
    """Tell whether this is a scope: one of `SCOPES`, whole or narrowed."""
    return text in SCOPES or _NARROWED.fullmatch(text) is not None


def create_key(
    store: KeyStore,
    clock: Clock,
    *,
    tenant: str,
    scopes: Sequence[str],
    name: str = "",
    expires_us: int | None = None,
    limits: Limits = NO_LIMITS,
    holder: str = "",
) -> NewKey:
    """Make a key and store its hash.

    Args:
        scopes: Of `SCOPES`, or `decide:<decision>`, or `review:<queue>`.
        name: For people, such as who holds it.
        expires_us: When it stops being valid, microseconds UTC; None is never.
        limits: How much may be asked with it; the installation's limits where it has none.
        holder: Id of the principal it is another key of; it is one of its own without.

    Raises:
        BadKeyRequest: The tenant cannot be one, a scope is unknown or none is given, or
            the key would have expired already.
        KeyStoreFailed: It could not be stored.
    """
    if _NAME.fullmatch(tenant) is None:
        raise BadKeyRequest(
            f"tenant {tenant!r} cannot be one",
            "use 1 to 64 lower-case letters, digits, '_' and '-', beginning with one of the former",
        )
    unknown = [scope for scope in scopes if not is_scope(scope)]
    if unknown or not scopes:
        problem = f"unknown scope {unknown[0]!r}" if unknown else "a key needs a scope"
        known = f"scopes are {', '.join(SCOPES)}, decide:<decision> and review:<queue>"
        raise BadKeyRequest(problem, known)
    if len(name) > 200 or not (name.isprintable() or not name):
        raise BadKeyRequest("the name is too long or not printable", "use 200 characters at most")
    now_us = clock.now_us()
    if expires_us is not None and expires_us <= now_us:
        raise BadKeyRequest("the key would have expired already", "choose a later time")
    identifier, secret = secrets.token_hex(6), secrets.token_hex(32)
    key = ApiKey(
        id=identifier,
        tenant=tenant,
        scopes=tuple(dict.fromkeys(scopes)),
        name=name,
        created_us=now_us,
        expires_us=expires_us,
        holder=holder,
        limits=limits,
    )
    store.add(key, sha256(secret.encode()).digest())
    return NewKey(key, f"kp_{identifier}_{secret}")


def rotate_key(
    store: KeyStore,
    clock: Clock,
    identifier: str,
    *,
    overlap_us: int,
    expires_us: int | None = None,
) -> NewKey:
    """Make a key that takes the place of another one, for the same principal.

    Args:
        overlap_us: How long the old one stays valid; it never stays longer than it was to.
        expires_us: When the new one stops being valid; without, it lives as long from now as
            the old one did from its making.

    Raises:
        UnknownKey: No key has this id.
        BadKeyRequest: It is not valid any more.
        KeyStoreFailed: It could not be stored.
    """
    found = store.find(identifier)
    if found is None:
        raise UnknownKey(identifier)
    old, now_us = found.key, clock.now_us()
    if not old.is_valid(now_us):
        raise BadKeyRequest(f"the key {identifier!r} is not valid any more", "create another one")
    if expires_us is None and old.expires_us is not None:
        expires_us = now_us + old.expires_us - old.created_us
    made = create_key(
        store,
        clock,
        tenant=old.tenant,
        scopes=old.scopes,
        name=old.name,
        expires_us=expires_us,
        limits=old.limits,
        holder=old.principal,
    )
    store.expire(identifier, now_us + overlap_us)
    return made


def revoke_key(store: KeyStore, clock: Clock, identifier: str) -> ApiKey:
    """Revoke a key; revoking it again changes nothing.

    Raises:
        UnknownKey: No key has this id.
        KeyStoreFailed: It could not be stored.
    """
    store.revoke(identifier, clock.now_us())
    found = store.find(identifier)
    if found is None:
        raise UnknownKey(identifier)
    return found.key
