"""Spans of workflows and steps, sent by OTLP over HTTP; made by DBOS.

The rule: a span has names, ids and times, and nothing of what a workflow works on.
"""

from importlib import import_module

from dbos import DBOSConfig

from kingpost.core import ExtraMissing

__all__ = ["Traces"]

_FLUSH_MS = 5_000


class Traces:
    """Where spans go, one span per workflow and per step.

    Args:
        endpoint: Such as `http://127.0.0.1:4318`.

    Raises:
        ExtraMissing: The extra `otel` is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            for needed in ("sdk.trace", "exporter.otlp.proto.http.trace_exporter"):
                import_module(f"opentelemetry.{needed}")
        except ImportError as error:
            raise ExtraMissing("opentelemetry", "otel") from error
        self._url = f"{endpoint.rstrip('/')}/v1/traces"

    def add_to(self, config: DBOSConfig) -> None:
        """Let DBOS send them."""
        config["enable_otlp"] = True
        config["otlp_traces_endpoints"] = [self._url]
        config["otel_attribute_format"] = "semconv"

    def flush(self) -> None:
        """Send what has not been sent yet; what cannot be sent within seconds is lost."""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            provider.force_flush(_FLUSH_MS)
