"""The course of a call: what is done next, given what came of what was done before.

The rule: everything happens before the deadline, and a call is sent again only if that
cannot do anything twice: its method is idempotent, it carries a key that the receiver
knows, or nothing of it was sent. A call that was sent without a key and has no answer ends
as `OutcomeUnknown`.

No I/O: a course is a generator of steps that a client takes for it, with threads or tasks.
"""

import logging
from collections.abc import Callable, Mapping
from typing import NoReturn

from kingpost.calls.answer import CallAnswer
from kingpost.calls.breaker import Refusal
from kingpost.calls.call import Call, request_of
from kingpost.calls.credentials import Token
from kingpost.calls.errors import (
    AnswerTooLarge,
    BadCall,
    BulkheadFull,
    CallFailed,
    CircuitOpen,
    DeadlineExceeded,
    EffectUndeclared,
    OutcomeUnknown,
    PeerUntrusted,
    RateLimited,
)
from kingpost.calls.exchange import Broken, CallRequest
from kingpost.calls.limits import retry_after_s
from kingpost.calls.retrying import RETRY_STATUSES, SAFE_METHODS, wait_before
from kingpost.calls.service import seconds_of
from kingpost.calls.steps import Course, Gate, Hold, Pause, Send, ServiceState, exchanged
from kingpost.calls.token_course import TokenCourse
from kingpost.calls.tokens import bearer_header
from kingpost.core import KingpostError

__all__ = ["course_of"]

_log = logging.getLogger(__name__)


_NO_HEADERS: Mapping[str, str] = {}
_TOKENS_TRIED = 2
"""After a 401: the token that another call put in its place, then one of its own."""


def course_of(
    state: ServiceState, call: Call, release: Callable[[Gate], None]
) -> Course[CallAnswer]:
    """Return the course of a call.

    Args:
        release: Gives back what was held; called while the course goes on or is closed.

    Raises:
        BadCall, EffectUndeclared, OutcomeUnknown, DeadlineExceeded, CallFailed, CircuitOpen,
        RateLimited, BulkheadFull, AuthFailed, AnswerTooLarge, PeerUntrusted: As the course
            goes on.
    """
    start_ns = state.clock.monotonic_ns()
    outcome = "abandoned"
    try:
        answer = yield from _Calling(state, call, release).answer()
        outcome = "success" if answer.is_success else "refused"
        return answer
    except KingpostError as error:
        outcome = error.code
        raise
    finally:
        latency_s = (state.clock.monotonic_ns() - start_ns) / 1e9
        state.metrics.called(state.service.name, outcome, latency_s)


class _Calling:
    """One call under way."""

    def __init__(self, state: ServiceState, call: Call, release: Callable[[Gate], None]) -> None:
        service = state.service
        self._state, self._service, self._release = state, service, release
        is_safe = call.method.upper() in SAFE_METHODS and not call.at_most_once
        self._key = _key_of(state, call, is_safe=is_safe)
        self._is_repeatable = is_safe or bool(self._key)
        self._request = request_of(service, call, self._key)
        own_s = service.deadline_s if call.deadline is None else seconds_of(call.deadline)
        self._deadline_s = min(own_s, service.deadline_s)
        self._deadline_ns = state.clock.monotonic_ns() + round(self._deadline_s * 1e9)
        self._attempts = 0
        self._last: CallAnswer | Broken | None = None
        self._used: Token | None = None
        self._tokens = TokenCourse(state, release, self._attempt_s, self._too_late)

    def answer(self) -> Course[CallAnswer]:
        self._state.budget.earn()
        while True:
            outcome = yield from self._attempt()
            if isinstance(outcome, CallAnswer) and outcome.status not in RETRY_STATUSES:
                return outcome
            self._last = outcome
            wait_s = self._wait_before_next(outcome)
            if wait_s > 0:
                yield Pause(wait_s)

    def _attempt(self) -> Course[CallAnswer | Broken]:
        self._check_breaker()
        if not (yield Hold("slot", self._left_s())):
            self._give_up(BulkheadFull(self._service.name, self._service.bulkhead))
        try:
            no_token = yield from self._tokens.ensure()
            if no_token is not None:
                self._attempts += 1
                return no_token
            return (yield from self._send())
        finally:
            self._release("slot")

    def _send(self) -> Course[CallAnswer | Broken]:
        self._attempts += 1
        outcome = yield from self._exchange()
        for _ in range(_TOKENS_TRIED):
            is_refused = isinstance(outcome, CallAnswer) and outcome.status == 401
            if self._used is None or not is_refused or self._tokens.has_refreshed:
                return outcome
            no_token = yield from self._tokens.ensure(self._used)
            if no_token is not None:
                return no_token
            outcome = yield from self._exchange()
        return outcome

    def _exchange(self) -> Course[CallAnswer | Broken]:
        yield from self._take_turn()
        turn = self._admit()
        noted: CallAnswer | Broken | None = None
        try:
            noted = outcome = exchanged((yield Send(self._authorised(), self._attempt_s())))
        finally:
            self._note(turn, noted)
        if isinstance(outcome, CallAnswer):
            clock = self._state.clock
            now_ns, now_s = clock.monotonic_ns(), clock.now_us() / 1e6
            self._state.limiter.learn(outcome.status, outcome.headers, now_ns, now_s)
        return outcome

    def _authorised(self) -> CallRequest:
        request, tokens = self._request, self._state.tokens
        headers = {**request.headers, **self._state.fixed_headers}
        if tokens is not None:
            self._used = tokens.current
            headers |= bearer_header(self._used)
        return CallRequest(request.method, request.url, headers, request.body)

    def _take_turn(self) -> Course[None]:
        now_ns = self._state.clock.monotonic_ns()
        is_taken, at_ns = self._state.limiter.reserve(now_ns, self._deadline_ns)
        wait_s = (at_ns - now_ns) / 1e9
        if not is_taken:
            self._give_up(RateLimited(self._service.name, wait_s))
        if wait_s > 0:
            self._state.metrics.rate_limit_waited(self._service.name, wait_s)
            yield Pause(wait_s)

    def _check_breaker(self) -> None:
        breaker = self._state.breaker
        refusal = breaker.refusal(self._state.clock.monotonic_ns()) if breaker else None
        if refusal is not None:
            self._give_up(CircuitOpen(self._service.name, float(refusal)))

    def _admit(self) -> int:
        breaker = self._state.breaker
        if breaker is None:
            return 0
        before = breaker.state
        admitted = breaker.admit(self._state.clock.monotonic_ns())
        self._tell_breaker(before)
        if isinstance(admitted, Refusal):
            self._give_up(CircuitOpen(self._service.name, float(admitted)))
        return admitted

    def _note(self, turn: int, outcome: CallAnswer | Broken | None) -> None:
        breaker = self._state.breaker
        if breaker is None:
            return
        before = breaker.state
        failed = None if outcome is None else _is_failure(outcome)
        breaker.note(turn, self._state.clock.monotonic_ns(), failed=failed)
        self._tell_breaker(before)

    def _tell_breaker(self, before: str) -> None:
        breaker = self._state.breaker
        if breaker is not None and breaker.state != before:
            name = self._service.name
            _log.warning("breaker_changed", extra={"service": name, "state": breaker.state})
            self._state.metrics.breaker_changed(name, breaker.state)

    def _wait_before_next(self, outcome: CallAnswer | Broken) -> float:
        """Return the wait before the next attempt, or end the call."""
        self._end_if_final(outcome)
        retries, clock = self._service.retries, self._state.clock
        headers = outcome.headers if isinstance(outcome, CallAnswer) else _NO_HEADERS
        wait_s = wait_before(
            self._attempts, retries, headers, clock.now_us() / 1e6, self._state.random
        )
        if self._deadline_ns <= clock.monotonic_ns():
            self._too_late(_reason(outcome))
        if self._attempts >= retries.attempts or wait_s >= self._left_s():
            raise self._failure(outcome)
        if not self._state.budget.spend():
            raise self._failure(outcome, "; no retries left in the budget")
        reason = _reason(outcome)
        _log.warning(
            "call_retried",
            extra={"service": self._service.name, "attempt": self._attempts, "reason": reason},
        )
        self._state.metrics.retried(self._service.name, reason)
        return wait_s

    def _end_if_final(self, outcome: CallAnswer | Broken) -> None:
        name = self._service.name
        if isinstance(outcome, Broken):
            match outcome.kind:
                case "large":
                    raise AnswerTooLarge(name, outcome.status, self._service.max_answer_bytes)
                case "untrusted":
                    raise PeerUntrusted(name, outcome.reason)
                case "unsent":
                    return
                case "lost":
                    pass
        if not self._is_repeatable:
            is_unknown = isinstance(outcome, Broken) or outcome.status >= 500
            if is_unknown:
                unknown = OutcomeUnknown(name, self._request.method, _reason(outcome))
                unknown.answer = outcome if isinstance(outcome, CallAnswer) else None
                raise unknown
            raise self._failure(outcome)

    def _failure(self, outcome: CallAnswer | Broken, more: str = "") -> CallFailed:
        status, wait_s = None, 0.0
        if isinstance(outcome, CallAnswer):
            now_s = self._state.clock.now_us() / 1e6
            status, wait_s = outcome.status, retry_after_s(outcome.headers, now_s) or 0.0
        reason = _reason(outcome) + more
        failed = CallFailed(self._service.name, reason, status, self._attempts, self._key, wait_s)
        failed.answer = outcome if isinstance(outcome, CallAnswer) else None
        return failed

    def _give_up(self, error: KingpostError) -> NoReturn:
        """End the call before an attempt; what the attempt before came to goes first."""
        if self._last is None:
            raise error
        raise self._failure(self._last, f"; then {error.code}") from error

    def _too_late(self, reason: str) -> NoReturn:
        raise DeadlineExceeded(
            self._service.name, self._deadline_s, self._attempts, reason, self._key
        )

    def _left_s(self) -> float:
        left_ns = self._deadline_ns - self._state.clock.monotonic_ns()
        if left_ns <= 0:
            reason = "nothing was sent" if self._last is None else _reason(self._last)
            self._too_late(reason)
        return left_ns / 1e9

    def _attempt_s(self) -> float:
        longest = self._service.retries.attempt
        left_s = self._left_s()
        return left_s if longest is None else min(left_s, seconds_of(longest))


def _key_of(state: ServiceState, call: Call, *, is_safe: bool) -> str:
    """Return the key that a call is sent with; none where it needs none."""
    service = state.service
    if call.at_most_once:
        return ""
    if service.idempotency:
        return call.idempotency_key or ("" if is_safe else state.new_key())
    if not (is_safe or service.at_most_once):
        raise EffectUndeclared(service.name, call.method.upper())
    if call.idempotency_key:
        raise BadCall(service.name, "it has a key, and the service is declared to know none")
    return ""


def _reason(outcome: CallAnswer | Broken) -> str:
    return outcome.reason if isinstance(outcome, Broken) else f"status {outcome.status}"


def _is_failure(outcome: CallAnswer | Broken) -> bool:
    if isinstance(outcome, Broken):
        return outcome.kind != "large"
    return outcome.status >= 500
