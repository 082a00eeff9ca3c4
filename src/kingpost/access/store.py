"""Where API keys are kept: what a store of them can do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kingpost.access.limits import NO_LIMITS, Limits

__all__ = ["ApiKey", "KeyStore", "StoredKey"]


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key, its secret left out; times are microseconds UTC.

    Attributes:
        holder: Id of the first key of those that it was rotated through: the principal.
            Empty for that first one itself.
        limits: Its own, which go before those of the installation.
    """

    id: str
    tenant: str
    scopes: tuple[str, ...]
    name: str
    created_us: int
    expires_us: int | None = None
    revoked_us: int | None = None
    holder: str = ""
    limits: Limits = NO_LIMITS

    @property
    def principal(self) -> str:
        """The id under which its bearer stands in records."""
        return self.holder or self.id

    def is_valid(self, now_us: int) -> bool:
        """Tell whether it lets anybody in at a time."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)


@dataclass(frozen=True)
class StoredKey:
    """A key with the SHA-256 of its secret."""

    key: ApiKey
    secret_sha256: bytes = field(repr=False)


class KeyStore(Protocol):
    """Keys by id. Every call may raise `KeyStoreFailed`."""

    def add(self, key: ApiKey, secret_sha256: bytes) -> None:
        """Store a new key, durably."""
        ...

    def find(self, identifier: str) -> StoredKey | None:
        """Return a key, valid or not; None when there is none of this id."""
        ...

    def list(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """Return the keys of one tenant, or all, oldest first."""
        ...

    def expire(self, identifier: str, at_us: int) -> None:
        """Let a key end at a time, durably; one that is unknown or ends sooner stays as it is."""
        ...

    def revoke(self, identifier: str, at_us: int) -> None:
        """Revoke a key, durably; one that is unknown or was revoked before stays as it is."""
        ...
