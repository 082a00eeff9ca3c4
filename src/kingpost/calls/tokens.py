"""The access token of one service: when it is due, how it is asked for, what is kept.

The rule: a refresh is for whoever holds the turn, and only while the token is still the
one that was found due or refused; so no token is asked for twice. A new token is kept
before it is used.

No I/O but that of the token store.
"""

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote_plus, urlencode

import msgspec

from kingpost.calls.answer import CallAnswer
from kingpost.calls.credentials import ClientCredentials, RefreshToken, Token
from kingpost.calls.errors import AuthFailed
from kingpost.calls.exchange import CallRequest

__all__ = ["Tokens", "bearer_header"]

_MARGIN_SHARE = 5
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class _Given(msgspec.Struct):
    access_token: str
    expires_in: float | str | None = None
    refresh_token: str | None = None


class Tokens:
    """Of one service; `keep` and `reload` are for whoever holds the turn to refresh."""

    def __init__(self, service: str, auth: ClientCredentials | RefreshToken) -> None:
        self._service, self._auth = service, auth
        self._store = auth.store()
        self._token = self._store.load()

    @property
    def current(self) -> Token | None:
        """The latest token; None before the first."""
        return self._token

    def is_due(self, now_us: int) -> bool:
        """Tell whether the token is to be replaced: it is missing, or ends within the margin."""
        token = self._token
        if token is None or not token.access:
            return True
        if not token.expires_us:
            return False
        margin_us = min(round(self._auth.margin_s * 1e6), token.lifetime_us // _MARGIN_SHARE)
        return token.expires_us - margin_us <= now_us

    def is_usable(self, now_us: int) -> bool:
        """Tell whether the token still lasts, also when it is due."""
        token = self._token
        if token is None or not token.access:
            return False
        return not token.expires_us or token.expires_us > now_us

    def reload(self) -> None:
        """Take what another process may have kept meanwhile."""
        self._token = self._store.load() or self._token

    def request(self) -> CallRequest:
        """Return the request for the next token."""
        auth, headers = self._auth, dict(_FORM)
        form = {"grant_type": "client_credentials"}
        if isinstance(auth, RefreshToken):
            token = self._token
            refresh = (token.refresh if token else "") or auth.refresh_token
            form = {"grant_type": "refresh_token", "refresh_token": refresh}
        if auth.scope:
            form["scope"] = auth.scope
        if auth.client_secret:
            headers["authorization"] = _basic(auth.client_id, auth.client_secret)
        else:
            form["client_id"] = auth.client_id
        return CallRequest("POST", auth.token_url, headers, urlencode(form).encode())

    def keep(self, answer: CallAnswer, now_us: int) -> None:
        """Keep the token of an answer.

        Raises:
            AuthFailed: The issuer refuses, or gave none.
        """
        if not answer.is_success:
            raise AuthFailed(self._service, f"the issuer answers with status {answer.status}")
        try:
            given = msgspec.json.decode(answer.body, type=_Given)
            lifetime_us = round(float(given.expires_in or 0) * 1e6)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError):
            # whose message may hold the answer
            raise AuthFailed(self._service, "the issuer's answer holds no token") from None
        old = self._token.refresh if self._token else ""
        token = Token(
            access=given.access_token,
            expires_us=now_us + lifetime_us if lifetime_us > 0 else 0,
            refresh=given.refresh_token or old,
            lifetime_us=max(lifetime_us, 0),
        )
        self._store.save(token)
        self._token = token


def bearer_header(token: Token | None) -> Mapping[str, str]:
    """Return the header that a call with a token carries."""
    return {"authorization": f"Bearer {token.access}"} if token else {}


def _basic(user: str, secret: str) -> str:
    # RFC 6749, section 2.3.1: each part is form-encoded first
    pair = f"{quote_plus(user)}:{quote_plus(secret)}".encode()
    return "Basic " + b64encode(pair).decode()
