"""Topics on Kafka: a consumer group whose offsets are committed by hand, and an idempotent producer.

The rule: offsets are committed, and the commit confirmed, only for what was acknowledged. Order
holds within a partition of the topic, so it holds for a key, which lies in one.
"""

import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from kingpost.core import ExtraMissing
from kingpost.integrations.streams.broker import EVENT, Message
from kingpost.integrations.streams.errors import (
    BrokerAway,
    BrokerOptionUnfit,
    MessageRefused,
    TopicNotFound,
)

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka import Message as Received

__all__ = ["KafkaConsumer", "KafkaProducer"]

_WITHIN_S = 10.0
_CONNECT_S = 4.0
_GATHERED_S = 0.02
_SESSION_MS = 10_000
_SILENT = 0
"""What librdkafka would write beside the log is told by errors."""
_KIND, _ID = "kingpost-kind", "kingpost-id"

Options = Mapping[str, str]


class KafkaConsumer:
    """A `StreamConsumer` over a consumer group.

    Args:
        servers: As `host:9092,other:9092`.
        group: The name of the group.
        options: Of librdkafka, beside those that are set here.

    Raises:
        ExtraMissing: The extra `kafka` is not installed.
    """

    def __init__(
        self, servers: str, topic: str, group: str, *, options: Options | None = None
    ) -> None:
        _check_installed()
        self.topic = f"kafka://{servers}/{topic}"
        self._name = topic
        self._options: dict[str, str | int | bool] = {
            "log_level": _SILENT,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": _SESSION_MS,
            **(options or {}),
            "bootstrap.servers": servers,
            "group.id": group,
            "enable.auto.commit": False,
        }
        self._consumer: Consumer | None = None
        self._is_subscribed = False
        self._read: dict[int, int] = {}

    def open(self) -> None:
        from confluent_kafka import Consumer, KafkaException

        self.close()
        try:
            self._consumer = Consumer(self._options)
        except KafkaException as error:
            raise BrokerOptionUnfit(self.topic, _reason(error)) from error
        try:
            _check_topic(self._consumer, self.topic, self._name)
        except KafkaException as error:
            raise BrokerAway(self.topic, _reason(error)) from error

    def read(self, most: int, wait_s: float) -> Sequence[Message]:
        from confluent_kafka import KafkaException

        assert self._consumer is not None  # it is open
        if not self._is_subscribed:
            self._consumer.subscribe([self._name])
            self._is_subscribed = True
        try:
            found = self._consumer.consume(1, wait_s)
            if found and most > 1:
                found += self._consumer.consume(most - 1, _GATHERED_S)
        except KafkaException as error:
            raise BrokerAway(self.topic, _reason(error)) from error
        for one in found:
            if (problem := one.error()) is not None:
                raise BrokerAway(self.topic, problem.str())
        for one in found:
            self._read[_number(one.partition())] = _number(one.offset()) + 1
        return [_message(one) for one in found]

    def acknowledge(self) -> None:
        from confluent_kafka import KafkaException, TopicPartition

        assert self._consumer is not None  # it is open
        offsets = [TopicPartition(self._name, at, next_) for at, next_ in self._read.items()]
        if not offsets:
            return
        try:
            committed = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise BrokerAway(self.topic, _reason(error)) from error
        for one in committed or ():
            if one.error is not None:
                raise BrokerAway(self.topic, one.error.str())
        self._read.clear()

    def waiting(self) -> int:
        from confluent_kafka import KafkaException, TopicPartition

        consumer = self._consumer
        assert consumer is not None  # it is open
        try:
            numbers = _check_topic(consumer, self.topic, self._name)
            parts = [TopicPartition(self._name, number) for number in numbers]
            waiting = 0
            for one in consumer.committed(parts, _WITHIN_S):
                low, high = consumer.get_watermark_offsets(one, _WITHIN_S)
                waiting += high - max(low, one.offset)
        except KafkaException as error:
            raise BrokerAway(self.topic, _reason(error)) from error
        return waiting

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._is_subscribed = False
        self._read.clear()
        if consumer is not None:
            consumer.close()


class KafkaProducer:
    """A `StreamProducer` that is idempotent; after it was opened again an id may come twice.

    Args:
        servers, options: As in `KafkaConsumer`.

    Raises:
        ExtraMissing: The extra `kafka` is not installed.
    """

    def __init__(self, servers: str, topic: str, *, options: Options | None = None) -> None:
        _check_installed()
        self.topic = f"kafka://{servers}/{topic}"
        self._name = topic
        self._options: dict[str, str | int | bool] = {
            "log_level": _SILENT,
            "linger.ms": 5,
            **(options or {}),
            "bootstrap.servers": servers,
            "enable.idempotence": True,
            "acks": "all",
        }
        self._producer: Producer | None = None
        self._failures: list[KafkaError] = []

    def open(self) -> None:
        from confluent_kafka import KafkaException, Producer

        self.close()
        try:
            self._producer = Producer(self._options)
        except KafkaException as error:
            raise BrokerOptionUnfit(self.topic, _reason(error)) from error
        try:
            _check_topic(self._producer, self.topic, self._name)
        except KafkaException as error:
            raise BrokerAway(self.topic, _reason(error)) from error

    def publish(self, messages: Sequence[Message]) -> None:
        from confluent_kafka import KafkaError

        producer = self._producer
        assert producer is not None  # it is open
        self._failures.clear()
        for one in messages:
            self._send(producer, one)
        left = producer.flush(_WITHIN_S)
        for failure in self._failures:
            if failure.code() == KafkaError.MSG_SIZE_TOO_LARGE and not left:
                raise MessageRefused(self.topic, messages[0].id, failure.str())
            raise BrokerAway(self.topic, failure.str())
        if left:
            raise BrokerAway(self.topic, "it does not answer")

    def check(self) -> None:
        assert self._producer is not None  # it is open
        self._producer.poll(0)

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(_WITHIN_S)

    def _send(self, producer: "Producer", message: Message) -> None:
        from confluent_kafka import KafkaError, KafkaException

        headers: dict[str, str | bytes | None] = {_ID: message.id, _KIND: message.kind}
        end = time.monotonic() + _WITHIN_S
        while True:
            try:
                producer.produce(
                    self._name, message.body, message.key.encode() or None,
                    headers=headers, on_delivery=self._delivered,
                )  # fmt: skip
            except BufferError:
                producer.poll(_GATHERED_S)
                if time.monotonic() > end:
                    raise BrokerAway(self.topic, "it takes nothing") from None
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise BrokerAway(self.topic, _reason(error)) from error
                producer.flush(_WITHIN_S)
                raise MessageRefused(self.topic, message.id, _reason(error)) from error
            else:
                return

    def _delivered(self, error: "KafkaError | None", message: object) -> None:
        if error is not None:
            self._failures.append(error)


def _check_installed() -> None:
    if find_spec("confluent_kafka") is None:
        raise ExtraMissing("confluent-kafka", "kafka")


def _check_topic(client: "Consumer | Producer", shown: str, name: str) -> Sequence[int]:
    """Return the partitions of a topic."""
    found = client.list_topics(name, _CONNECT_S).topics[name]
    if found.error is not None:
        broker = shown.rpartition("/")[0]
        raise TopicNotFound(broker, name, f"make the topic ({found.error.str()})")
    return sorted(found.partitions)


def _message(received: "Received") -> Message:
    headers = dict[str, str | bytes | None](received.headers() or ())
    return Message(
        received.value() or b"",
        _text(received.key()),
        _text(headers.get(_ID)),
        _text(headers.get(_KIND)) or EVENT,
        _number(received.offset()),
    )


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _number(value: int | None) -> int:
    assert value is not None  # it was read
    return value


def _reason(error: Exception) -> str:
    cause = error.args[0] if error.args else None
    text = getattr(cause, "str", None)
    return str(text()) if callable(text) else str(error)
