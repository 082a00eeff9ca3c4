"""Announcements on NATS JetStream: a work queue, each message to one worker."""

import contextlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kingpost.core import ExtraMissing

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

__all__ = ["NatsLink"]

_CONSUMER = "workers"
_AT_ONCE = 64
_CONNECT_S = 2
_MOST = 100_000


class NatsLink:
    """A `BrokerLink` to a stream that is kept on the server's disk.

    Args:
        name: Of the stream and of its subject.

    Raises:
        ExtraMissing: The extra `nats` is not installed.
    """

    def __init__(self, url: str, name: str) -> None:
        if find_spec("nats") is None:
            raise ExtraMissing("nats-py", "nats")
        self._url, self._name = url, name
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._heard: JetStreamContext.PullSubscription | None = None

    async def open(self) -> None:
        from nats.aio.client import Client
        from nats.js.api import ConsumerConfig, DiscardPolicy, RetentionPolicy, StreamConfig

        self._client = Client()  # kept, so that one that fails to connect is closed
        await self._client.connect(  # pyright: ignore[reportUnknownMemberType]  its options have no types
            self._url, allow_reconnect=False, connect_timeout=_CONNECT_S, error_cb=_ignore
        )
        self._stream = self._client.jetstream(timeout=_CONNECT_S)  # pyright: ignore[reportUnknownMemberType]
        await self._stream.add_stream(  # pyright: ignore[reportUnknownMemberType]
            StreamConfig(
                name=self._name,
                subjects=[self._name],
                retention=RetentionPolicy.WORK_QUEUE,
                discard=DiscardPolicy.OLD,
                max_msgs=_MOST,
            )
        )
        self._heard = await self._stream.pull_subscribe(
            self._name, durable=_CONSUMER, config=ConsumerConfig(max_ack_pending=_MOST)
        )

    async def publish(self, number: int) -> None:
        assert self._stream is not None  # it is open
        for _ in range(number):
            await self._stream.publish(self._name, b"")

    async def hear(self, timeout_s: float) -> None:
        from nats.errors import TimeoutError as NatsTimeout

        assert self._heard is not None  # it is open
        with contextlib.suppress(NatsTimeout, TimeoutError):
            for message in await self._heard.fetch(_AT_ONCE, timeout=timeout_s):
                await message.ack()
        if self._client is None or not self._client.is_connected:
            raise ConnectionError("the connection to NATS is closed")

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


async def _ignore(error: Exception) -> None:
    """Say nothing: what breaks is seen where it is used."""
