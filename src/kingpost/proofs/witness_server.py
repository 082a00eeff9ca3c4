"""A witness as a small HTTP server of its own, for another machine or account."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kingpost.proofs.witness import MOST_BYTES, WitnessState

__all__ = ["WitnessServer"]

_TIMEOUT_S = 10.0


class WitnessServer(ThreadingHTTPServer):
    """Serves `POST /add-checkpoint`; made, then `serve_forever`."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], state: WitnessState) -> None:
        self.state = state
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT_S
    server: WitnessServer  # pyright: ignore[reportIncompatibleVariableOverride]  made by it alone

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if self.path != "/add-checkpoint":
            self._answer(404, "text/plain", "the one call is POST /add-checkpoint\n")
        elif not length.isdigit() or int(length) > MOST_BYTES:
            self._answer(413, "text/plain", f"give a length of at most {MOST_BYTES}\n")
        else:
            self._answer(*self.server.state.add_checkpoint(self.rfile.read(int(length))))

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
