"""The declaration of a service that is called: where it is, and how it may be called.

The rule: what cannot work is refused when it is declared, by the name of the field.
Times are written as `"250ms"`, `"10s"` or a `timedelta`.
"""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from kingpost.calls.credentials import ApiKey, Auth, ClientCredentials, RefreshToken
from kingpost.calls.errors import BadService
from kingpost.core import BadDuration, duration_us

__all__ = ["Breaker", "Duration", "RateLimit", "Retries", "Service", "Tls", "seconds_of"]

Duration = str | timedelta

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_IN_THE_OPEN = "would send a secret in the open; use https://, or say tls=None where that is meant"


@dataclass(frozen=True)
class Retries:
    """When a call that may be sent again is.

    Attributes:
        attempts: How often it is sent at most; 1 never sends again.
        first_wait: The longest wait before the second attempt; it doubles with each further
            one, and the actual wait is drawn evenly from 0 up to it (full jitter).
        longest_wait: Where doubling ends.
        attempt: The longest one attempt may take; all that is left when None.
        budget: Attempts beyond the first, as a share of calls, so that an outage is not
            multiplied.
        reserve: So many of them are there at the start and are saved up at most.
    """

    attempts: int = 4
    first_wait: Duration = "100ms"
    longest_wait: Duration = "10s"
    attempt: Duration | None = None
    budget: float = 0.2
    reserve: int = 10


@dataclass(frozen=True)
class Breaker:
    """When a service that fails is left alone.

    Attributes:
        window: How far back outcomes count.
        calls: At most so many of the latest outcomes count.
        minimum: With fewer outcomes than this it does not open.
        failures: The share of them that opens it.
        open: How long nothing is sent then.
        probes: So many calls are let through after it, and all must succeed.
    """

    window: Duration = "30s"
    calls: int = 100
    minimum: int = 10
    failures: float = 0.5
    open: Duration = "5s"
    probes: int = 2


@dataclass(frozen=True)
class RateLimit:
    """The other side's limit: never more calls than this within any stretch of that length."""

    calls: int
    per: Duration = "1s"


@dataclass(frozen=True)
class Tls:
    """How both sides prove who they are; host names are always verified.

    Attributes:
        ca: Certificates to trust in the place of the well-known ones.
        certificate: This side's certificate, for mutual TLS, with its chain.
        key: Its private key; in the certificate's file when None.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Service:
    """A service that is called over HTTP.

    Attributes:
        name: What it is called in errors, logs and metrics.
        base_url: What the paths of calls are put behind.
        deadline: The longest a call may take, waits, attempts, tokens and body included.
        breaker: None never leaves it alone.
        rate_limit: None knows no limit but what its answers say.
        bulkhead: So many calls are under way at most.
        idempotency: The header by which the receiver knows a call that is sent again.
        at_most_once: The receiver knows no keys: POST and PATCH are never sent again.
        tls: None says that credentials may go over plain HTTP, as within a closed network.
        max_answer_bytes: A larger answer is an error.

    Raises:
        BadService: A field has a value with which it cannot work.
    """

    name: str
    base_url: str
    deadline: Duration = "10s"
    retries: Retries = Retries()
    breaker: Breaker | None = Breaker()
    rate_limit: RateLimit | None = None
    bulkhead: int = 16
    idempotency: str = ""
    at_most_once: bool = False
    auth: Auth | None = None
    tls: Tls | None = Tls()
    max_answer_bytes: int = 16 * 1024 * 1024

    def __post_init__(self) -> None:
        self._check(bool(self.name) and self.name.isprintable(), "name", "give a readable name")
        self._check_url("base_url", self.base_url)
        self._check_time("deadline", self.deadline)
        self._check_retries(self.retries)
        if self.breaker is not None:
            self._check_breaker(self.breaker)
        if self.rate_limit is not None:
            self._check(self.rate_limit.calls >= 1, "rate_limit.calls", "at least 1")
            self._check_time("rate_limit.per", self.rate_limit.per)
        self._check(self.bulkhead >= 1, "bulkhead", "at least 1 call at once")
        self._check(self.max_answer_bytes >= 1, "max_answer_bytes", "at least 1")
        self._check_effects()
        self._check_auth(self.auth)
        has_use = self.tls is None or self.tls.certificate is not None or self.tls.key is None
        self._check(has_use, "tls.key", "is of no use without `certificate`")

    @property
    def deadline_s(self) -> float:
        """The deadline in seconds."""
        return seconds_of(self.deadline)

    def _check(self, is_sound: bool, name: str, problem: str) -> None:
        if not is_sound:
            raise BadService(self.name, name, problem)

    def _check_url(self, name: str, url: str) -> None:
        try:
            parts = urlsplit(url)
            _ = parts.port  # reading it checks it
        except ValueError:
            raise BadService(self.name, name, "is no URL; write https://host/path") from None
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        self._check(
            is_url and url.isprintable() and " " not in url, name, "write https://host/path"
        )
        self._check(not parts.fragment, name, "has a fragment, which is never sent")
        self._check("@" not in parts.netloc, name, "holds a password; declare it as `auth`")

    def _check_time(self, name: str, length: Duration) -> None:
        try:
            found = duration_us(length)
        except BadDuration as error:
            raise BadService(self.name, name, str(error)) from None
        self._check(found > 0, name, "must be longer than nothing")

    def _check_retries(self, retries: Retries) -> None:
        self._check(retries.attempts >= 1, "retries.attempts", "at least 1")
        self._check_time("retries.first_wait", retries.first_wait)
        self._check_time("retries.longest_wait", retries.longest_wait)
        if retries.attempt is not None:
            self._check_time("retries.attempt", retries.attempt)
        self._check(0 <= retries.budget <= 1, "retries.budget", "a share from 0 to 1")
        self._check(retries.reserve >= 0, "retries.reserve", "at least 0")

    def _check_breaker(self, breaker: Breaker) -> None:
        self._check_time("breaker.window", breaker.window)
        self._check_time("breaker.open", breaker.open)
        self._check(0 < breaker.failures <= 1, "breaker.failures", "a share above 0, up to 1")
        self._check(
            1 <= breaker.minimum <= breaker.calls, "breaker.minimum", "from 1 to breaker.calls"
        )
        self._check(breaker.probes >= 1, "breaker.probes", "at least 1")

    def _check_effects(self) -> None:
        self._check(
            not (self.idempotency and self.at_most_once),
            "at_most_once",
            "contradicts `idempotency`: a receiver that knows keys may be sent a call again",
        )
        is_header = not self.idempotency or _TOKEN.fullmatch(self.idempotency) is not None
        self._check(is_header, "idempotency", "is no name of a header, as Idempotency-Key")

    def _check_auth(self, auth: Auth | None) -> None:
        if isinstance(auth, ApiKey):
            self._check(_TOKEN.fullmatch(auth.header) is not None, "auth.header", "is no header")
        if isinstance(auth, ClientCredentials | RefreshToken):
            self._check_url("auth.token_url", auth.token_url)
            self._check(bool(auth.client_id), "auth.client_id", "is empty")
            self._check(auth.margin_s >= 0, "auth.margin_s", "at least 0")
            self._check(self._is_private(auth.token_url), "auth.token_url", _IN_THE_OPEN)
        if auth is not None:
            self._check(self._is_private(self.base_url), "base_url", _IN_THE_OPEN)

    def _is_private(self, url: str) -> bool:
        parts = urlsplit(url)
        return self.tls is None or parts.scheme == "https" or parts.hostname in _LOCAL


def seconds_of(length: Duration) -> float:
    """Return a length of time in seconds."""
    return duration_us(length) / 1e6
