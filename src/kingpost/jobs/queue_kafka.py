"""Announcements on a topic of Kafka; its workers are one consumer group."""

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kingpost.core import ExtraMissing

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

__all__ = ["KafkaLink"]

_AT_ONCE = 64
_GROUP = "kingpost-job-workers"
_SLICE_S = 0.2
_PUBLISH_S = 4.0
_SESSION_MS = 6_000


class KafkaLink:
    """A `BrokerLink` to a topic, which the brokers make or an operator made.

    Args:
        servers: As `host:9092,other:9092`.
        name: Of the topic.
        options: Of librdkafka, beside those that are set here.

    Raises:
        ExtraMissing: The extra `kafka` is not installed.
    """

    def __init__(
        self, servers: str, name: str, options: Mapping[str, str | int] | None = None
    ) -> None:
        if find_spec("confluent_kafka") is None:
            raise ExtraMissing("confluent-kafka", "kafka")
        self._options: dict[str, str | int] = {"bootstrap.servers": servers, **(options or {})}
        self._name = name
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None
        self._failures: list[str] = []

    async def open(self) -> None:
        from confluent_kafka import Producer

        self._failures.clear()
        self._producer = Producer({**self._options, "acks": "all"})
        await asyncio.to_thread(self._producer.list_topics, self._name, 3.0)

    async def publish(self, number: int) -> None:
        producer = self._producer
        assert producer is not None  # it is open
        for _ in range(number):
            producer.produce(self._name, b"", on_delivery=self._delivered)
        left = await asyncio.to_thread(producer.flush, _PUBLISH_S)
        if left or self._failures:
            raise ConnectionError(self._failures[0] if self._failures else "Kafka does not answer")

    async def hear(self, timeout_s: float) -> None:
        if self._consumer is None:  # a server only publishes
            from confluent_kafka import Consumer

            self._consumer = Consumer(
                {
                    **self._options,
                    "group.id": _GROUP,
                    "auto.offset.reset": "earliest",
                    "session.timeout.ms": _SESSION_MS,
                }
            )
            self._consumer.subscribe([self._name])
        end = asyncio.get_running_loop().time() + timeout_s
        while (left_s := end - asyncio.get_running_loop().time()) > 0:
            found = await asyncio.to_thread(self._consumer.consume, _AT_ONCE, min(left_s, _SLICE_S))
            if any(message.error() is None for message in found):
                return

    async def close(self) -> None:
        consumer, self._consumer, self._producer = self._consumer, None, None
        if consumer is not None:
            await asyncio.to_thread(consumer.close)

    def _delivered(self, error: object, message: object) -> None:
        if error is not None:
            self._failures.append(str(error))
