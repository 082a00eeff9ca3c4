"""What looks on while requests are answered; a server without one has none to ask."""

from collections.abc import Mapping, Sequence

from kingpost.core import Clock
from kingpost.records import DecisionRecord
from kingpost.serving.http import caller_span_of
from kingpost.serving.seen.request import SeenRequest
from kingpost.serving.seen.sample import Sample

__all__ = ["RequestWatch"]


class RequestWatch:
    """Hands requests to the samples that want them, in the loop's thread.

    Attributes:
        samples: Whom it tells.
    """

    def __init__(self, samples: Sequence[Sample], clock: Clock) -> None:
        self.samples, self._clock = tuple(samples), clock

    def note(
        self,
        method: str,
        route: str,
        headers: Mapping[bytes, bytes],
        trace_id: str,
        *,
        status: int,
        code: str,
        arrived_ns: int,
        settled_ns: int,
        record: DecisionRecord | None = None,
        record_id: str = "",
        is_repeat: bool = False,
    ) -> None:
        """See a request whose answer is ready.

        Args:
            headers: Those of the request; only its `traceparent` is looked at.
            arrived_ns, settled_ns: By the monotonic clock; see `SeenRequest.settled_us`.
        """
        traceparent = headers.get(b"traceparent")
        caller = None if traceparent is None else caller_span_of(traceparent)
        wanting = [one for one in self.samples if one.wants(trace_id, caller)]
        if not wanting:
            return
        now_us, now_ns = self._clock.now_us(), self._clock.monotonic_ns()
        seen = SeenRequest(
            method,
            route,
            status,
            code,
            trace_id,
            caller,
            now_us - (now_ns - arrived_ns) // 1000,
            now_us - (now_ns - settled_ns) // 1000,
            now_us,
            record,
            record_id,
            is_repeat,
        )
        for one in wanting:
            one.offer(seen)

    def close(self) -> None:
        """Tell of what waits, then no more."""
        for one in self.samples:
            one.close()
