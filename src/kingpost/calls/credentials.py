"""How a service is told who calls: what is declared of it, and tokens.

The rule: no secret is part of a `repr`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "ApiKey",
    "Auth",
    "Bearer",
    "ClientCredentials",
    "MemoryTokens",
    "RefreshToken",
    "Token",
    "TokenStore",
]


@dataclass(frozen=True)
class Token:
    """What an issuer gave.

    Attributes:
        access: Sent with calls.
        expires_us: UTC microseconds since 1970 at which it ends; 0 when it was not told.
        refresh: Exchanged for the next one; empty when there is none.
        lifetime_us: How long it was given for.
    """

    access: str = field(repr=False)
    expires_us: int = 0
    refresh: str = field(default="", repr=False)
    lifetime_us: int = 0


class TokenStore(Protocol):
    """Keeps the latest token, so that a rotated refresh token outlives the process.

    It is asked and told by one caller at a time.
    """

    def load(self) -> Token | None:
        """Return the latest token; None when there is none."""
        ...

    def save(self, token: Token) -> None:
        """Keep a token before it is used."""
        ...


class MemoryTokens:
    """Keeps the latest token for as long as the process runs."""

    def __init__(self, token: Token | None = None) -> None:
        self._token = token

    def load(self) -> Token | None:
        return self._token

    def save(self, token: Token) -> None:
        self._token = token


@dataclass(frozen=True)
class ApiKey:
    """A key in a header of its own."""

    key: str = field(repr=False)
    header: str = "x-api-key"


@dataclass(frozen=True)
class Bearer:
    """A token that does not change."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, section 4.4).

    Attributes:
        token_url: Where tokens are given.
        margin_s: How long before its end a token is replaced; never more than a fifth of
            its lifetime.
        store: Makes what keeps the token; in memory when left out.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    margin_s: float = 30.0
    store: Callable[[], TokenStore] = field(default=MemoryTokens, repr=False)


@dataclass(frozen=True)
class RefreshToken:
    """OAuth 2.0 with a refresh token (RFC 6749, section 6), which the issuer may rotate.

    Attributes:
        refresh_token: The first one; a later one from the store goes before it.
        store: Makes what keeps the latest; give one that lasts where tokens are rotated.
    """

    token_url: str
    client_id: str
    refresh_token: str = field(repr=False)
    client_secret: str = field(default="", repr=False)
    scope: str = ""
    margin_s: float = 30.0
    store: Callable[[], TokenStore] = field(default=MemoryTokens, repr=False)


Auth = ApiKey | Bearer | ClientCredentials | RefreshToken
