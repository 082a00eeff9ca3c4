"""Where sessions are kept: what a store of them can do."""

from dataclasses import dataclass, field
from typing import Protocol

from kingpost.access.principal import Principal

__all__ = ["Session", "SessionStore"]


@dataclass(frozen=True, kw_only=True)
class Session:
    """Somebody who is signed in; times are microseconds UTC.

    Attributes:
        key: Id of the API key that opened it; empty when it was opened another way.
        csrf: What a form must send along to be believed.
        seen_us: When it was last used, to the minute.
    """

    principal: Principal
    key: str
    csrf: str = field(repr=False)
    created_us: int
    expires_us: int
    seen_us: int


class SessionStore(Protocol):
    """Sessions by the SHA-256 of their token. Every call may raise `SessionStoreFailed`."""

    def add(self, digest: bytes, session: Session) -> None:
        """Store a new session, durably."""
        ...

    def find(self, digest: bytes) -> Session | None:
        """Return a session, over or not; None when there is none of this digest."""
        ...

    def seen(self, digest: bytes, at_us: int) -> None:
        """Note when a session was used; one that is unknown stays so."""
        ...

    def remove(self, digest: bytes) -> None:
        """Forget a session, durably."""
        ...

    def purge(self, now_us: int, idle_since_us: int) -> None:
        """Forget those that expired by `now_us` or were last seen by `idle_since_us`."""
        ...
