"""Topics in a directory, on NATS and on librdkafka's mock cluster, for contract tests."""

import asyncio
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from nats.aio.client import Client
from nats.js.api import StreamConfig

from kingpost.core import SystemClock, SystemDisk
from kingpost.integrations import (
    Address,
    Message,
    StreamConsumer,
    StreamProducer,
    open_consumer,
    open_producer,
)

__all__ = ["NATS_URL", "TOPICS", "Topic", "make_subject", "opened_topic", "read_all"]

NATS_URL = "nats://127.0.0.1:4222"
TOPICS = [
    "file",
    pytest.param("nats", marks=pytest.mark.needs_service("nats")),
    "kafka",
]


class Topic:
    """A topic of a test's own.

    Attributes:
        url: As a setting names it.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def consumer(self, name: str = "kingpost") -> StreamConsumer:
        """Return what reads it."""
        joint = "&" if "?" in self.url else "?"
        address = Address("streams_in", "orders", f"{self.url}{joint}consumer={name}")
        return open_consumer(address, disk=SystemDisk())

    def producer(self) -> StreamProducer:
        """Return what writes it."""
        address = Address("streams_out", "orders", self.url)
        return open_producer(address, disk=SystemDisk(), clock=SystemClock())


@contextmanager
def opened_topic(kind: str, directory: Path) -> Generator[Topic]:
    """Make a topic of a kind."""
    name = f"kingpost-test-{uuid.uuid4().hex}"
    match kind:
        case "file":
            yield Topic(f"file:{directory / 'topic'}")
        case "nats":
            make_subject(NATS_URL, name)
            yield Topic(f"{NATS_URL}/{name}")
        case _:
            # the cluster lives as long as what made it
            cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1"})
            (broker,) = cluster.list_topics(timeout=10).brokers.values()
            yield Topic(f"kafka://{broker.host}:{broker.port}/{name}")


def make_subject(url: str, subject: str, *messages: bytes) -> None:
    """Make a stream of JetStream for a subject, and publish messages without ids."""

    async def make() -> None:
        client = Client()
        await client.connect(url)  # pyright: ignore[reportUnknownMemberType]
        stream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
        await stream.add_stream(  # pyright: ignore[reportUnknownMemberType]
            StreamConfig(name=subject, subjects=[subject])
        )
        for body in messages:
            await stream.publish(subject, body)
        await client.close()

    asyncio.run(make())


def read_all(consumer: StreamConsumer, number: int, *, reads: int = 200) -> Sequence[Message]:
    """Read so many messages, without acknowledging them."""
    found: list[Message] = []
    for _ in range(reads):
        found += consumer.read(number - len(found), 0.5)
        if len(found) >= number:
            break
    return found
