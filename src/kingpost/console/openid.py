"""OpenID Connect by authlib, of the extra `oidc`; imported when somebody first needs it.

The rule: nothing of authlib is known outside, and its requests go out by the client that
was handed in. Signatures count only by keys that the issuer alone has: no `none`, and no
secret that is shared with us.
"""

import logging
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import httpx
import msgspec
from authlib.integrations.base_client import OpenIDMixin
from authlib.oauth2 import OAuth2Client, OAuth2Error

from kingpost.console.errors import IssuerFailed, SignInRefused

__all__ = ["IssuerFacts", "OpenIdClient", "Tokens"]

_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
_SCOPE = "openid profile email"
_log = logging.getLogger(__name__)


class IssuerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an issuer says of itself (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()
    id_token_signing_alg_values_supported: tuple[str, ...] = ()


class Tokens(msgspec.Struct, frozen=True):
    """What a code was exchanged for."""

    access: str
    claims: Mapping[str, object]


class OpenIdClient:
    """This installation, as the issuer knows it.

    Args:
        http: Makes the requests.
    """

    def __init__(
        self, facts: IssuerFacts, client_id: str, client_secret: str, http: httpx.Client
    ) -> None:
        methods = facts.token_endpoint_auth_methods_supported or ("client_secret_basic",)
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        self._facts, self._http = facts, http
        self._oauth: Any = OAuth2Client(  # it has no types
            _Requests(http),
            client_id=client_id,
            client_secret=client_secret,
            token_endpoint_auth_method=method if client_secret else "none",
            code_challenge_method="S256",
            scope=_SCOPE,
        )
        self._tokens = _IdTokens(facts, client_id, http)

    def address(self, return_address: str, state: str, nonce: str, verifier: str) -> str:
        """Return where to send a browser, so that its user says who they are."""
        url: str
        url, _ = self._oauth.create_authorization_url(
            self._facts.authorization_endpoint,
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            redirect_uri=return_address,
        )
        return url

    def exchange(self, code: str, return_address: str, nonce: str, verifier: str) -> Tokens:
        """Exchange the code that a browser brought back, and check what comes of it.

        Raises:
            SignInRefused: The issuer does not take the code, or its token does not hold.
            httpx.HTTPError: It cannot be asked.
        """
        try:
            answer: Mapping[str, object] = self._oauth.fetch_token(
                self._facts.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=verifier,
                redirect_uri=return_address,
            )
        except OAuth2Error as error:
            raise SignInRefused(f"the issuer answered {_word(error.error)!r}") from error
        except ValueError as error:
            raise IssuerFailed(self._facts.issuer, "no token is in its answer") from error
        access = answer.get("access_token")
        if not isinstance(access, str):  # with it, the token is checked against it (`at_hash`)
            raise SignInRefused("the issuer's answer has no token in it")
        return Tokens(access, self._tokens.checked(answer, nonce))


class _Requests:
    """What authlib takes for a session: it posts, and no more."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def post(
        self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any
    ) -> httpx.Response:
        body: str
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._http.post(url, headers=headers, content=body)


class _IdTokens(OpenIDMixin):
    """Checks the tokens of one issuer; its keys are fetched anew when one is unknown."""

    def __init__(self, facts: IssuerFacts, client_id: str, http: httpx.Client) -> None:
        self.client_id, self._facts, self._http = client_id, facts, http
        self._keys: object = None

    def load_server_metadata(self) -> dict[str, object]:
        offered = self._facts.id_token_signing_alg_values_supported
        usable = [each for each in _SIGNATURES if each in offered] or ["RS256"]
        return {"id_token_signing_alg_values_supported": usable}

    def fetch_jwk_set(self, force: bool = False) -> Any:
        if self._keys is None or force:
            answer = self._http.get(self._facts.jwks_uri)
            answer.raise_for_status()
            self._keys = answer.json()
        return self._keys

    def checked(self, answer: Mapping[str, object], nonce: str) -> Mapping[str, object]:
        options = {
            "iss": {"essential": True, "value": self._facts.issuer},
            "aud": {"essential": True, "values": [self.client_id]},
        }
        try:
            claims: object = self.parse_id_token(  # pyright: ignore[reportUnknownMemberType]  untyped
                dict(answer), nonce, claims_options=options
            )
        except httpx.HTTPError:
            raise
        except Exception as error:
            # authlib's errors, those of the library below it, whose are not ours to name,
            # and what either makes of a token that is none: in any case nobody is let in
            _log.warning("token_refused", extra={"error": f"{type(error).__name__}: {error}"})
            raise SignInRefused("the issuer's token does not hold") from error
        if not isinstance(claims, dict):
            raise SignInRefused("the issuer's answer has no identity in it")
        return cast("Mapping[str, object]", claims)


def _word(code: object) -> str:
    text = str(code)
    return text[:60] if text.isprintable() else "an error"
