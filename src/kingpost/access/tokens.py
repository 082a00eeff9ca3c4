"""Bearer tokens of an OAuth 2.0 or OpenID Connect issuer, as JSON Web Tokens.

The rule: a token counts when the issuer's own key signed it, for this audience, at a time
that fits, and when it names somebody, a tenant and a scope. What a scope or a role of the
issuer's lets do is said here, not there.

Sources: RFC 7519; RFC 9068 (access tokens); RFC 8725.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import NamedTuple

import msgspec

from kingpost.access.errors import TokenKeysMissing, TokenRefused
from kingpost.access.issuer_keys import IssuerKeys
from kingpost.access.keys import is_scope
from kingpost.access.limits import Limits
from kingpost.access.principal import Principal
from kingpost.access.roles import roles_in
from kingpost.core import Clock, ExtraMissing

__all__ = ["KnownToken", "TokenSettings", "Tokens"]

LONGEST = 16 * 1024
KEPT_US = 300_000_000
"""A token that was let in is looked at again after this, so that a key that the issuer
withdrew closes."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TYPES = ("jwt", "at+jwt", "application/at+jwt", "application/jwt")
_LONGEST_SUBJECT = 255


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Whose tokens are taken, and for what.

    Attributes:
        issuer: As tokens say it in `iss`, to the letter.
        audience: What this installation is called in `aud`.
        tenant: The tenant of all who bring a token; unless `tenant_claim` is set.
        tenant_claim: The claim that names it; see `roles_in`.
        scope_claim: The claim with scopes or roles: a text of words, or a list.
        roles: The scopes of each role; without any, the claim's words are scopes themselves.
        leeway_us: How far the issuer's clock may be off.
    """

    issuer: str
    audience: str
    tenant: str
    tenant_claim: str = ""
    scope_claim: str = "scope"
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    leeway_us: int = 30_000_000


class KnownToken(NamedTuple):
    """Who brings a token, and until when it may be let in without another look."""

    principal: Principal
    until_us: int


class Tokens:
    """The tokens of one issuer.

    Args:
        limits: What each of their principals may ask; None is no limit.

    Raises:
        ExtraMissing: joserfc is not installed.
    """

    def __init__(
        self,
        settings: TokenSettings,
        keys: IssuerKeys,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        if find_spec("joserfc") is None:
            raise ExtraMissing("joserfc", "oidc")
        self._settings, self._keys, self._clock = settings, keys, clock
        self._limits = limits

    def check(self, token: bytes) -> KnownToken:
        """Return who brings a token.

        Raises:
            TokenRefused: It lets nobody in; it says why, as far as the bearer may know.
            TokenKeysMissing: Its key is being fetched; the next try may succeed.
        """
        from kingpost.access.signatures import ALGORITHMS, is_signed  # an extra

        if len(token) > LONGEST:
            raise TokenRefused("it is too long")
        header = _json_of(token.partition(b".")[0])
        kid = header.get("kid", "")
        is_plain = isinstance(kid, str) and "crit" not in header
        if not is_plain or header.get("alg") not in ALGORITHMS:
            raise TokenRefused("its algorithm or header is not taken here")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise TokenRefused("it is no access token")
        key = self._keys.find(str(kid))
        if key is None:
            if self._keys.want():
                raise TokenKeysMissing
            raise TokenRefused("the issuer has no such key")
        signed = is_signed(token, key)
        if signed is None:
            raise TokenRefused("its signature does not hold")
        return self._known(_claims_of(signed))

    def _known(self, claims: Mapping[str, object]) -> KnownToken:
        settings, now_us = self._settings, self._clock.now_us()
        if claims.get("iss") != settings.issuer:
            raise TokenRefused("another issuer made it")
        if settings.audience not in _words(claims.get("aud"), is_list_of_words=False):
            raise TokenRefused("it is for another audience")
        until_us = _moment(claims, "exp") + settings.leeway_us
        if now_us >= until_us:
            raise TokenRefused("it has expired")
        for name in ("nbf", "iat"):
            if name in claims and _moment(claims, name) > now_us + settings.leeway_us:
                raise TokenRefused("it is not valid yet")
        principal = Principal(
            f"jwt:{_subject(claims)}",
            self._tenant(claims),
            self._scopes(claims),
            limits=self._limits,
        )
        return KnownToken(principal, min(until_us, now_us + KEPT_US))

    def _tenant(self, claims: Mapping[str, object]) -> str:
        if not self._settings.tenant_claim:
            return self._settings.tenant
        named = roles_in(claims, self._settings.tenant_claim) or ()
        if len(named) != 1 or _TENANT.fullmatch(named[0]) is None:
            raise TokenRefused("it names no tenant")
        return named[0]

    def _scopes(self, claims: Mapping[str, object]) -> frozenset[str]:
        settings = self._settings
        words = _words(roles_in(claims, settings.scope_claim), is_list_of_words=True)
        if settings.roles:
            scopes = {scope for word in words for scope in settings.roles.get(word, ())}
        else:
            scopes = {word for word in words if is_scope(word)}
        if not scopes:
            raise TokenRefused("it has no scope that lets do anything here")
        return frozenset(scopes)


def _subject(claims: Mapping[str, object]) -> str:
    subject = claims.get("sub")
    is_one = isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT
    if not is_one or not str(subject).isprintable():
        raise TokenRefused("it does not say whose it is")
    return str(subject)


def _moment(claims: Mapping[str, object], name: str) -> int:
    found = claims.get(name)
    if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 1e11:
        return int(found * 1_000_000)
    raise TokenRefused(f"it has no {name} that is a time")


def _words(found: object, *, is_list_of_words: bool) -> Sequence[str]:
    """Return what a claim lists; a text is one word, or several between spaces."""
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list):
        return ()
    listed = [text for text in texts if isinstance(text, str)]  # pyright: ignore[reportUnknownVariableType]  of JSON
    return [word for text in listed for word in text.split()] if is_list_of_words else listed


def _json_of(part: bytes) -> Mapping[str, object]:
    try:
        text = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise TokenRefused("it is none") from None
    return _claims_of(text)


def _claims_of(text: bytes) -> Mapping[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        raise TokenRefused("it is none") from None
