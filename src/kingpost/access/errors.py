"""Why somebody is not let in."""

from kingpost.core import KingpostError

__all__ = [
    "ApiKeyMissing",
    "ApiKeyRefused",
    "BadKeyRequest",
    "KeyStoreFailed",
    "MissingScope",
    "SessionOver",
    "SessionStoreFailed",
    "UnknownKey",
]


class ApiKeyMissing(KingpostError):
    """A request without an API key."""

    code = "api_key_missing"

    def __str__(self) -> str:
        return "send an API key in the header `Authorization: Bearer kp_…`"


class ApiKeyRefused(KingpostError):
    """A key that is unknown, expired, revoked or none at all; which one is not told."""

    code = "api_key_refused"

    def __str__(self) -> str:
        return "this API key is not valid; ask for a new one"


class MissingScope(KingpostError):
    """A valid key that may not do this."""

    code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope

    def __str__(self) -> str:
        return f"this API key lacks the scope {self.scope!r}; ask for a key that has it"


class BadKeyRequest(KingpostError):
    """A key that cannot be made as asked for."""

    code = "bad_key_request"

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"{self.problem}; {self.mend}"


class UnknownKey(KingpostError):
    """No key has this id."""

    code = "unknown_key"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return f"no API key has the id {self.identifier!r}; list them to see which there are"


class KeyStoreFailed(KingpostError):
    """The keys could not be read or written.

    Safe to retry: nobody was let in, and nothing was written.
    """

    code = "key_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the API keys cannot be reached ({self.reason}); check the disk, then try again"


class SessionOver(KingpostError):
    """There is no session, or it is over; which one is not told."""

    code = "session_over"

    def __str__(self) -> str:
        return "the session is over; sign in again"


class SessionStoreFailed(KingpostError):
    """The sessions could not be read or written.

    Safe to retry: nobody was signed in or out.
    """

    code = "session_store_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the sessions cannot be reached ({self.reason}); check the disk, then try again"
