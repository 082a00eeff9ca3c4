"""Sessions in memory, for as long as the process lives."""

from dataclasses import replace

from kingpost.access.session_store import Session

__all__ = ["MemorySessions"]


class MemorySessions:
    """A `SessionStore` that forgets."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}

    def add(self, digest: bytes, session: Session) -> None:
        self._sessions[digest] = session

    def find(self, digest: bytes) -> Session | None:
        return self._sessions.get(digest)

    def seen(self, digest: bytes, at_us: int) -> None:
        session = self._sessions.get(digest)
        if session is not None:
            self._sessions[digest] = replace(session, seen_us=at_us)

    def remove(self, digest: bytes) -> None:
        self._sessions.pop(digest, None)

    def purge(self, now_us: int, idle_since_us: int) -> None:
        for digest, session in list(self._sessions.items()):
            if session.expires_us <= now_us or session.seen_us <= idle_since_us:
                del self._sessions[digest]
