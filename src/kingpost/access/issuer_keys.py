"""The keys that an issuer signs tokens with: fetched in a thread, never by a request.

The rule: a key that is not known has the keys fetched anew, `LEAST_S` after the last time at
the earliest, whoever asks and however often. Keys that cannot be fetched stay as they were.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kingpost.core import Clock

if TYPE_CHECKING:
    from kingpost.access.signatures import SigningKey

__all__ = ["FetchedKeys", "IssuerKeys", "key_file", "key_url"]

LEAST_S = 10.0
_TIMEOUT_S = 5.0
_LARGEST_BYTES = 1 << 20
_DISCOVERY = "/.well-known/openid-configuration"
_log = logging.getLogger(__name__)


class FetchedKeys(NamedTuple):
    """Where keys come from.

    Attributes:
        read: Returns the document that has them; raises OSError or ValueError.
        every_s: How often they are fetched when nothing is missing.
    """

    name: str
    read: Callable[[], bytes]
    every_s: float


def key_file(path: Path) -> FetchedKeys:
    """Keys in a file: a key set in JSON, or one public key in PEM. Read anew every 5 s."""
    return FetchedKeys(str(path), path.read_bytes, 5.0)


def key_url(issuer: str, jwks_url: str) -> FetchedKeys:
    """Keys at an address, or where the issuer's description says that they are.

    Args:
        jwks_url: The address of the key set; empty to ask the issuer for it.
    """

    def read() -> bytes:
        if jwks_url:
            return _fetched(jwks_url)
        import msgspec

        about = msgspec.json.decode(
            _fetched(issuer.rstrip("/") + _DISCOVERY), type=dict[str, object]
        )
        found = str(about.get("jwks_uri", ""))
        if str(about.get("issuer", "")) != issuer:
            raise ValueError("the issuer calls itself something else")
        if not found or (issuer.startswith("https:") and not found.startswith("https:")):
            raise ValueError("the issuer does not say where its keys are, or not by https")
        return _fetched(found)

    return FetchedKeys(jwks_url or issuer, read, 300.0)


class IssuerKeys:
    """The keys of one issuer; asked from any thread."""

    def __init__(self, source: FetchedKeys, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._keys: Mapping[str, SigningKey] = {}
        self._has_been_read = False
        self._tried_ns = -(1 << 62)
        self._wanted, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def number(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def start(self) -> None:
        """Fetch them, and go on doing so in a thread."""
        self.refresh()
        self._thread = threading.Thread(target=self._keep, name="token-keys", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(_TIMEOUT_S)

    def find(self, kid: str) -> "SigningKey | None":
        """Return the key of an id; the only one there is where a token names none."""
        keys = self._keys
        if kid in keys or kid:
            return keys.get(kid)
        return next(iter(keys.values())) if len(keys) == 1 else None

    def want(self) -> bool:
        """Have the keys fetched anew; False when that was done too lately to help."""
        since_s = (self._clock.monotonic_ns() - self._tried_ns) / 1e9
        if self._has_been_read and since_s < LEAST_S:
            return False
        self._wanted.set()
        return True

    def refresh(self) -> bool:
        """Fetch them now; say whether that went well."""
        from kingpost.access.signatures import read_signing_keys  # an extra

        self._tried_ns = self._clock.monotonic_ns()
        try:
            keys = read_signing_keys(self._source.read())
        except (OSError, ValueError) as error:
            extra = {"source": self._source.name, "error": f"{type(error).__name__}: {error}"}
            _log.warning("token_keys_not_fetched", extra=extra)
            return False
        if keys.keys() != self._keys.keys():
            _log.info("token_keys_fetched", extra={"number": len(keys)})
        self._keys, self._has_been_read = keys, True
        return True

    def _keep(self) -> None:
        is_well = self._has_been_read
        while not self._closed.is_set():
            self._wanted.wait(self._source.every_s if is_well else LEAST_S)
            self._wanted.clear()
            since_s = (self._clock.monotonic_ns() - self._tried_ns) / 1e9
            if self._closed.wait(0.0 if is_well else max(0.0, 1.0 - since_s)):
                return
            is_well = self.refresh()


def _fetched(url: str) -> bytes:
    import httpx  # 0.1 s to import: only where tokens are configured

    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT_S) as answer:
            answer.raise_for_status()
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > _LARGEST_BYTES:
                    raise ValueError("the answer is too large")
            return body
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
