"""API keys in memory, for as long as the process lives."""

from collections.abc import Sequence
from dataclasses import replace

from kingpost.access.store import ApiKey, StoredKey

__all__ = ["MemoryKeys"]


class MemoryKeys:
    """A `KeyStore` that forgets."""

    def __init__(self) -> None:
        self._keys: dict[str, StoredKey] = {}

    def add(self, key: ApiKey, secret_sha256: bytes) -> None:
        self._keys[key.id] = StoredKey(key, secret_sha256)

    def find(self, identifier: str) -> StoredKey | None:
        return self._keys.get(identifier)

    def list(self, tenant: str | None = None) -> Sequence[ApiKey]:
        keys = [stored.key for stored in self._keys.values()]
        return [key for key in keys if tenant is None or key.tenant == tenant]

    def expire(self, identifier: str, at_us: int) -> None:
        stored = self._keys.get(identifier)
        if stored is not None and (stored.key.expires_us is None or stored.key.expires_us > at_us):
            self._keys[identifier] = replace(stored, key=replace(stored.key, expires_us=at_us))

    def revoke(self, identifier: str, at_us: int) -> None:
        stored = self._keys.get(identifier)
        if stored is not None and stored.key.revoked_us is None:
            self._keys[identifier] = replace(stored, key=replace(stored.key, revoked_us=at_us))
