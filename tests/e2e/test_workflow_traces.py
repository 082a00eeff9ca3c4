"""Spans of workflows reach a collector, and say nothing of what was worked on."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.cli_app import kingpost

APP = """
import kingpost as kp

@kp.step
def look(name: str) -> str:
    return f"seen {name}"

@kp.workflow
def greet(name: str) -> str:
    return look(name)
"""


def test_a_workflow_and_its_step_are_spans_of_one_trace(tmp_path: Path) -> None:
    (tmp_path / "greeting_app.py").write_text(APP)
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        kingpost(
            tmp_path, "workflows", "start", "greeting_app.py", "greet",
            "--input", '{"name": "hunter2"}', "--key", "g-1", "--json",
        )  # fmt: skip
        kingpost(
            tmp_path, "work", "greeting_app.py", "--until-idle", "--json",
            KINGPOST_OTLP_ENDPOINT=endpoint,
        )  # fmt: skip
        server.shutdown()

    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    spans = {
        span.name: span
        for request in requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert {"greet", "look"} <= set(spans)
    assert spans["look"].parent_span_id == spans["greet"].span_id
    assert spans["look"].trace_id == spans["greet"].trace_id
    facts = {one.key: one.value.string_value for one in spans["look"].attributes}
    assert facts["dbos.operation.workflow_id"] == "default:g-1"
    assert b"hunter2" not in b"".join(bodies)
