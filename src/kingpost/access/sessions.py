"""Sessions: how somebody who signed in is known on the next page.

The rule: what a browser holds is 256 random bits and nothing else; what is stored is their
SHA-256. A session is over 12 hours after it began, after 2 hours without a request, when it
is closed, and as soon as the API key that opened it is revoked or has expired: it is looked
up anew each time, and nothing is remembered in between.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from kingpost.access.errors import SessionOver, SessionStoreFailed
from kingpost.access.principal import Principal
from kingpost.access.session_store import Session, SessionStore
from kingpost.access.store import KeyStore
from kingpost.core import Clock

__all__ = ["IDLE_US", "LIFETIME_US", "NewSession", "Sessions"]

_MINUTE_US = 60_000_000
IDLE_US = 120 * _MINUTE_US
LIFETIME_US = 720 * _MINUTE_US
SEEN_EVERY_US = _MINUTE_US
"""How old the note of the last request may become: not every request is worth a write."""

_LONGEST = 100
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NewSession:
    """A session just opened; `token` is what the browser holds, known only here."""

    session: Session
    token: str = field(repr=False)


class Sessions:
    """The sessions of an installation; from any thread.

    Args:
        store: Gives this thread's store of sessions.
        keys: Gives this thread's store of API keys.
    """

    def __init__(
        self, store: Callable[[], SessionStore], keys: Callable[[], KeyStore], clock: Clock
    ) -> None:
        self._store, self._keys, self._clock = store, keys, clock

    def open(self, principal: Principal, *, key: str = "") -> NewSession:
        """Begin a session, durably.

        Args:
            principal: Who was let in.
            key: Id of the API key that let them in; empty when it was another way.

        Raises:
            SessionOver: The key is not valid any more.
            SessionStoreFailed, KeyStoreFailed: It could not be stored, or looked up.
        """
        now_us = self._clock.now_us()
        expires_us = now_us + LIFETIME_US
        if key:
            stored = self._keys().find(key)
            if stored is None or not stored.key.is_valid(now_us):
                raise SessionOver
            expires_us = min(expires_us, stored.key.expires_us or expires_us)
        session = Session(
            principal=principal,
            key=key,
            csrf=secrets.token_urlsafe(32),
            created_us=now_us,
            expires_us=expires_us,
            seen_us=now_us,
        )
        token, store = secrets.token_urlsafe(32), self._store()
        store.purge(now_us, now_us - IDLE_US)
        store.add(_digest(token), session)
        return NewSession(session, token)

    def check(self, token: str) -> Session:
        """Return the session of a token, and note that it was used.

        Raises:
            SessionOver: There is none, or it is over; which one is not told.
            SessionStoreFailed, KeyStoreFailed: It could not be looked up.
        """
        if not token or len(token) > _LONGEST:
            raise SessionOver
        store, digest, now_us = self._store(), _digest(token), self._clock.now_us()
        session = store.find(digest)
        if session is None or not self._is_on(session, now_us):
            raise SessionOver
        if abs(now_us - session.seen_us) >= SEEN_EVERY_US:
            try:
                store.seen(digest, now_us)
            except SessionStoreFailed:  # a full disk closes no pages
                _log.exception("session_not_noted")
        return session

    def close(self, token: str) -> None:
        """End a session, durably; one that is over stays so.

        Raises:
            SessionStoreFailed: It could not be written.
        """
        self._store().remove(_digest(token))

    def _is_on(self, session: Session, now_us: int) -> bool:
        if now_us >= session.expires_us or now_us - session.seen_us >= IDLE_US:
            return False
        if not session.key:
            return True
        stored = self._keys().find(session.key)
        return stored is not None and stored.key.is_valid(now_us)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
