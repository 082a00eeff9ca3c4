"""What it costs to be watched: traces and access log of requests. `make bench B=request_watch`.

On the request's path: seeing a request that is left out, and one that is taken. Beside it, in a
thread of its own: making and encoding the six spans of a decision, and its line of the log.
"""

import io
import logging
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from benchmarks._figures import say
from kingpost.cli.logs import JsonFormatter
from kingpost.core import SystemClock
from kingpost.records import RECORD_FORMAT, DecisionRecord, Outcome, Stages
from kingpost.serving import (
    ACCESS_LOGGER,
    AccessLog,
    RequestSpans,
    RequestWatch,
    Sample,
    SeenRequest,
    TakesSeen,
)

REQUESTS = 50_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {b"authorization": b"Bearer kp_1_2", b"content-type": b"application/json"}
CALLER = HEADERS | {b"traceparent": f"00-{TRACE}-b7ad6b7169203331-00".encode()}
RECORD = DecisionRecord(
    format=RECORD_FORMAT, id=bytes(16), at_us=time.time_ns() // 1000, decision="fraud",
    bundle=bytes(32), model=bytes(32), principal="k", tenant="t", trace_id=TRACE, session=None,
    idempotency_key=None, request_digest=bytes(32), event_key="p1", event_offset=0,
    position="data:0", features=bytes(8 * 30), unavailable=(), answer=b'{"fraud":true}',
    confidence=0.9, outcome=Outcome.DECIDED, reason="", stages=Stages(100, 20, 300, 0),
)  # fmt: skip


class Encoding(SpanExporter):
    """Encodes spans as they are sent, and sends nothing."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encode_spans(spans).SerializePartialToString()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """It holds nothing."""


class Nobody:
    """Takes requests and leaves them."""

    def take(self, seen: Sequence[SeenRequest]) -> bool:
        return bool(seen)

    def close(self) -> None:
        """It holds nothing."""


def _note_us(share: float, headers: dict[bytes, bytes], samples: int = 1) -> float:
    clock = SystemClock()
    kept = [
        Sample("bench", share, Nobody(), follows_caller=True, room=REQUESTS) for _ in range(samples)
    ]
    watch = RequestWatch(kept, clock)
    begun = time.perf_counter()
    for _ in range(REQUESTS):
        watch.note(
            "POST", "/v1/decisions/fraud", headers, TRACE, status=200, code="ok",
            arrived_ns=0, settled_ns=clock.monotonic_ns(), record=RECORD,
        )  # fmt: skip
    took_us = (time.perf_counter() - begun) / REQUESTS * 1e6
    watch.close()
    return took_us


def _told_us(taker: TakesSeen) -> float:
    now_us = time.time_ns() // 1000
    seen = SeenRequest(
        "POST", "/v1/decisions/fraud", 200, "ok", TRACE, None, now_us, now_us, now_us, RECORD
    )
    batch = [seen] * 256
    return min(_timed(lambda: taker.take(batch)) for _ in range(10)) / len(batch) * 1e6


def _timed(work: Callable[[], Any]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> int:
    say(f"a request that is left out, by its trace id: {_note_us(0.0, HEADERS):.2f} us")
    say(f"the same with both samples: {_note_us(0.0, HEADERS, 2):.2f} us")
    say(f"left out by its caller's choice: {_note_us(1.0, CALLER):.2f} us")
    say(f"a request that is taken: {_note_us(1.0, HEADERS):.2f} us")
    say(f"beside it, six spans made and encoded: {_told_us(RequestSpans(Encoding())):.0f} us")
    logger = logging.getLogger(ACCESS_LOGGER)
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonFormatter())
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    say(f"beside it, a line of the access log: {_told_us(AccessLog()):.0f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
