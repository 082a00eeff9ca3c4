"""Encrypts the personal content of events under the keys of their subjects, and opens it.

The rule: each subject of a tenant has a key of its own, random, durable before anything encrypted
under it can be, and what it encrypted reads as erased for ever once it is destroyed.

Content is AES-256-GCM with a random nonce; everything that stands in the clear beside it is
authenticated with it, so neither can be changed or moved to another event.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from threading import RLock
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kingpost.contracts import (
    PersonalContent,
    PersonalPart,
    ProtectedContent,
    Withheld,
    whole_body,
)
from kingpost.storage import StorageBusy, StorageFailed, StorageFull
from kingpost.subjects.errors import ContentDamaged, KeysNotKept, SubjectKeyMissing
from kingpost.subjects.master_key import MasterKey
from kingpost.subjects.store import KeyStore, WrappedKey

__all__ = ["SubjectName", "SubjectVault"]

KEYS_CACHED = 65_536
_NONCE = 12
_DIGEST = "hmac-sha256:"


class SubjectName(NamedTuple):
    """A data subject: whom a field of a tenant's events names."""

    tenant: str
    entity: str
    name: str


class _Key(NamedTuple):
    id: bytes
    subject: bytes
    since: int
    cipher: AESGCM
    mac: bytes


class SubjectVault:
    """A `Vault` over a store of keys; for any thread.

    Args:
        store: Where keys are made; closed with the vault.
        beside: Of the other partitions, whose content is only read.
        keys_cached: How many keys are held in memory.
        is_strict: Refuse content whose key is not there, and was not destroyed; else it is
            `Withheld`.
    """

    def __init__(
        self,
        store: KeyStore,
        master: MasterKey,
        *,
        beside: Sequence["SubjectVault"] = (),
        keys_cached: int = KEYS_CACHED,
        is_strict: bool = False,
    ) -> None:
        self._is_strict = is_strict
        self._store, self._master, self._beside = store, master, tuple(beside)
        self._wrapping = AESGCM(master.wrapping)
        self._keys_cached = keys_cached
        self._by_subject: OrderedDict[bytes, _Key] = OrderedDict()
        self._by_id: OrderedDict[bytes, _Key] = OrderedDict()
        self._erased: dict[bytes, int] = {}
        self._lock = RLock()

    def prepare(self, subjects: Collection[SubjectName], offset: int) -> None:
        """Make the keys that subjects lack, in one go.

        Args:
            offset: No earlier than where the journal will hold what they encrypt.

        Raises:
            KeysNotKept: They cannot be kept; nothing was made.
        """
        with self._lock:
            made: dict[bytes, tuple[_Key, WrappedKey]] = {}
            for one in subjects:
                subject = self._master.subject(*one)
                if subject not in made and self._current(subject) is None:
                    made[subject] = self._make(subject, offset)
            if made:
                try:
                    self._store.add([wrapped for _, wrapped in made.values()])
                except (StorageFull, StorageBusy, StorageFailed) as error:
                    raise KeysNotKept(error.code) from error
                for key, _ in made.values():
                    self._remember(key)

    def protect(self, content: PersonalContent, offset: int) -> ProtectedContent:
        """Make the stored form of an event; see `Vault`."""
        name = SubjectName(content.tenant, content.entity, content.subject)
        subject = self._master.subject(*name)
        key = self._current(subject)
        if key is None:
            self.prepare([name], offset)
            key = self._current(subject)
            assert key is not None
        digests = {
            field: "" if value is None else self._master.digest(content.tenant, value)
            for field, value in content.digested.items()
        }
        kept = msgspec.json.encode(content.encrypted)
        nonce = secrets.token_bytes(_NONCE)
        part = PersonalPart(1, key.id, tuple(content.encrypted), b"", digests, content.dropped)
        facts = _facts(content.contract, content.clear, part)
        encrypted = nonce + key.cipher.encrypt(nonce, kept, facts)
        body = whole_body(content.clear, msgspec.structs.replace(part, encrypted=encrypted))
        return ProtectedContent(body, _request_digest(key, content.clear, kept, digests))

    def open(self, contract: str, clear: bytes, part: PersonalPart) -> Mapping[str, str | None]:
        """Return the personal fields, as far as they can be read; see `Vault`."""
        found: dict[str, str | None] = {
            field: Withheld(_DIGEST + digest) if digest else None
            for field, digest in part.digests.items()
        }
        found.update(dict.fromkeys(part.dropped, Withheld(Withheld.DROPPED)))
        key = self._find(part.key)
        if isinstance(key, _Key):
            found.update(_object(self._opened(key, contract, clear, part)))
        elif self._is_strict and key == Withheld.NO_KEY:
            raise SubjectKeyMissing(contract)
        else:
            found.update(dict.fromkeys(part.fields, key))
        return found

    def digest(self, contract: str, clear: bytes, part: PersonalPart) -> bytes | None:
        """Return the digest as `protect` gave it; see `Vault`."""
        key = self._find(part.key)
        if not isinstance(key, _Key):
            return None
        return _request_digest(key, clear, self._opened(key, contract, clear, part), part.digests)

    def erase(self, subject: SubjectName, offset: int) -> None:
        """Use no key of a subject any more that was made for what lies at an offset or before.

        At once and in memory alone; `destroy` is to follow when the erasure is durable.
        """
        named = self._master.subject(*subject)
        with self._lock:
            self._erased[named] = max(offset, self._erased.get(named, -1))
            self._by_subject.pop(named, None)

    def destroy(self, erasures: Iterable[tuple[SubjectName, int]]) -> int:
        """Destroy the keys of erased subjects, each up to the offset of its erasure.

        It may be told again of those that are destroyed.

        Returns:
            How many keys there were.

        Raises:
            StorageFull, StorageBusy, StorageFailed: Some are still there; call it again.
        """
        number = 0
        for subject, offset in erasures:
            named = self._master.subject(*subject)
            number += self._store.destroy(named, offset)
            with self._lock:
                gone = [one.id for one in self._by_id.values() if one.subject == named]
                for identifier in gone:
                    if self._by_id[identifier].since <= offset:
                        del self._by_id[identifier]
                held = self._by_subject.get(named)
                if held is not None and held.since <= offset:
                    del self._by_subject[named]
                if self._erased.get(named, offset + 1) <= offset:
                    del self._erased[named]
        return number

    def rewind(self, offset: int) -> None:
        """Hear that the journal ends at an offset, lower than it once was in memory.

        Keys that were made for what was never written encrypt what comes at lower offsets now, and
        an erasure must find them there.

        Raises:
            StorageFull, StorageBusy, StorageFailed: It is not noted.
        """
        with self._lock:
            self._store.rewind(offset)
            self._by_subject.clear()
            self._by_id.clear()

    def revive(self) -> None:
        """Take back each `erase` that was not recorded, since the journal failed."""
        with self._lock:
            self._erased.clear()

    def close(self) -> None:
        """Release the store and forget the keys."""
        with self._lock:
            self._by_subject.clear()
            self._by_id.clear()
        self._store.close()
        for one in self._beside:
            one.close()

    def _current(self, subject: bytes) -> _Key | None:
        """Return the key that encrypts for a subject now; None when it has none."""
        with self._lock:
            key = self._by_subject.get(subject)
            if key is None:
                wrapped = self._store.newest(subject)
                if wrapped is None or self._is_erased(subject, wrapped.since):
                    return None
                key = self._unwrap(wrapped)
                self._remember(key)
            else:
                self._by_subject.move_to_end(subject)
            return key

    def _find(self, identifier: bytes) -> _Key | Withheld:
        """Return a key by its id, or why there is none."""
        with self._lock:
            key = self._by_id.get(identifier)
            if key is not None:
                if self._is_erased(key.subject, key.since):
                    return Withheld(Withheld.ERASED)
                self._by_id.move_to_end(identifier)
                return key
            wrapped = self._store.get(identifier)
            if wrapped is not None:
                if self._is_erased(wrapped.subject, wrapped.since) or not wrapped.wrapped:
                    return Withheld(Withheld.ERASED)
                key = self._unwrap(wrapped)
                _add(self._by_id, identifier, key, self._keys_cached)
                return key
        for one in self._beside:
            found = one._find(identifier)
            if found != Withheld.NO_KEY:
                return found
        return Withheld(Withheld.NO_KEY)

    def _is_erased(self, subject: bytes, since: int) -> bool:
        return since <= self._erased.get(subject, -1)

    def _make(self, subject: bytes, offset: int) -> tuple[_Key, WrappedKey]:
        identifier, secret = secrets.token_bytes(16), secrets.token_bytes(32)
        nonce = secrets.token_bytes(_NONCE)
        wrapped = nonce + self._wrapping.encrypt(nonce, secret, identifier + subject)
        key = _key_of(identifier, subject, offset, secret)
        return key, WrappedKey(identifier, subject, offset, wrapped)

    def _unwrap(self, stored: WrappedKey) -> _Key:
        nonce, wrapped = stored.wrapped[:_NONCE], stored.wrapped[_NONCE:]
        try:
            secret = self._wrapping.decrypt(nonce, wrapped, stored.id + stored.subject)
        except (InvalidTag, ValueError):
            raise ContentDamaged("the key store") from None
        return _key_of(stored.id, stored.subject, stored.since, secret)

    def _remember(self, key: _Key) -> None:
        _add(self._by_subject, key.subject, key, self._keys_cached)
        _add(self._by_id, key.id, key, self._keys_cached)

    @staticmethod
    def _opened(key: _Key, contract: str, clear: bytes, part: PersonalPart) -> bytes:
        nonce, encrypted = part.encrypted[:_NONCE], part.encrypted[_NONCE:]
        try:
            return key.cipher.decrypt(nonce, encrypted, _facts(contract, clear, part))
        except (InvalidTag, ValueError):
            raise ContentDamaged(contract) from None


def _key_of(identifier: bytes, subject: bytes, since: int, secret: bytes) -> _Key:
    content = hmac.digest(secret, b"encrypt content", "sha256")
    return _Key(
        identifier,
        subject,
        since,
        AESGCM(content),
        hmac.digest(secret, b"digest requests", "sha256"),
    )


def _add(held: OrderedDict[bytes, _Key], name: bytes, key: _Key, most: int) -> None:
    held[name] = key
    held.move_to_end(name)
    if len(held) > most:
        held.popitem(last=False)


def _facts(contract: str, clear: bytes, part: PersonalPart) -> bytes:
    """Return what stands in the clear and is authenticated with the content."""
    rest = msgspec.json.encode(
        [contract, part.format, part.key, part.fields, part.digests, part.dropped]
    )
    return rest + b"\0" + clear


def _request_digest(key: _Key, clear: bytes, kept: bytes, digests: Mapping[str, str]) -> bytes:
    text = b"\0".join((clear, kept, msgspec.json.encode(digests)))
    return hmac.digest(key.mac, text, "sha256")


def _object(kept: bytes) -> dict[str, str | None]:
    return msgspec.json.decode(kept, type=dict[str, str | None])
