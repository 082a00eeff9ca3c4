"""A collector of traces on this machine, by OTLP over HTTP."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Collector", "facts_of", "otlp_collector"]


class Collector:
    """What was sent to it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.bodies: list[bytes] = []
        self.paths: list[str] = []

    def requests(self) -> list[ExportTraceServiceRequest]:
        """Return what was sent, read."""
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    def spans(self) -> list[Span]:
        """Return every span."""
        return [
            span
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def facts_of(span: Span) -> dict[str, object]:
    """Return the attributes of a span."""
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in span.attributes
    }


@contextmanager
def otlp_collector() -> Generator[Collector]:
    """Serve one."""
    found: list[Collector] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found[0].paths.append(self.path)
            found[0].bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found.append(Collector(f"http://127.0.0.1:{server.server_address[1]}"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield found[0]
        finally:
            server.shutdown()
