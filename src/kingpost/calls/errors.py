"""Errors of outgoing calls."""

from kingpost.calls.answer import CallAnswer
from kingpost.core import KingpostError

__all__ = [
    "AnswerTooLarge",
    "AuthFailed",
    "BadCall",
    "BadService",
    "BadWebhookSecret",
    "BulkheadFull",
    "CallFailed",
    "CallStoreFailed",
    "CallStoreNewer",
    "CircuitOpen",
    "DeadLetterNotFound",
    "DeadlineExceeded",
    "EffectUndeclared",
    "OutcomeUnknown",
    "PeerUntrusted",
    "RateLimited",
    "ServerUnreachable",
    "WebhookFailed",
    "WebhookRefused",
]


class ServerUnreachable(KingpostError):
    """Nothing listens where the calls should go.

    Safe to retry: nothing was sent.
    """

    code = "server_unreachable"
    retry_safe = True

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host, self.port, self.reason = host, port, reason

    def __str__(self) -> str:
        return f"cannot connect to {self.host}:{self.port} ({self.reason}); is the server running?"


class BadWebhookSecret(KingpostError):
    """A webhook's secret that cannot be used; it is not told."""

    code = "bad_webhook_secret"

    def __str__(self) -> str:
        return (
            "the webhook's secret cannot be used: it has no base64 behind its prefix ('whsec_', "
            "'whsk_' to sign, 'whpk_' to verify), or is not for this side; copy it again"
        )


class WebhookFailed(KingpostError):
    """A webhook that was not taken.

    Safe to retry: it carries its id, and the receiver drops what it has.
    """

    code = "webhook_failed"
    retry_safe = True

    def __init__(self, reason: str, status: int | None) -> None:
        super().__init__(reason, status)
        self.reason, self.status = reason, status

    def __str__(self) -> str:
        return f"the webhook was not taken ({self.reason}); check its address and the receiver"


class WebhookRefused(KingpostError):
    """A webhook that came and cannot be believed."""

    code = "webhook_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the webhook is refused: {self.reason}"


class BadService(KingpostError):
    """A service that is declared in a way that cannot work."""

    code = "bad_service"

    def __init__(self, service: str, field: str, problem: str) -> None:
        super().__init__(service, field, problem)
        self.service, self.field, self.problem = service, field, problem

    def __str__(self) -> str:
        return f"service {self.service!r}: {self.field}: {self.problem}"


class BadCall(KingpostError):
    """A call that cannot be written as a request; nothing was sent."""

    code = "bad_call"

    def __init__(self, service: str, problem: str) -> None:
        super().__init__(service, problem)
        self.service, self.problem = service, problem

    def __str__(self) -> str:
        return f"service {self.service!r}: the call cannot be sent: {self.problem}"


class EffectUndeclared(KingpostError):
    """A call that may do something twice, to a receiver of which nothing is declared.

    Nothing was sent.
    """

    code = "effect_undeclared"

    def __init__(self, service: str, method: str) -> None:
        super().__init__(service, method)
        self.service, self.method = service, method

    def __str__(self) -> str:
        return (
            f"service {self.service!r}: {self.method} may do something twice when it is sent "
            "again: declare the header that its receiver knows keys by, as "
            "idempotency='Idempotency-Key', or at_most_once=True if it knows none"
        )


class OutcomeUnknown(KingpostError):
    """A call without a key was sent and its answer lost: it may have been done or not.

    Not safe to retry: it might be done twice.

    Attributes:
        answer: What the service said of its failure; None when there was no answer.
    """

    code = "outcome_unknown"
    answer: CallAnswer | None = None

    def __init__(self, service: str, method: str, reason: str) -> None:
        super().__init__(service, method, reason)
        self.service, self.method, self.reason = service, method, reason

    def __str__(self) -> str:
        return (
            f"service {self.service!r}: {self.method} was sent and nobody knows whether it was "
            f"done ({self.reason}); it is not sent again: look it up at the service first"
        )


class DeadlineExceeded(KingpostError):
    """The time for a call has passed.

    Safe to retry, with the same key where it had one: the call is idempotent, carried its
    key, or was not sent.
    """

    code = "deadline_exceeded"
    retry_safe = True

    def __init__(
        self, service: str, deadline_s: float, attempts: int, reason: str, key: str
    ) -> None:
        super().__init__(service, deadline_s, attempts, reason, key)
        self.service, self.deadline_s, self.attempts = service, deadline_s, attempts
        self.reason, self.idempotency_key = reason, key

    def __str__(self) -> str:
        return (
            f"service {self.service!r} gave no answer within {self.deadline_s:g} s "
            f"({self.attempts} attempts; {self.reason}): allow more time, or look at the service"
        )


class CallFailed(KingpostError):
    """The service could not be reached or failed, also when it was asked again.

    Safe to retry, with the same key where it had one.

    Attributes:
        answer: The last one; None when the last attempt had none.
    """

    code = "call_failed"
    retry_safe = True
    answer: CallAnswer | None = None

    def __init__(
        self,
        service: str,
        reason: str,
        status: int | None,
        attempts: int,
        key: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(service, reason, status, attempts, key, retry_after_s)
        self.service, self.reason, self.status = service, reason, status
        self.attempts, self.idempotency_key = attempts, key
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        wait = f", not before {self.retry_after_s:g} s have passed" if self.retry_after_s else ""
        return (
            f"service {self.service!r} failed ({self.reason}; {self.attempts} attempts): "
            f"look at the service, then call again{wait}"
        )


class CircuitOpen(KingpostError):
    """The service failed too often and is left alone for a while.

    Safe to retry: nothing was sent.
    """

    code = "circuit_open"
    retry_safe = True

    def __init__(self, service: str, retry_after_s: float) -> None:
        super().__init__(service, retry_after_s)
        self.service, self.retry_after_s = service, retry_after_s

    def __str__(self) -> str:
        return (
            f"service {self.service!r} failed too often and is left alone; "
            f"retry in {self.retry_after_s:.3g} s"
        )


class RateLimited(KingpostError):
    """The service's limit leaves no room for the call before its deadline.

    Safe to retry: nothing was sent.
    """

    code = "call_rate_limited"
    retry_safe = True

    def __init__(self, service: str, retry_after_s: float) -> None:
        super().__init__(service, retry_after_s)
        self.service, self.retry_after_s = service, retry_after_s

    def __str__(self) -> str:
        return (
            f"service {self.service!r} takes no more calls before the deadline; "
            f"retry in {self.retry_after_s:.3g} s"
        )


class BulkheadFull(KingpostError):
    """As many calls to the service as may be are under way, until the deadline.

    Safe to retry: nothing was sent.
    """

    code = "bulkhead_full"
    retry_safe = True

    def __init__(self, service: str, at_once: int) -> None:
        super().__init__(service, at_once)
        self.service, self.at_once = service, at_once

    def __str__(self) -> str:
        return (
            f"service {self.service!r}: {self.at_once} calls are under way and none ended before "
            "the deadline: call less at once, or raise `bulkhead`"
        )


class AuthFailed(KingpostError):
    """The service's issuer gave no token; neither secret nor token is told."""

    code = "auth_failed"

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(service, reason)
        self.service, self.reason = service, reason

    def __str__(self) -> str:
        return (
            f"service {self.service!r}: no access token ({self.reason}): check the client's id "
            "and secret, its scope and its refresh token"
        )


class AnswerTooLarge(KingpostError):
    """The answer is larger than is taken; the service has handled the call."""

    code = "answer_too_large"

    def __init__(self, service: str, status: int, limit_bytes: int) -> None:
        super().__init__(service, status, limit_bytes)
        self.service, self.status, self.limit_bytes = service, status, limit_bytes

    def __str__(self) -> str:
        return (
            f"service {self.service!r} answered (status {self.status}) with more than "
            f"{self.limit_bytes:,} bytes: ask for less, or raise `max_answer_bytes`"
        )


class PeerUntrusted(KingpostError):
    """The service's certificate is not one to trust, or not for this host; nothing was sent."""

    code = "peer_untrusted"

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(service, reason)
        self.service, self.reason = service, reason

    def __str__(self) -> str:
        return (
            f"service {self.service!r}: its certificate is not trusted ({self.reason}): check "
            "the host name in `base_url`, and the authority in `tls`"
        )


class CallStoreFailed(KingpostError):
    """The database of outbox, inbox and dead letters refused.

    Safe to retry: what was not committed was not done.
    """

    code = "call_store_failed"
    retry_safe = True

    def __init__(self, database: str, problem: str) -> None:
        super().__init__(database, problem)
        self.database, self.problem = database, problem

    def __str__(self) -> str:
        return (
            f"{self.database} refused a change of the outbox, the inbox or the dead letters "
            f"({self.problem}): nothing was changed; check the database, then try again"
        )


class DeadLetterNotFound(KingpostError):
    """There is no dead letter of this id."""

    code = "dead_letter_not_found"

    def __init__(self, identifier: str) -> None:
        super().__init__(identifier)
        self.identifier = identifier

    def __str__(self) -> str:
        return (
            f"there is no dead letter {self.identifier!r}: it was replayed or discarded, or is "
            "another tenant's; `kingpost dead-letters list` shows those there are"
        )


class CallStoreNewer(KingpostError):
    """The tables of outbox, inbox and dead letters are those of a later version."""

    code = "call_store_newer"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(found, known)
        self.found, self.known = found, known

    def __str__(self) -> str:
        return (
            f"the outbox has format {self.found} and this version of Kingpost knows up to "
            f"{self.known}: upgrade Kingpost"
        )
