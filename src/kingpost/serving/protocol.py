"""The HTTP protocol of the server: uvicorn's, with bounded heads and whole answers.

uvicorn bounds neither the size of a request's head nor how long a caller takes to send
it; without these bounds one caller could hold memory and connections for nothing. It
sends an answer's head and body one by one; together they cost one system call less. It
drops a request whose caller closes its sending half behind it, which is no reason to.
"""

import asyncio
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kingpost.core import KingpostError
from kingpost.serving.errors import MalformedRequest, RequestHeadTooLarge
from kingpost.serving.http import trace_id_of
from kingpost.serving.problems import problem_answer

__all__ = ["HEAD_TIMEOUT_S", "MAX_HEAD_BYTES", "BoundedProtocol"]

MAX_HEAD_BYTES = 64 * 1024
HEAD_TIMEOUT_S = 10.0
"""How long a caller may take to send a request's head, from the first byte of it on."""


class _WholeAnswers:
    """A transport that sends the head of an answer together with what follows it."""

    __slots__ = ("_head", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if self.is_closing():  # the caller is gone: nobody is left to tell
            self._head = b""
        elif self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
        else:
            self._transport.write(data)

    def write_whole(self, answers: bytes) -> None:
        """Send answers that are whole."""
        if not self.is_closing():
            self._transport.write(answers)

    def flush(self) -> None:
        if self._head and not self.is_closing():
            self._transport.write(self._head)
        self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    head_timeout_s = HEAD_TIMEOUT_S

    _whole_answers: _WholeAnswers

    _head_timer: asyncio.TimerHandle | None = None
    _is_in_head = True
    _head_bytes = 0
    _has_ended = False
    _caller = b""
    """The header that lets in who has connected, by the certificate that was brought."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as in uvicorn
        self._whole_answers = _WholeAnswers(transport)
        super().connection_made(cast("asyncio.Transport", self._whole_answers))
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_whole()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if self._caller:
            self._name_caller()
        super().on_headers_complete()

    def eof_received(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]  as in asyncio
        """Answer what came whole before the caller closed its half; True while that lasts."""
        self._has_ended = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]  None before the first request
            return False
        return bool(self.pipeline) or not cycle.more_body

    def on_response_complete(self) -> None:
        self._whole_answers.flush()
        is_last = not self.pipeline or self.pipeline[-1][0].more_body
        super().on_response_complete()
        if self._has_ended and is_last:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head:
            if self._head_timer is not None:
                self._head_is_whole()
        elif not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(RequestHeadTooLarge(MAX_HEAD_BYTES))
            elif self._head_timer is None:
                self._expect_head()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest())

    def _name_caller(self) -> None:
        """Let a request say by whom it is, unless it says so itself."""
        if all(name != b"authorization" for name, _ in self.headers):
            self.headers.append((b"authorization", self._caller))

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_timeout_s, self.transport.close)

    def _head_is_whole(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, error: KingpostError) -> None:
        answer = problem_answer(error, trace_id_of(None))
        lines = [b"HTTP/1.1 %d %s" % (answer.status, HTTPStatus(answer.status).phrase.encode())]
        lines += [name + b": " + value for name, value in answer.headers]
        lines += [b"content-length: %d" % len(answer.body), b"connection: close", b"", answer.body]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
