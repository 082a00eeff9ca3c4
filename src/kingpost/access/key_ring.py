"""Letting requests in by their `Authorization` header, at the price of one hash.

The rule: a key that was revoked or has expired opens nothing any more `FRESH_NS` later; a
token that has expired nothing from that moment on. A header that was let in is remembered by its SHA-256, never as it is, and its key is looked
up again when it is not fresh. A refusal does not say what was wrong.
"""

from dataclasses import replace
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex
from typing import NamedTuple

from kingpost.access.errors import ApiKeyMissing, ApiKeyRefused
from kingpost.access.limits import NO_LIMITS, Limits
from kingpost.access.principal import Principal
from kingpost.access.rate_limiter import RateLimiter
from kingpost.access.store import KeyStore
from kingpost.access.tokens import Tokens
from kingpost.core import Clock

__all__ = ["KeyRing"]

FRESH_NS = 1_000_000_000
HEADERS_KEPT = 10_000
_VOUCHED_NS = 3600 * 1_000_000_000
_LONGEST = 200
_NOBODY = sha256(b"").digest()


class _Held(NamedTuple):
    principal: Principal
    until_ns: int


class KeyRing:
    """The keys of a store, ready to be asked on every request; for one thread.

    Args:
        tokens: Lets in who brings an issuer's token instead; None takes keys alone.
        limits: How much each key may ask that has no limits of its own.

    Attributes:
        charge: Takes what is asked for from what a principal has left; see `RateLimiter.take`.
    """

    def __init__(
        self,
        store: KeyStore,
        clock: Clock,
        *,
        tokens: Tokens | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._store, self._clock, self._tokens, self._limits = store, clock, tokens, limits
        self.charge = RateLimiter(clock).take
        self._vouched: dict[bytes, Principal] = {}
        self._held: dict[bytes, _Held] = {}

    def check(self, authorization: bytes | None, digest: bytes | None = None) -> Principal:
        """Return who sends a header `Bearer kp_<id>_<secret>`, or with a token behind `Bearer`.

        Args:
            authorization: The value of the header; None when there was none.
            digest: Its SHA-256, where it is at hand.

        Raises:
            ApiKeyMissing: There was none.
            ApiKeyRefused: It holds no valid key.
            TokenRefused, TokenKeysMissing: It holds a token; see `Tokens.check`.
            KeyStoreFailed: The key could not be looked up.
        """
        if authorization is None:
            raise ApiKeyMissing
        digest = digest or sha256(authorization).digest()
        held = self._held.get(digest)
        if held is not None and self._clock.monotonic_ns() < held.until_ns:
            return held.principal
        self._held.pop(digest, None)
        held = self._look_up(authorization, digest)
        if len(self._held) >= HEADERS_KEPT:
            self._held.clear()
        self._held[digest] = held
        return held.principal

    def vouch(self, principal: Principal) -> bytes:
        """Make a header that lets a principal in, as long as this process lives.

        It has 256 random bits and must not leave the process. Who it is has been found out
        by other means, as by the certificate of a connection.
        """
        header = b"Kingpost-Caller " + token_hex(32).encode()
        limits = principal.limits or self._limits or None
        self._vouched[sha256(header).digest()] = replace(principal, limits=limits)
        return header

    def _look_up(self, authorization: bytes, digest: bytes) -> _Held:
        vouched = self._vouched.get(digest)
        if vouched is not None:
            return _Held(vouched, self._clock.monotonic_ns() + _VOUCHED_NS)
        if self._tokens is not None and (token := _token(authorization)):
            known = self._tokens.check(token)
            kept_ns = (known.until_us - self._clock.now_us()) * 1000
            return _Held(known.principal, self._clock.monotonic_ns() + kept_ns)
        identifier, secret = _parts(authorization)
        stored = self._store.find(identifier) if identifier else None
        expected = _NOBODY if stored is None else stored.secret_sha256
        is_right = compare_digest(sha256(secret).digest(), expected)
        now_us = self._clock.now_us()
        if stored is None or not is_right or not stored.key.is_valid(now_us):
            raise ApiKeyRefused
        key = stored.key
        fresh_ns = FRESH_NS
        if key.expires_us is not None:
            fresh_ns = min(fresh_ns, (key.expires_us - now_us) * 1000)
        limits = key.limits.over(self._limits) or None
        principal = Principal(key.principal, key.tenant, frozenset(key.scopes), key.name, limits)
        return _Held(principal, self._clock.monotonic_ns() + fresh_ns)


def _token(authorization: bytes) -> bytes:
    """Return the token of a header; empty where it holds none that could be one."""
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    is_one = scheme.lower() == b"bearer" and token.count(b".") == 2 and token[:3] != b"kp_"
    return token if is_one else b""


def _parts(authorization: bytes) -> tuple[str, bytes]:
    """Split a header into the key's id and its secret; empty where it is none."""
    scheme, _, token = authorization[:_LONGEST].partition(b" ")
    prefix, _, rest = token.strip().partition(b"_")
    identifier, _, secret = rest.partition(b"_")
    if scheme.lower() != b"bearer" or prefix != b"kp" or not identifier.isalnum():
        return "", secret
    return identifier.decode(), secret
