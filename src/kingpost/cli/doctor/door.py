"""Who can come in, and over what: plain HTTP on a public address, an issuer's tokens.

Nothing is changed; where an issuer of tokens is named, its keys are fetched.
"""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit

from kingpost.access import IssuerKeys
from kingpost.cli.access import token_keys
from kingpost.cli.doctor.findings import Check, Result, failed, ok, warned
from kingpost.core import Settings, SystemClock

__all__ = ["door_checks"]


def door_checks(settings: Settings) -> Mapping[str, Check]:
    """Return the checks of what lets requests in, by name."""
    checks: dict[str, Check] = {"transport": lambda: _transport(settings)}
    if settings.jwt_issuer:
        checks["tokens"] = lambda: _tokens(settings)
    return checks


def _transport(settings: Settings) -> Iterator[Result]:
    if _is_of_this_machine(settings.host):
        yield ok(f"plain HTTP, on {settings.host} alone")
    else:
        mend = "put a proxy with TLS before it and let it listen on 127.0.0.1, or on its network"
        yield warned(f"{settings.host} takes keys and data in clear: plain HTTP", mend)


def _tokens(settings: Settings) -> Iterator[Result]:
    if find_spec("joserfc") is None:
        yield failed("the extra is not installed", "pip install 'kingpost[oidc]'")
        return
    where = settings.jwt_key_file or settings.jwt_jwks_url or settings.jwt_issuer
    parts = urlsplit(where)
    if not settings.jwt_key_file and parts.scheme != "https":
        if _is_of_this_machine(parts.hostname or ""):
            yield ok(f"{where} is of this machine")
        else:
            mend = "set an address with https: whoever can change the keys can let anybody in"
            yield failed(f"the keys come in clear from {where}", mend)
    keys = IssuerKeys(token_keys(settings), SystemClock())
    if not keys.refresh():
        mend = "check jwt_issuer, jwt_jwks_url or jwt_key_file; the log above says what went wrong"
        yield failed(f"no keys can be had from {where}", mend)
    elif not keys.number:
        yield failed(f"{where} has no key that may sign tokens", "check that it is the right one")
    else:
        yield ok(f"{keys.number} keys of {settings.jwt_issuer}, for {settings.jwt_audience}")


def _is_of_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
