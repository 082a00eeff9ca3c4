"""A trip over two services: a seat and a room, or neither.

    python examples/saga.py

starts both services in this process, and books two trips: one for which there is a room,
and one for which there is none, whose seat is given back. Each booking carries a key, so a
service that is called again after a crash does it once.
"""

import json
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

import kingpost as kp
from kingpost.core import SystemClock
from kingpost.workflows import Worker, WorkflowDatabase

SERVICES = {"seats": "", "rooms": ""}
"""Where the services answer."""


class NoRoom(Exception):
    """The hotel is full: no retry helps."""


@kp.step(retries=kp.retries(4, "100ms", on=httpx.TransportError))
def reserve(service: str, trip: str) -> str:
    key = {"Idempotency-Key": kp.effect_key()}
    answer = httpx.post(f"{SERVICES[service]}/{trip}", headers=key, timeout=5)
    if answer.status_code == 409:
        raise NoRoom(trip)
    answer.raise_for_status()
    return answer.text


@kp.step(retries=kp.retries(10, "100ms"))
def release(service: str, trip: str) -> None:
    """Take a reservation back; where there is none, nothing happens."""
    httpx.delete(f"{SERVICES[service]}/{trip}", timeout=5).raise_for_status()


@kp.workflow
async def book(trip: str) -> str:
    async with kp.Saga() as saga:
        saga.otherwise(release, "seats", trip)
        seat = await kp.run(reserve, "seats", trip)
        saga.otherwise(release, "rooms", trip)
        room = await kp.run(reserve, "rooms", trip)
        return f"{seat} and {room}"


@contextmanager
def service(thing: str, *, places: int) -> Generator[tuple[str, dict[str, str]]]:
    """Run a service with so many places; yield its URL, and what is reserved there."""
    reserved: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            trip = self.path[1:]
            if trip not in reserved and len(reserved) >= places:
                return self._answer(409, "full")
            return self._answer(200, reserved.setdefault(trip, f"{thing} for {trip}"))

        def do_DELETE(self) -> None:
            reserved.pop(self.path[1:], None)
            self._answer(200, "")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", reserved
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as place,
        service("seat", places=9) as (SERVICES["seats"], seats),
        service("room", places=1) as (SERVICES["rooms"], rooms),
    ):
        database = WorkflowDatabase(Path(place) / "workflows.sqlite")
        clock = SystemClock()
        with (
            Worker(database, [book], clock=clock),
            kp.Workflows(database, clock=clock) as workflows,
        ):
            booked = workflows.result(workflows.start(book, "rome"))
            failed = workflows.start(book, "oslo")
            try:
                workflows.result(failed)
            except NoRoom:
                pass
            steps = [step.name for step in workflows.steps(failed)]
        print(json.dumps({"rome": booked, "oslo": steps, "seats": seats, "rooms": rooms}))


if __name__ == "__main__":
    main()
