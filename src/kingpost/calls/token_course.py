"""The course to an access token: who asks for the next one, and who waits or goes on.

The rule: one call asks at a time, and only while the token is the one that it found due or
refused. While the old token lasts, the others go on with it, also when asking fails.
"""

from collections.abc import Callable

from kingpost.calls.credentials import Token
from kingpost.calls.exchange import Broken
from kingpost.calls.retrying import RETRY_STATUSES
from kingpost.calls.steps import Course, Gate, Hold, Send, ServiceState, exchanged
from kingpost.calls.tokens import Tokens

__all__ = ["TokenCourse"]


class TokenCourse:
    """Of one call.

    Args:
        left_s: Says how long there is, or ends the call.
        too_late: Ends the call, with a reason.

    Attributes:
        has_refreshed: Whether this call has asked for a token and was given one.
    """

    def __init__(
        self,
        state: ServiceState,
        release: Callable[[Gate], None],
        left_s: Callable[[], float],
        too_late: Callable[[str], None],
    ) -> None:
        self._state, self._release = state, release
        self._left_s, self._too_late = left_s, too_late
        self.has_refreshed = False

    def ensure(self, refused: Token | None = None) -> Course[Broken | None]:
        """See that there is a token, and not the refused one; return why there is none."""
        tokens = self._state.tokens
        if tokens is None or not self._is_needed(tokens, refused):
            return None
        is_usable = refused is None and tokens.is_usable(self._state.clock.now_us())
        if not (yield Hold("refresh", 0.0 if is_usable else self._left_s())):
            if not is_usable:
                self._too_late("another call waits for the access token")
            return None
        try:
            tokens.reload()
            if not self._is_needed(tokens, refused):
                return None
            problem = yield from self._refresh(tokens)
        finally:
            self._release("refresh")
        return None if is_usable else problem

    def _is_needed(self, tokens: Tokens, refused: Token | None) -> bool:
        current = tokens.current
        if refused is not None and current is not None:
            return current.access == refused.access
        return tokens.is_due(self._state.clock.now_us())

    def _refresh(self, tokens: Tokens) -> Course[Broken | None]:
        state = self._state
        is_kept = False
        try:
            outcome = exchanged((yield Send(tokens.request(), self._left_s())))
            if isinstance(outcome, Broken):
                return Broken("unsent", f"no access token: {outcome.reason}")
            if outcome.status in RETRY_STATUSES:
                return Broken("unsent", f"no access token: status {outcome.status}")
            tokens.keep(outcome, state.clock.now_us())
            is_kept = self.has_refreshed = True
        finally:
            told = "success" if is_kept else "failure"
            state.metrics.token_refreshed(state.service.name, told)
        return None
