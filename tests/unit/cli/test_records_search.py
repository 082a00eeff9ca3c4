"""`kingpost records` asks a server for what it is told to, and shows the answer."""

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line

LINE = {
    "id": "0199",
    "event_time": "2026-11-21T09:00:00Z",
    "outcome": "decided",
    "score": None,
    "principal": "key-1",
    "event_key": "p\n1",
}


class _Answers(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        is_one = "/v1/records/" in self.path
        body = json.dumps(LINE if is_one else {"records": [LINE], "next": "7:9"}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Generator[list[str], None, None]:
    _Answers.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("KINGPOST_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("KINGPOST_API_KEY", "key")
    yield _Answers.asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_search_asks_for_what_it_is_told_to(asked: list[str]) -> None:
    done = CliRunner().invoke(
        command_line,
        ["records", "list", "fraud", "--principal", "key-1", "--model", "ab", "--mistaken"],
        catch_exceptions=False,
    )

    assert parse_qs(urlsplit(asked[0]).query) == {
        "decision": ["fraud"],
        "principal": ["key-1"],
        "model": ["ab"],
        "mistaken": ["true"],
        "limit": ["50"],
    }
    assert done.stdout == "0199  2026-11-21T09:00:00Z  decided  -  key-1  p\\n1\n"
    assert done.stderr == "more with --before 7:9\n"


def test_a_record_is_shown(asked: list[str]) -> None:
    done = CliRunner().invoke(
        command_line, ["records", "show", "a/b", "--json"], catch_exceptions=False
    )

    assert asked == ["/v1/records/a%2Fb"]
    assert json.loads(done.stdout) == LINE
