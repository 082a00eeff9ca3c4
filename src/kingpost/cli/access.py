"""Who is let in by a server, as the settings want it."""

from pathlib import Path

from kingpost.access import (
    FetchedKeys,
    IssuerKeys,
    KeyRing,
    KeyStore,
    Limits,
    Tokens,
    TokenSettings,
    key_file,
    key_url,
    read_roles,
)
from kingpost.core import Clock, Settings, duration_us, rate_of
from kingpost.serving import CallerNames, Tls, TlsFiles

__all__ = ["limits_of", "open_key_ring", "open_tls", "tls_files", "token_keys"]


def open_key_ring(settings: Settings, store: KeyStore, clock: Clock) -> KeyRing:
    """Join the keys, and the issuer of tokens that is named, to what lets requests in.

    An issuer that cannot be asked stops no start: its tokens are taken once it can.

    Raises:
        BadRoles: The setting `jwt_roles` cannot be read.
        ExtraMissing: An issuer is named, and the extra `oidc` is not installed.
    """
    limits = limits_of(settings.limit_requests, settings.limit_rows, settings.limit_cost)
    return KeyRing(store, clock, tokens=_tokens(settings, limits, clock), limits=limits)


def open_tls(settings: Settings, keys: KeyRing) -> Tls | None:
    """Read what the server speaks TLS with; None where it speaks plain HTTP.

    Raises:
        BadRoles: The setting `tls_principals` cannot be read.
        TlsUnusable: A file cannot be used.
    """
    scopes = read_roles(settings.tls_principals, setting="tls_principals")
    if not settings.tls_certificate:
        return None
    named = CallerNames.vouched(scopes, settings.tenant, keys.vouch) if scopes else None
    return Tls(tls_files(settings), caller_of=named)


def tls_files(settings: Settings) -> TlsFiles:
    """Return the files of TLS."""
    return TlsFiles(
        Path(settings.tls_certificate),
        Path(settings.tls_key) if settings.tls_key else None,
        Path(settings.tls_client_ca) if settings.tls_client_ca else None,
        settings.tls_clients == "required",
    )


def limits_of(requests: str | None, rows: str | None, cost: str | None) -> Limits:
    """Read limits as settings and options write them; an empty one is none.

    Raises:
        BadRate: One cannot be read.
    """
    return Limits(*(rate_of(text) if text else None for text in (requests, rows, cost)))


def token_keys(settings: Settings) -> FetchedKeys:
    """Say where the issuer's keys come from."""
    if settings.jwt_key_file:
        return key_file(Path(settings.jwt_key_file))
    return key_url(settings.jwt_issuer, settings.jwt_jwks_url)


def _tokens(settings: Settings, limits: Limits, clock: Clock) -> Tokens | None:
    roles = read_roles(settings.jwt_roles, setting="jwt_roles")
    if not settings.jwt_issuer:
        return None
    named = TokenSettings(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        tenant=settings.tenant,
        tenant_claim=settings.jwt_tenant_claim,
        scope_claim=settings.jwt_scope_claim,
        roles=roles,
        leeway_us=duration_us(settings.jwt_leeway),
    )
    keys = IssuerKeys(token_keys(settings), clock)
    tokens = Tokens(named, keys, clock, limits or None)
    keys.start()
    return tokens
