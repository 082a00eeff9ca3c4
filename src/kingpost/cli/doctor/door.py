"""Who can come in, and over what: plain HTTP on a public address, an issuer's tokens.

Nothing is changed; where an issuer of tokens is named, its keys are fetched.
"""

import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit

from kingpost.access import IssuerKeys
from kingpost.cli.access import tls_files, token_keys
from kingpost.cli.doctor.findings import Check, Result, failed, ok, warned
from kingpost.core import Settings, SystemClock
from kingpost.serving import Tls, certificate_ends

__all__ = ["door_checks"]

_FEW_DAYS = 14


def door_checks(settings: Settings) -> Mapping[str, Check]:
    """Return the checks of what lets requests in, by name."""
    checks: dict[str, Check] = {"transport": lambda: _transport(settings)}
    if settings.jwt_issuer:
        checks["tokens"] = lambda: _tokens(settings)
    return checks


def _transport(settings: Settings) -> Iterator[Result]:
    if settings.tls_certificate:
        yield from _tls(settings)
    elif _is_of_this_machine(settings.host):
        yield ok(f"plain HTTP, on {settings.host} alone")
    else:
        mend = "set tls_certificate, or put a proxy with TLS before it and listen on 127.0.0.1"
        yield warned(f"{settings.host} takes keys and data in clear: plain HTTP", mend)


def _tls(settings: Settings) -> Iterator[Result]:
    files = tls_files(settings)
    Tls(files)  # what it says of files that cannot be used is the finding
    ends_s = certificate_ends(files)
    left_days = 0.0 if ends_s is None else (ends_s - time.time()) / 86_400
    if left_days <= 0:
        yield failed(f"{files.certificate} has ended", "renew it; no restart is needed")
    elif left_days < _FEW_DAYS:
        mend = "renew it; no restart is needed"
        yield warned(f"{files.certificate} ends in {left_days:.0f} days", mend)
    else:
        asks = f", callers' certificates {settings.tls_clients}" if files.client_ca else ""
        yield ok(f"TLS, the certificate is good for {left_days:.0f} days{asks}")


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
