"""Load on a server: many connections, each with one HTTP/1.1 request in flight.

The rule: every call is sent at most once, in the order given, and each that was sent has
one `Answer`, also when the connection broke or the server fell silent: then its status is
0. Nothing is retried and no connection is opened again, so what the report says is what
happened. As each connection waits for its answer (a closed loop), a slow server is asked
less often; latencies under a fixed rate need another tool.

It is lean rather than general: requests are made as bytes beforehand, and of a response
it reads the status and as many bytes as `Content-Length`, or its chunks, say.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from kingpost.calls.errors import ServerUnreachable

__all__ = ["Answer", "LoadClient", "LoadReport"]

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CHUNKED = b"transfer-encoding: chunked"
_CLOSING = b"connection: close"
_BROKEN = 0


class Answer(NamedTuple):
    """What came of one call.

    Attributes:
        call: The number of the call, from 0 in the order given.
        status: HTTP status; 0 when the connection broke before the answer was whole.
        body: The body, or why there is none.
        sent_ns: When the call was sent, in nanoseconds since the run began.
        latency_ns: From sending the request to having the whole answer.
    """

    call: int
    status: int
    body: bytes
    sent_ns: int
    latency_ns: int


@dataclass(frozen=True)
class LoadReport:
    """What came of all calls.

    Attributes:
        answers: One per call that was sent, in the order in which they came.
        complete: Whether every call was sent; not when all connections were lost before.
        wall_s: From the first request to the last answer.
    """

    answers: list[Answer]
    complete: bool
    wall_s: float

    def statuses(self) -> dict[int, int]:
        """Count the answers by status."""
        counts: dict[int, int] = {}
        for answer in self.answers:
            counts[answer.status] = counts.get(answer.status, 0) + 1
        return counts

    def per_second(self) -> float:
        """Answers per second, broken ones left out."""
        whole = sum(answer.status != _BROKEN for answer in self.answers)
        return whole / self.wall_s if self.wall_s else 0.0

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the latency (nearest rank), NaN without an answer."""
        taken = sorted(answer.latency_ns for answer in self.answers if answer.status != _BROKEN)
        if not taken:
            return float("nan")
        rank = -int(-len(taken) * percent // 100)
        return taken[max(rank, 1) - 1] / 1e6


@dataclass(frozen=True)
class LoadClient:
    """A client that keeps some connections to one server busy.

    Attributes:
        headers: Sent with every request, such as the API key.
        silence_s: When no answer has come for this long, what is in flight counts as broken.
    """

    host: str
    port: int
    headers: Mapping[str, str]
    connections: int = 32
    silence_s: float = 30.0

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        """Write a POST request as bytes, to be passed to `run`."""
        lines = [
            f"POST {path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            f"content-type: {content_type}",
            f"content-length: {len(body)}",
        ]
        return "\r\n".join(lines).encode("ascii") + _HEAD_END + body

    def run(self, calls: Iterable[bytes]) -> LoadReport:
        """Send every call and wait for its answer.

        Raises:
            ServerUnreachable: A connection could not be opened; nothing was sent.
        """
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            return runner.run(self.drive(calls))

    async def drive(self, calls: Iterable[bytes]) -> LoadReport:
        """Do what `run` does, inside a running event loop."""
        run = _Run(iter(calls))
        loop = asyncio.get_running_loop()
        try:
            for _ in range(self.connections):
                await loop.create_connection(lambda: _Connection(run), self.host, self.port)
        except OSError as error:
            await run.abort(b"not all connections could be opened")
            reason = error.strerror or str(error)
            raise ServerUnreachable(self.host, self.port, reason) from error
        run.begin()
        while not run.is_over():
            seen = len(run.answers)
            try:
                async with asyncio.timeout(self.silence_s):
                    await asyncio.shield(run.over)
            except TimeoutError:
                if len(run.answers) == seen:
                    await run.abort(f"no answer for {self.silence_s:g} s".encode())
        return LoadReport(run.answers, run.complete, run.wall_s())


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


class _Run:
    """What the connections of one run share: the calls, the answers, the clock."""

    def __init__(self, calls: Iterator[bytes]) -> None:
        self.calls = calls
        self.answers: list[Answer] = []
        self.open: set[_Connection] = set()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent = 0
        self.complete = False
        self.start_ns = 0

    def begin(self) -> None:
        self.start_ns = time.perf_counter_ns()
        for connection in tuple(self.open):
            connection.send_next()

    def is_over(self) -> bool:
        return self.over.done()

    def wall_s(self) -> float:
        return max((one.sent_ns + one.latency_ns for one in self.answers), default=0) / 1e9

    def lost(self, connection: "_Connection") -> None:
        self.open.discard(connection)
        if not self.open and not self.over.done():
            self.over.set_result(None)

    async def abort(self, reason: bytes) -> None:
        for connection in tuple(self.open):
            connection.give_up(reason)
        if self.open:
            await self.over


class _Connection(asyncio.Protocol):
    def __init__(self, run: _Run) -> None:
        self._run = run
        self._transport: asyncio.Transport
        self._received = b""
        self._call = -1
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._run.open.add(self)

    def send_next(self) -> None:
        run = self._run
        request = next(run.calls, None)
        if request is None:
            run.complete = True
            self._transport.close()
            return
        self._call = run.sent
        run.sent += 1
        self._sent_ns = time.perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        head_end = data.find(_HEAD_END)
        if head_end < 0:
            self._received = data
            return
        head = data[:head_end].lower()
        body_start = head_end + len(_HEAD_END)
        length_at = head.find(_LENGTH)
        if length_at >= 0:
            line_end = head.find(b"\r", length_at)
            length = int(head[length_at + len(_LENGTH) : line_end if line_end > 0 else None])
            is_whole = len(data) >= body_start + length
            body = data[body_start : body_start + length] if is_whole else None
        elif _CHUNKED in head:
            body = _chunks(data, body_start)
        else:
            self.give_up(b"the response has neither Content-Length nor chunks")
            return
        if body is None:
            self._received = data
            return
        self._received = b""
        self._answered(int(head[9:12]), body)
        if _CLOSING in head:
            self._transport.close()
        else:
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._call >= 0:
            self._answered(_BROKEN, b"the connection broke")
        self._run.lost(self)

    def give_up(self, reason: bytes) -> None:
        """Count what is in flight as broken and close."""
        if self._call >= 0:
            self._answered(_BROKEN, reason)
        self._transport.abort()

    def _answered(self, status: int, body: bytes) -> None:
        run, sent = self._run, self._sent_ns
        latency = time.perf_counter_ns() - sent
        run.answers.append(Answer(self._call, status, body, sent - run.start_ns, latency))
        self._call = -1


def _chunks(data: bytes, at: int) -> bytes | None:
    """Join the chunks that begin somewhere; None while the last one is not there.

    Source: RFC 9112, section 7.1; a trailer is taken to be empty.
    """
    body = b""
    while (line_end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:line_end].partition(b";")[0], 16)
        start = line_end + 2
        if len(data) < start + size + 2:
            return None
        if not size:
            return body
        body += data[start : start + size]
        at = start + size + 2
    return None
