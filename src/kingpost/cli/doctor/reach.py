"""What the installation talks to, where it is configured: online store, webhook, mail, sign-in.

Nothing is sent: the store is asked what it is, a webhook's host is connected to, a mail
server is greeted, an issuer's public description is read.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

import msgspec

from kingpost.cli.doctor.findings import Check, Result, failed, ok, warned
from kingpost.core import Settings
from kingpost.features import RedisFeatures

__all__ = ["reach_checks"]

_TIMEOUT_S = 5.0
_TLS_PORT = 465
_DISCOVERY = "/.well-known/openid-configuration"


class _Description(msgspec.Struct):
    issuer: str


def reach_checks(settings: Settings) -> Mapping[str, Check]:
    """Return the checks of what is configured, by name."""
    checks: dict[str, Check] = {}
    if settings.online_store:
        checks["online store"] = lambda: _online_store(settings)
    if settings.alert_webhook:
        checks["alert webhook"] = lambda: _webhook(settings)
    if settings.alert_slack:
        checks["alert chat"] = lambda: _chat(settings)
    if settings.alert_smtp:
        checks["alert mail"] = lambda: _mail(settings)
    if settings.oidc_issuer:
        checks["sign-in"] = lambda: _sign_in(settings)
    return checks


def _online_store(settings: Settings) -> Iterator[Result]:
    yield ok(f"{RedisFeatures.examine(settings.online_store, timeout_s=_TIMEOUT_S)} answers")


def _webhook(settings: Settings) -> Iterator[Result]:
    where, problem = _reached(settings.alert_webhook)
    if problem:
        yield failed(f"{where}: {problem}", "check alert_webhook and the network")
    elif not settings.alert_webhook_secret:
        mend = "set alert_webhook_secret, so that the receiver can tell that it is you"
        yield warned(f"{where} answers; nothing is signed", mend)
    else:
        yield ok(f"{where} answers")


def _chat(settings: Settings) -> Iterator[Result]:
    where, problem = _reached(settings.alert_slack)
    if problem:
        yield failed(f"{where}: {problem}", "check alert_slack and the network")
    else:
        yield ok(f"{where} answers")


def _reached(url: str) -> tuple[str, str]:
    """Reach a URL's host; return which that is, and what keeps from it, if anything does."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    where = f"{host}, port {port}"
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as plain:
            if is_tls:
                ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
    except OSError as error:
        return where, str(error)
    return where, ""


def _mail(settings: Settings) -> Iterator[Result]:
    host, _, port = settings.alert_smtp.rpartition(":")
    try:
        with _greeted(host.strip("[]"), int(port)) as server:
            server.ehlo()
            has_tls = isinstance(server, smtplib.SMTP_SSL) or server.has_extn("starttls")
    except (OSError, smtplib.SMTPException) as error:
        yield failed(f"{settings.alert_smtp}: {error}", "check alert_smtp and the network")
        return
    if settings.alert_smtp_password and not has_tls:
        mend = "use a mail server or a port with STARTTLS"
        yield warned(f"{settings.alert_smtp} answers; it would take the password in clear", mend)
    else:
        yield ok(f"{settings.alert_smtp} answers{', with TLS' if has_tls else ''}")


def _greeted(host: str, port: int) -> smtplib.SMTP:
    """Connect as the alerts do."""
    if port == _TLS_PORT:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=context)
    return smtplib.SMTP(host, port, timeout=_TIMEOUT_S)


def _sign_in(settings: Settings) -> Iterator[Result]:
    import httpx  # 0.1 s to import: only where sign-in is configured

    if find_spec("authlib") is None:
        yield failed("the extra is not installed", "pip install 'kingpost[oidc]'")
    if not settings.public_url:
        mend = "set public_url to the address that people's browsers use"
        yield warned("public_url is not set", mend)
    issuer = settings.oidc_issuer.rstrip("/")
    try:
        answer = httpx.get(issuer + _DISCOVERY, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        said = msgspec.json.decode(answer.content, type=_Description).issuer.rstrip("/")
    except (httpx.HTTPError, msgspec.DecodeError) as error:
        yield failed(f"{issuer}: {error}", "check oidc_issuer and the network")
        return
    if said != issuer:
        yield failed(f"it calls itself {said!r}", "set oidc_issuer to exactly that")
    else:
        yield ok(f"{issuer} answers")
