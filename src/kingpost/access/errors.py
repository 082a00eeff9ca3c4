"""Why somebody is not let in."""

from kingpost.core import KingpostError

__all__ = [
    "ApiKeyMissing",
    "ApiKeyRefused",
    "BadKeyRequest",
    "BadRoles",
    "KeyStoreFailed",
    "MissingScope",
    "RateLimited",
    "SessionOver",
    "SessionStoreFailed",
    "TokenKeysMissing",
    "TokenRefused",
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
    """A valid key or token that may not do this."""

    code = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope

    def __str__(self) -> str:
        return f"this key or token lacks the scope {self.scope!r}; ask for one that has it"


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


class TokenRefused(KingpostError):
    """A token that lets nobody in; the reason is one that its bearer may know."""

    code = "token_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this token is not taken: {self.reason}; ask its issuer for another one"


class TokenKeysMissing(KingpostError):
    """The issuer's keys are being fetched, so no token can be checked, or not this one.

    Safe to retry: nobody was let in.
    """

    code = "token_keys_missing"
    retry_safe = True

    def __str__(self) -> str:
        return "the issuer's keys are being fetched; try again in a second"


class RateLimited(KingpostError):
    """More than a principal may ask for now; nothing was done, and nothing was taken.

    Safe to retry: after `retry_after_s`; where that is 0 it asked for more at once than
    there ever is.

    Attributes:
        limit: Which of `requests`, `rows` and `cost`.
        fields: The header fields that tell what is left.
    """

    code = "rate_limited"
    retry_safe = True

    def __init__(
        self,
        limit: str,
        rate: str,
        retry_after_s: int,
        fields: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(limit, rate, retry_after_s, fields)
        self.limit, self.rate, self.retry_after_s = limit, rate, retry_after_s
        self.fields = fields

    def __str__(self) -> str:
        retry = f"retry in {self.retry_after_s} s" if self.retry_after_s else "ask for less at once"
        return f"the limit on {self.limit} is {self.rate}; {retry}"


class BadRoles(KingpostError):
    """A setting such as `oidc_roles` does not say which role may do what."""

    code = "bad_roles"

    def __init__(self, setting: str, part: str, problem: str) -> None:
        super().__init__(setting, part, problem)
        self.setting, self.part, self.problem = setting, part, problem

    def __str__(self) -> str:
        return (
            f"setting {self.setting!r}, at {self.part!r}: {self.problem}; "
            "write roles as 'ml-ops=records,review;viewer=records'"
        )
