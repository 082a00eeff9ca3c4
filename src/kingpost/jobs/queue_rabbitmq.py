"""Announcements on RabbitMQ: a quorum queue, published with confirms."""

import asyncio
import contextlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kingpost.core import ExtraMissing

if TYPE_CHECKING:
    from aio_pika.abc import (
        AbstractChannel,
        AbstractConnection,
        AbstractIncomingMessage,
        AbstractQueue,
    )

__all__ = ["RabbitMqLink"]

_PREFETCH = 16
_CONNECT_S = 3


class RabbitMqLink:
    """A `BrokerLink` to a durable queue.

    Args:
        name: Of the queue.

    Raises:
        ExtraMissing: The extra `rabbitmq` is not installed.
    """

    def __init__(self, url: str, name: str) -> None:
        if find_spec("aio_pika") is None:
            raise ExtraMissing("aio-pika", "rabbitmq")
        self._url, self._name = url, name
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._tag = ""
        self._heard: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()

    async def open(self) -> None:
        from aio_pika import Connection
        from aio_pika.connection import make_url

        self._heard = asyncio.Queue()
        self._tag = ""
        # kept before it connects: one that never did and is not closed starts a task when it
        # is collected, on whatever thread that is
        self._connection = Connection(make_url(self._url))
        await self._connection.connect(timeout=_CONNECT_S)
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.set_qos(prefetch_count=_PREFETCH)
        await self._declared()

    async def publish(self, number: int) -> None:
        import aio_pika

        assert self._channel is not None  # it is open
        message = aio_pika.Message(b"", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        for _ in range(number):
            await self._channel.default_exchange.publish(message, self._name)

    async def hear(self, timeout_s: float) -> None:
        assert self._channel is not None  # it is open
        if not self._tag:  # a server only publishes
            queue = await self._declared()
            self._tag = await queue.consume(self._heard.put)
        with contextlib.suppress(TimeoutError):
            message = await asyncio.wait_for(self._heard.get(), timeout_s)
            await message.ack()
            while not self._heard.empty():
                await self._heard.get_nowait().ack()
        if self._channel.is_closed:
            raise ConnectionError("the connection to RabbitMQ is closed")

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            finally:
                await connection.close()  # one that broke while it closed is closed by this

    async def _declared(self) -> "AbstractQueue":
        assert self._channel is not None
        return await self._channel.declare_queue(
            self._name, durable=True, arguments={"x-queue-type": "quorum"}
        )
