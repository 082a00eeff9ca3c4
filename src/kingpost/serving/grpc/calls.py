"""The calls of one connection: begun, given their messages, answered, ended before that.

The rule: a call that its method has taken counts until the method is done with it, whether
or not somebody still waits; who begins calls and cancels them gets no more work done than
who waits for them. Calls are unary: one message in, one out.
"""

import logging
from collections.abc import Callable, Sequence
from math import inf

from kingpost.serving.grpc.call import Call
from kingpost.serving.grpc.errors import BrokenConnection, BrokenStream, Http2Error
from kingpost.serving.grpc.frames import END_STREAM, reset
from kingpost.serving.grpc.heads import Head, only_trailers
from kingpost.serving.grpc.house import House
from kingpost.serving.grpc.hpack import Field
from kingpost.serving.grpc.messages import PREFIX_BYTES, Unread, read_message
from kingpost.serving.grpc.patience import Patience
from kingpost.serving.grpc.sender import Sender
from kingpost.serving.grpc.status import Status

__all__ = ["Calls"]

RESETS_KEPT = 1024
_log = logging.getLogger(__name__)


class Calls:
    """The calls of a connection, by their streams.

    Args:
        now_s: The clock of the loop.
        look_at: Told when `end_overdue` is due.
        idle: Told when the last open call has ended.

    Attributes:
        last: The last stream that the caller began.
        last_taken: Streams behind that one are not looked at; None while all are.
    """

    def __init__(
        self,
        house: House,
        sender: Sender,
        patience: Patience,
        now_s: Callable[[], float],
        look_at: Callable[[float], None],
        idle: Callable[[], None],
    ) -> None:
        self._house, self._limits = house, house.limits
        self._sender, self._patience = sender, patience
        self._now_s, self._look_at, self._idle = now_s, look_at, idle
        self._open: dict[int, Call] = {}
        self._orphans = 0
        self._resets: dict[int, None] = {}  # streams on which more may be on its way
        self.last = 0
        self.last_taken: int | None = None
        sender.finished = self._finished

    def __len__(self) -> int:
        return len(self._open)

    # what the caller does

    def begin(self, flags: int, stream: int, head: Head) -> None:
        """Begin a call."""
        self.last = stream
        if self.last_taken is not None:
            self._remember(stream)
            return
        if len(self._open) + self._orphans >= self._limits.max_streams:
            raise BrokenStream(stream, Http2Error.REFUSED_STREAM, "too many calls in flight")
        call = self._open[stream] = Call(stream, head, self._sender.call_window, self)
        now_s = self._now_s()
        call.due_s = now_s + self._limits.message_timeout_s
        if head.timeout_s is not None:
            call.deadline_s = now_s + head.timeout_s
            call.due_s = min(call.due_s, call.deadline_s)
        self._look_at(call.due_s)
        call.has_ended = bool(flags & END_STREAM)
        if head.refusal is not None:
            self._refuse(call, head.refusal)
            return
        method = self._house.methods.get(head.path)
        if method is None:
            self.fail(call, Status.UNIMPLEMENTED, "no such method is served here")
            return
        try:
            call.take = method(call)
        except Exception:  # noqa: BLE001  the boundary of a call
            self._broke(call)
        if call.has_ended:
            self._take(call, b"")

    def data(self, flags: int, stream: int, payload: bytes) -> None:
        """Take a part of a message."""
        call = self._sent_on(stream)
        if call is None:
            return
        if flags & END_STREAM:
            call.has_ended = True
            if call.body is None:
                self._take(call, payload)
                return
        elif not payload:
            self._patience.take()
        if call.is_over:
            return
        self._gather(call, payload)
        if call.has_ended and call.body is not None:
            self._take(call, b"")

    def trailers(self, flags: int, stream: int) -> None:
        """Take the end of a call that has fields of its own, which nobody asks for."""
        call = self._sent_on(stream)
        if call is None:
            return
        if not flags & END_STREAM:
            raise BrokenStream(stream, Http2Error.PROTOCOL_ERROR, "a second head")
        call.has_ended = True
        self._take(call, b"")

    def cancel(self, stream: int) -> None:
        """End a call for which its caller waits no more."""
        self.check_begun(stream)
        self._patience.take()
        call = self._open.get(stream)
        if call is not None:
            call.has_ended = True
            self._drop(call)

    def find(self, stream: int) -> Call | None:
        """Return a call that is open.

        Raises:
            BrokenConnection: No call of this stream has begun.
        """
        call = self._open.get(stream)
        if call is None:
            self.check_begun(stream)
        return call

    def check_begun(self, stream: int) -> None:
        """Refuse what is said of a stream that nobody began."""
        if stream > self.last or stream % 2 == 0:
            raise BrokenConnection(Http2Error.PROTOCOL_ERROR, "a frame for an idle stream")

    # what we do

    def answer(self, call: Call, message: bytes, fields: Sequence[Field] = ()) -> None:
        """Send a message and status OK."""
        if call.is_over:
            self._let_go(call)
            return
        call.is_over = True
        self._sender.send(call, message, fields)
        if call.unsent is not None:
            call.unsent_before = len(call.unsent)
            call.due_s = self._now_s() + self._limits.message_timeout_s
            self._look_at(call.due_s)

    def fail(self, call: Call, status: Status, message: str, fields: Sequence[Field] = ()) -> None:
        """Send a status alone."""
        if call.is_over:
            self._let_go(call)
            return
        call.is_over = True
        self._release(call)
        self._sender.send_only(call, only_trailers(status, message, *fields))

    def reset(self, stream: int, reason: Http2Error) -> None:
        """End a stream before its end."""
        self._sender.write(reset(stream, reason))
        self._remember(stream)
        call = self._open.get(stream)
        if call is not None:
            self._drop(call)

    def widen(self, by: int) -> None:
        """Note that the callers of open calls have more room, or less."""
        for call in list(self._open.values()):
            self._sender.widen(call, by)

    def end_overdue(self, now_s: float) -> float:
        """End what is overdue; return when the next is."""
        for call in [one for one in self._open.values() if one.due_s <= now_s]:
            if not call.is_over:
                said = "the deadline is over" if call.has_ended else "the message is late"
                self._refuse(call, only_trailers(Status.DEADLINE_EXCEEDED, said))
            elif call.unsent is not None and len(call.unsent) < call.unsent_before:
                call.unsent_before = len(call.unsent)
                call.due_s = now_s + self._limits.message_timeout_s
            else:
                self.reset(call.stream, Http2Error.CANCEL)
        return min((one.due_s for one in self._open.values()), default=inf)

    def drop_all(self) -> None:
        """End all calls of a connection that is lost."""
        for call in list(self._open.values()):
            self._drop(call)

    # between

    def _sent_on(self, stream: int) -> Call | None:
        """Return the call that something came for; None where that may be, but is too late."""
        call = self.find(stream)
        if call is None:
            if stream not in self._resets:
                raise BrokenConnection(Http2Error.STREAM_CLOSED, "a frame for a closed stream")
        elif call.has_ended:
            raise BrokenStream(stream, Http2Error.STREAM_CLOSED, "a frame behind the last")
        return call

    def _gather(self, call: Call, payload: bytes) -> None:
        if call.body is None:
            call.body = bytearray()
        call.body += payload
        self._house.held += len(payload)
        body, most = call.body, self._limits.max_message_bytes
        if self._house.held > self._limits.max_held_bytes:
            self.fail(call, Status.RESOURCE_EXHAUSTED, "too many messages come in part; retry")
        elif len(body) >= PREFIX_BYTES:
            length = int.from_bytes(body[1:PREFIX_BYTES], "big")
            if length > most or len(body) > PREFIX_BYTES + length:
                unread = read_message(bytes(body), is_gzip=False, max_bytes=most)
                assert isinstance(unread, Unread)
                self.fail(call, *unread)

    def _take(self, call: Call, data: bytes) -> None:
        """Give a message that is whole to the method."""
        if call.body is not None:
            data = bytes(call.body)
            self._release(call)
        if call.is_over:
            return
        head = call.head
        if head.length is not None and head.length != len(data):
            problem = "`content-length` is another"
            raise BrokenStream(call.stream, Http2Error.PROTOCOL_ERROR, problem)
        message = read_message(data, is_gzip=head.is_gzip, max_bytes=self._limits.max_message_bytes)
        if isinstance(message, Unread):
            self.fail(call, *message)
            return
        assert call.take is not None  # a method that returns none has failed the call
        call.due_s = call.deadline_s
        call.is_taken = True
        try:
            call.take(message)
        except Exception:  # noqa: BLE001  the boundary of a call
            self._broke(call)

    def _broke(self, call: Call) -> None:
        _log.exception("grpc_method_failed", extra={"path": call.head.path.decode("latin-1")})
        self.fail(call, Status.INTERNAL, "internal error")

    def _refuse(self, call: Call, block: bytes) -> None:
        """Answer for a method that may be at work."""
        call.is_over = True
        self._release(call)
        self._leave(call)
        self._sender.send_only(call, block)

    def _drop(self, call: Call) -> None:
        if not call.is_over:
            self._leave(call)
        call.is_over = True
        self._release(call)
        self._sender.forget(call)
        self._close(call)

    def _leave(self, call: Call) -> None:
        if call.is_taken:
            call.is_orphan = True
            self._orphans += 1

    def _let_go(self, call: Call) -> None:
        if call.is_orphan:
            call.is_orphan = False
            self._orphans -= 1

    def _finished(self, call: Call) -> None:
        if not call.has_ended:
            self._sender.write(reset(call.stream, Http2Error.NO_ERROR))
            self._remember(call.stream)
        self._close(call)

    def _close(self, call: Call) -> None:
        if self._open.pop(call.stream, None) is not None and not self._open:
            self._idle()

    def _release(self, call: Call) -> None:
        if call.body is not None:
            self._house.held -= len(call.body)
            call.body = None

    def _remember(self, stream: int) -> None:
        self._resets[stream] = None
        if len(self._resets) > RESETS_KEPT:
            del self._resets[next(iter(self._resets))]
