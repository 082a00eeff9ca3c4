"""The accounts of an OpenID Connect issuer: who somebody is, and what their roles let them do.

The rule: an answer of the issuer counts only for the browser that asked (`state`), for the
question it was given to (`nonce`, PKCE with S256), and when its token is signed by the
issuer's own keys, for us, and not too old. What a role may do is said here, not there.

Sources: OpenID Connect Core 1.0, sections 3.1 and 5.3; RFC 7636; RFC 9207.
"""

import base64
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import msgspec

from kingpost.access import Principal, roles_in
from kingpost.console.errors import IssuerFailed, SignInRefused
from kingpost.core import Clock, ExtraMissing

if TYPE_CHECKING:
    from kingpost.console.openid import IssuerFacts, OpenIdClient

__all__ = ["Asked", "Issuer", "IssuerSettings"]

_DISCOVERY = "/.well-known/openid-configuration"
_FRESH_NS = 3600 * 1_000_000_000
_TIMEOUT_S = 5.0
_LONGEST_SUBJECT = 255
_LONGEST_NAME = 200


@dataclass(frozen=True)
class IssuerSettings:
    """Whose accounts are taken, and for what.

    Attributes:
        url: The issuer's, as its tokens say it.
        client_id: What it calls this installation.
        client_secret: Shared with it; empty where it asks for none.
        roles: The scopes of each role; see `read_roles`.
        role_claim: Where its tokens list a person's roles; see `roles_in`.
        tenant: The tenant of all who come from there.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    roles: Mapping[str, tuple[str, ...]]
    role_claim: str
    tenant: str


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a browser was sent to the issuer with; it keeps this until it comes back."""

    state: str
    nonce: str
    verifier: str
    wanted: str

    def to_text(self) -> str:
        """Write it as a cookie can hold it."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode()

    @classmethod
    def from_text(cls, text: str) -> "Asked":
        """Read what `to_text` wrote.

        Raises:
            SignInRefused: It is none.
        """
        try:
            return msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=cls)
        except (ValueError, msgspec.DecodeError):
            raise SignInRefused("it was begun in another browser, or too long ago") from None


class Issuer:
    """One issuer; from any thread.

    Args:
        http: Makes the requests; a client of its own by default.

    Raises:
        ExtraMissing: authlib is not installed.
    """

    def __init__(
        self, settings: IssuerSettings, clock: Clock, *, http: httpx.Client | None = None
    ) -> None:
        if find_spec("authlib") is None:
            raise ExtraMissing("authlib", "oidc")
        self.name = urlsplit(settings.url).netloc
        self._settings, self._clock = settings, clock
        self._http = http or httpx.Client(timeout=_TIMEOUT_S)
        self._lock = threading.Lock()
        self._found: tuple[OpenIdClient, IssuerFacts] | None = None
        self._until_ns = 0

    def ask(self, return_address: str, wanted: str) -> tuple[str, Asked]:
        """Return where to send a browser, and what it has to keep.

        Args:
            return_address: Where the issuer sends it back to; it knows that address.
            wanted: The page to go on to in the end.

        Raises:
            IssuerFailed: The issuer cannot be asked who it is.
        """
        client, _ = self._client()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        asked = Asked(state, nonce, verifier, wanted)
        return client.address(return_address, state, nonce, verifier), asked

    def person(self, asked: Asked, answer: Mapping[str, str], return_address: str) -> Principal:
        """Return who came back, and what they may do.

        Args:
            answer: The parameters that the browser came back with.

        Raises:
            SignInRefused: The answer lets nobody in, or the person has no role here.
            IssuerFailed: The issuer cannot be asked.
        """
        client, facts = self._client()
        if not compare_digest(answer.get("state", "").encode(), asked.state.encode()):
            raise SignInRefused("it was begun in another browser, or twice")
        if answer.get("iss", facts.issuer) != facts.issuer:
            raise SignInRefused("another issuer answered")
        if "code" not in answer:
            error = answer.get("error", "nothing")[:60]
            raise SignInRefused(f"the issuer answered {error!r}")
        try:
            tokens = client.exchange(answer["code"], return_address, asked.nonce, asked.verifier)
            claims = tokens.claims
            if roles_in(claims, self._settings.role_claim) is None and facts.userinfo_endpoint:
                claims = {**self._more(facts.userinfo_endpoint, tokens.access, claims), **claims}
        except httpx.HTTPError as error:
            raise IssuerFailed(self.name, type(error).__name__) from error
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, object]) -> Principal:
        subject = str(claims.get("sub", ""))
        if not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
            raise SignInRefused("the issuer does not say who it is")
        roles = roles_in(claims, self._settings.role_claim) or ()
        scopes = {scope for role in roles for scope in self._settings.roles.get(role, ())}
        name = _name(claims) or subject
        if not scopes:
            raise SignInRefused(f"{name} has no role that may do anything here; ask for one")
        return Principal(f"oidc:{subject}", self._settings.tenant, frozenset(scopes), name)

    def _more(
        self, endpoint: str, access: str, claims: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Ask for what the token leaves out; it must be of the same person."""
        answer = self._http.get(endpoint, headers={"authorization": f"Bearer {access}"})
        answer.raise_for_status()
        try:
            found = msgspec.json.decode(answer.content, type=dict[str, object])
        except msgspec.DecodeError as error:
            raise IssuerFailed(self.name, "what it knows of somebody is no JSON") from error
        if found.get("sub") != claims.get("sub"):
            raise SignInRefused("the issuer told of somebody else")
        return found

    def _client(self) -> "tuple[OpenIdClient, IssuerFacts]":
        with self._lock:
            if self._found is None or self._clock.monotonic_ns() >= self._until_ns:
                self._found = self._discovered()
                self._until_ns = self._clock.monotonic_ns() + _FRESH_NS
            return self._found

    def _discovered(self) -> "tuple[OpenIdClient, IssuerFacts]":
        from kingpost.console.openid import IssuerFacts, OpenIdClient  # an extra

        settings = self._settings
        try:
            answer = self._http.get(settings.url.rstrip("/") + _DISCOVERY)
            answer.raise_for_status()
            facts = msgspec.json.decode(answer.content, type=IssuerFacts)
        except httpx.HTTPError as error:
            raise IssuerFailed(self.name, type(error).__name__) from error
        except msgspec.DecodeError as error:
            raise IssuerFailed(self.name, "it does not say what an issuer says") from error
        if facts.issuer.rstrip("/") != settings.url.rstrip("/"):
            raise IssuerFailed(self.name, "it calls itself something else")
        if settings.url.startswith("https:"):
            named = (facts.authorization_endpoint, facts.token_endpoint, facts.jwks_uri)
            for url in (*named, facts.userinfo_endpoint):
                if url and not url.startswith("https:"):
                    raise IssuerFailed(self.name, "it sends people to addresses without https")
        client = OpenIdClient(facts, settings.client_id, settings.client_secret, self._http)
        return client, facts


def _name(claims: Mapping[str, object]) -> str:
    """Return an address that the issuer does not doubt, or what it calls somebody.

    Where it doubts the address, a name that reads as one may be somebody else's as well.
    """
    is_doubted = claims.get("email_verified") is False
    for each in ("preferred_username",) if is_doubted else ("email", "preferred_username"):
        found = claims.get(each)
        if isinstance(found, str) and found and found.isprintable():
            if is_doubted and "@" in found:
                continue
            return found[:_LONGEST_NAME]
    return ""
