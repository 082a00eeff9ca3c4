"""A receiver of webhooks as a user writes it: it verifies, drops what it has, and may be down."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from kingpost.calls import MemoryInbox, ReceivedWebhook, WebhookReceiver, WebhookRefused

__all__ = ["SECRET", "WebhookHouse"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class WebhookHouse:
    """An HTTP server that answers so many webhooks with a status, then takes them.

    Args:
        failures: The statuses of its first answers.
        port: Where it listens; a free one when left out.
    """

    def __init__(self, failures: Sequence[int] = (), *, port: int = 0) -> None:
        receiver, inbox, lock = WebhookReceiver([SECRET]), MemoryInbox(), threading.Lock()
        self.failures = list(failures)
        self.taken: list[ReceivedWebhook] = []
        self.refused: list[str] = []
        house = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    self.send_response(house.answer(receiver, inbox, dict(self.headers), body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(
        self, receiver: WebhookReceiver, inbox: MemoryInbox, headers: dict[str, str], body: bytes
    ) -> int:
        """Take a webhook, or fail; return the status."""
        if self.failures:
            return self.failures.pop(0)
        try:
            received = receiver.receive(headers, body, inbox)
        except WebhookRefused as refusal:
            self.refused.append(str(refusal))
            return 400
        self.taken.append(received)
        return 204

    def told(self) -> list[dict[str, object]]:
        """Return what was taken for the first time."""
        return [json.loads(one.body) for one in self.taken if one.is_first]
