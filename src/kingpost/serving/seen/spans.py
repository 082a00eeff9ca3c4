"""Spans of requests, sent by OTLP over HTTP.

The rule: a span has names, ids and times, and nothing of who asked or what about. The spans
of a decision are made from its record, so they cost the request nothing: how long it waited,
its features, its model, the journal, the answer. In a batch, features and model are the
request's share, as on record.
"""

from collections.abc import Iterator, Sequence
from importlib import metadata
from random import getrandbits
from typing import TYPE_CHECKING

from kingpost.core import ExtraMissing
from kingpost.serving.seen.request import SeenRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

__all__ = ["RequestSpans"]

_SERVICE = "kingpost"


class RequestSpans:
    """A `TakesSeen` that makes spans of requests and exports them.

    Args:
        exporter: Where they go.
    """

    def __init__(self, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        self._exporter = exporter
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: _SERVICE}))
        self._resource = resource
        self._scope = InstrumentationScope("kingpost.serving", metadata.version("kingpost"))

    @staticmethod
    def to(endpoint: str) -> "RequestSpans":
        """Return what sends spans to a collector.

        Args:
            endpoint: Such as `http://127.0.0.1:4318`; when empty, what the variables
                `OTEL_EXPORTER_OTLP_…` say, or a collector on this machine. Headers, timeouts
                and certificates are theirs in any case.

        Raises:
            ExtraMissing: The extra `otel` is not installed.
        """
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise ExtraMissing("opentelemetry", "otel") from error
        url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
        return RequestSpans(OTLPSpanExporter(endpoint=url))

    def take(self, seen: Sequence[SeenRequest]) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult

        spans = [span for one in seen for span in self._spans(one)]
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        self._exporter.shutdown()

    def _spans(self, seen: SeenRequest) -> "Iterator[ReadableSpan]":
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanKind, Status, StatusCode

        whole = _context(seen.trace_id)
        caller = seen.caller
        yield ReadableSpan(
            f"{seen.method} {seen.route}".rstrip(),
            context=whole,
            parent=None if caller is None else _context(seen.trace_id, int(caller.span_id, 16)),
            resource=self._resource,
            attributes=_attributes(seen),
            kind=SpanKind.SERVER,
            status=Status(StatusCode.ERROR if seen.status >= 500 else StatusCode.UNSET),
            start_time=seen.arrived_us * 1000,
            end_time=seen.ended_us * 1000,
            instrumentation_scope=self._scope,
        )
        for name, start_us, end_us in _stages(seen):
            yield ReadableSpan(
                name,
                context=_context(seen.trace_id),
                parent=whole,
                resource=self._resource,
                attributes={"kingpost.record": seen.on_record},
                kind=SpanKind.INTERNAL,
                start_time=start_us * 1000,
                end_time=end_us * 1000,
                instrumentation_scope=self._scope,
            )


def _context(trace_id: str, span_id: int | None = None) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        int(trace_id, 16),
        span_id or getrandbits(64) or 1,
        is_remote=span_id is not None,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _attributes(seen: SeenRequest) -> dict[str, str | int | bool]:
    found: dict[str, str | int | bool] = {
        "http.request.method": seen.method,
        "http.response.status_code": seen.status,
    }
    if seen.route:
        found["http.route"] = seen.route
    if seen.code not in ("", "ok"):
        found["error.type"] = seen.code
    if seen.on_record:
        found["kingpost.record"] = seen.on_record
    record = seen.record
    if record is not None:
        found |= {
            "kingpost.decision": record.decision,
            "kingpost.bundle": record.bundle.hex(),
            "kingpost.model": record.model.hex(),
            "kingpost.outcome": record.outcome.value,
            "kingpost.role": record.role.value,
            "kingpost.is_cached": record.is_cached,
            "kingpost.is_repeat": seen.is_repeat,
        }
    return found


def _stages(seen: SeenRequest) -> Iterator[tuple[str, int, int]]:
    """Yield the stages of a request that was decided, one after the other."""
    record = seen.record
    if record is None or seen.is_repeat:
        return
    at_us = seen.arrived_us
    stages = record.stages
    for name, took_us in (
        ("queue", stages.queue_us),
        ("features", stages.features_us),
        ("model", stages.model_us),
    ):
        start_us, at_us = at_us, min(at_us + took_us, seen.settled_us)
        yield f"kingpost.{name}", start_us, at_us
    # the others of its batch were read and scored between its own share and the record
    decided_us = max(at_us, min(record.at_us, seen.settled_us))
    yield "kingpost.journal", decided_us, seen.settled_us
    yield "kingpost.answer", seen.settled_us, seen.ended_us
