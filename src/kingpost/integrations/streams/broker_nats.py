"""Topics on NATS JetStream: a durable pull consumer, and publishing under message ids.

The rule for order: JetStream hands out again what was not acknowledged only after its time,
and new messages meanwhile. So whoever opens the consumer waits until everything that an
earlier reader was handed comes again, and begins with it, in the order of the stream. A
message that went to somebody else shows as a gap in the consumer's own count.

The calls block; the client's event loop runs only while one of them does.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from kingpost.core import ExtraMissing
from kingpost.integrations.streams.broker import EVENT, Message
from kingpost.integrations.streams.errors import (
    BrokerAway,
    ConsumerUnfit,
    MessageRefused,
    TopicNotFound,
)

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerInfo, PubAck

__all__ = ["NatsConsumer", "NatsProducer"]

_WITHIN_S = 5.0
_ACK_WAIT_S = 2.0
"""So long a crash keeps its successor waiting; what is acknowledged later counts as well."""
_MARGIN_S = 0.5
_MOST_UNACKNOWLEDGED = 8_192
_UNLIMITED = -1
_KIND, _KEY, _ID = "Kingpost-Kind", "Kingpost-Key", "Nats-Msg-Id"
_TOO_LARGE = 10054

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _NatsLink:
    """A connection, and the loop that it lives in.

    Args:
        url: Of the server.
        subject: What is read or written.
        credentials: A file of the account; none when empty.

    Raises:
        ExtraMissing: The extra `nats` is not installed.
    """

    def __init__(self, url: str, subject: str, *, shown: str, credentials: str = "") -> None:
        if find_spec("nats") is None:
            raise ExtraMissing("nats-py", "nats")
        self.topic = f"{shown}/{subject}"
        self._url, self._subject, self._credentials = url, subject, credentials
        self._runner: asyncio.Runner | None = None
        self._client: Client | None = None
        self._closed = asyncio.Event()

    @property
    def stream(self) -> "JetStreamContext":
        """What speaks to the streams of the server."""
        assert self._client is not None  # it is open
        return self._client.jetstream(timeout=_WITHIN_S)  # pyright: ignore[reportUnknownMemberType]

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands."""
        return self._client is not None and self._client.is_connected

    def run(self, call: Coroutine[Any, Any, T], within_s: float) -> T:
        """Let the client do something.

        Raises:
            BrokerAway: It could not, or not in time.
        """
        from nats.errors import Error

        assert self._runner is not None  # it is open
        try:
            return self._runner.run(asyncio.wait_for(self._while_open(call), within_s))
        except (Error, OSError, EOFError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise BrokerAway(self.topic, reason) from error

    def open(self) -> str:
        """Connect, and return the name of the stream that keeps the subject."""
        self.close()
        self._runner, self._closed = asyncio.Runner(), asyncio.Event()
        try:
            return self.run(self._open(), 2 * _WITHIN_S)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        runner, client, self._runner, self._client = self._runner, self._client, None, None
        if runner is None:
            return
        try:
            if client is not None:
                runner.run(asyncio.wait_for(client.close(), _WITHIN_S))
        except Exception:  # noqa: BLE001  whatever a client raises, it is closed
            _log.debug("nats_not_closed", exc_info=True)
        finally:
            runner.close()

    async def flush(self) -> None:
        """Return when the server has what was sent."""
        assert self._client is not None  # it is open
        await self._client.flush(int(_WITHIN_S))

    async def _while_open(self, call: Coroutine[Any, Any, T]) -> T:
        """Return what a call does; one whose answer cannot come any more ends with its connection.

        Raises:
            ConnectionClosedError: It was closed meanwhile.
        """
        from nats.errors import ConnectionClosedError

        calling = asyncio.ensure_future(call)
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((calling, closing), return_when=asyncio.FIRST_COMPLETED)
            if not calling.done() or calling.cancelled():
                raise ConnectionClosedError
            return calling.result()
        finally:
            calling.cancel()
            closing.cancel()
            await asyncio.gather(calling, closing, return_exceptions=True)

    async def _on_closed(self) -> None:
        self._closed.set()

    async def _open(self) -> str:
        from nats.aio.client import Client
        from nats.js.errors import NotFoundError

        self._client = Client()  # kept, so that one that fails to connect is closed
        await self._client.connect(  # pyright: ignore[reportUnknownMemberType]  its options have no types
            self._url,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=int(_WITHIN_S),
            error_cb=_ignore,
            closed_cb=self._on_closed,
            user_credentials=self._credentials or None,
        )
        try:
            return await self.stream.find_stream_name_by_subject(self._subject)
        except NotFoundError as error:
            mend = "make a stream of JetStream that has the subject"
            raise TopicNotFound(self.topic.rpartition("/")[0], self._subject, mend) from error


class NatsConsumer:
    """A `StreamConsumer` over a durable pull consumer, which is made when there is none.

    Args:
        url: Of the server.
        name: Of the consumer.
        shown: The URL without a password.
        credentials: A file of the account; none when empty.

    Raises:
        ExtraMissing: The extra `nats` is not installed.
    """

    def __init__(
        self, url: str, subject: str, name: str, *, shown: str, credentials: str = ""
    ) -> None:
        self._link = _NatsLink(url, subject, shown=shown, credentials=credentials)
        self.topic = self._link.topic
        self._subject, self._name, self._stream = subject, name, ""
        self._heard: JetStreamContext.PullSubscription | None = None
        self._read: list[Msg] = []
        self._next = self._owed = 0
        self._owed_from_s = 0.0

    def open(self) -> None:
        self._heard, self._read = None, []
        self._stream = self._link.open()

    def read(self, most: int, wait_s: float) -> Sequence[Message]:
        found = self._link.run(self._next_messages(most, wait_s), 2 * wait_s + 2 * _WITHIN_S)
        self._read += found
        return [_message(one) for one in found]

    def acknowledge(self) -> None:
        self._link.run(self._acknowledge(), 2 * _WITHIN_S)
        self._read = []

    def waiting(self) -> int:
        return self._link.run(self._waiting(), _WITHIN_S)

    def close(self) -> None:
        self._link.close()

    async def _next_messages(self, most: int, wait_s: float) -> "list[Msg]":
        if self._heard is None:
            await self._bind()
        if not self._owed:
            return await self._fetch(most, wait_s)
        left_s = self._owed_from_s - asyncio.get_running_loop().time()
        if left_s > 0:
            await asyncio.sleep(min(left_s, wait_s))
            return []
        found: list[Msg] = []
        while len(found) < self._owed:
            more = await self._fetch(self._owed - len(found), wait_s)
            found += more
            # a new one says that nothing is owed any more: its stream let go of the rest
            if not more or any(one.metadata.num_delivered == 1 for one in more):
                break
        self._owed = 0
        return sorted(found, key=lambda one: one.metadata.sequence.stream)

    async def _fetch(self, most: int, wait_s: float) -> "list[Msg]":
        from nats.errors import ConnectionClosedError
        from nats.errors import TimeoutError as NatsTimeout

        assert self._heard is not None  # it is bound
        try:
            found = await self._heard.fetch(most, timeout=wait_s)
        except (NatsTimeout, TimeoutError):
            found = []
        if not found and not self._link.is_connected:
            raise ConnectionClosedError
        for one in found:
            if one.metadata.sequence.consumer != self._next:
                problem = f"somebody else was handed messages of consumer {self._name!r}"
                raise BrokerAway(self.topic, problem)
            self._next += 1
        return found

    async def _bind(self) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig

        info = await self._info()
        if info is None:
            info = await self._link.stream.add_consumer(  # pyright: ignore[reportUnknownMemberType]
                self._stream,
                ConsumerConfig(
                    durable_name=self._name,
                    ack_policy=AckPolicy.EXPLICIT,
                    ack_wait=_ACK_WAIT_S,
                    filter_subject=self._subject,
                    max_ack_pending=_MOST_UNACKNOWLEDGED,
                ),
            )
        self._check(info)
        self._next = 1 if info.delivered is None else info.delivered.consumer_seq + 1
        self._owed = info.num_ack_pending or 0
        ack_wait_s = info.config.ack_wait or _ACK_WAIT_S
        self._owed_from_s = asyncio.get_running_loop().time() + ack_wait_s + _MARGIN_S
        self._heard = await self._link.stream.pull_subscribe_bind(
            consumer=self._name,
            stream=self._stream,
            pending_msgs_limit=_UNLIMITED,
            pending_bytes_limit=_UNLIMITED,
        )

    def _check(self, info: "ConsumerInfo") -> None:
        config = info.config
        if config.ack_policy not in ("explicit", "all"):
            raise ConsumerUnfit(self._name, "explicit acknowledgements", f"{config.ack_policy}")
        if (config.max_deliver or -1) > 0:
            raise ConsumerUnfit(
                self._name, "no limit of deliveries", f"max_deliver {config.max_deliver}"
            )
        if config.deliver_subject:
            raise ConsumerUnfit(self._name, "a pull consumer", "a push consumer")
        if config.filter_subject and config.filter_subject != self._subject:
            raise ConsumerUnfit(
                self._name, f"the subject {self._subject!r}", repr(config.filter_subject)
            )

    async def _info(self) -> "ConsumerInfo | None":
        from nats.js.errors import NotFoundError

        try:
            return await self._link.stream.consumer_info(self._stream, self._name)
        except NotFoundError:
            return None

    async def _waiting(self) -> int:
        info = await self._info()
        if info is None:
            return (await self._link.stream.stream_info(self._stream)).state.messages
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def _acknowledge(self) -> None:
        for one in self._read:
            await one.ack()
        await self._link.flush()


class NatsProducer:
    """A `StreamProducer` to a subject; the server drops ids it has seen within its window.

    Args:
        url, shown, credentials: As in `NatsConsumer`.

    Raises:
        ExtraMissing: The extra `nats` is not installed.
    """

    def __init__(self, url: str, subject: str, *, shown: str, credentials: str = "") -> None:
        self._link = _NatsLink(url, subject, shown=shown, credentials=credentials)
        self.topic = self._link.topic
        self._subject = subject
        self._stream: JetStreamContext | None = None

    def open(self) -> None:
        self._link.open()
        self._stream = self._link.stream

    def publish(self, messages: Sequence[Message]) -> None:
        self._link.run(self._publish(messages), 4 * _WITHIN_S)

    def check(self) -> None:
        self._link.run(self._link.flush(), 2 * _WITHIN_S)

    def close(self) -> None:
        self._stream = None
        self._link.close()

    async def _publish(self, messages: Sequence[Message]) -> None:
        from nats.errors import MaxPayloadError
        from nats.js.errors import APIError

        assert self._stream is not None  # it is open
        publish = self._stream.publish_async  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        answers: list[asyncio.Future[PubAck]] = []
        for one in messages:
            try:
                answers.append(await publish(self._subject, one.body, headers=_headers(one)))
            except MaxPayloadError as error:
                await asyncio.gather(*answers, return_exceptions=True)
                raise MessageRefused(self.topic, one.id, str(error)) from error
        results = await asyncio.gather(*answers, return_exceptions=True)
        for one, result in zip(messages, results, strict=True):
            if isinstance(result, APIError) and result.err_code == _TOO_LARGE:
                raise MessageRefused(self.topic, one.id, str(result.description)) from result
            if isinstance(result, BaseException):
                raise result


def _headers(message: Message) -> dict[str, str]:
    """Write what a message is; percent-encoded, since a header is one line."""
    named = ((_ID, message.id), (_KEY, message.key), (_KIND, message.kind))
    return {name: quote(value) for name, value in named if value}


def _message(received: "Msg") -> Message:
    headers = received.headers or {}
    return Message(
        received.data,
        unquote(headers.get(_KEY, "")),
        unquote(headers.get(_ID, "")),
        unquote(headers.get(_KIND, EVENT)),
        received.metadata.sequence.stream,
    )


async def _ignore(error: Exception) -> None:
    """Say nothing: what breaks is seen where it is used."""
