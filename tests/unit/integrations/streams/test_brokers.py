"""Brokers, all alike: in order, nothing lost that was not acknowledged, nothing lost that was told."""

import uuid
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kingpost.integrations import (
    BrokerAway,
    BrokerOptionUnfit,
    Message,
    MessageRefused,
    TopicNotFound,
)
from tests.cut_proxy import Proxy
from tests.topics import NATS_URL, TOPICS, Topic, make_subject, opened_topic, read_all


@pytest.fixture(params=TOPICS)
def topic(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Topic]:
    with opened_topic(request.param, tmp_path) as topic:
        yield topic


def messages(first: int, last: int) -> list[Message]:
    return [
        Message(f'{{"n":{n}}}'.encode(), f"customer {n % 3}", f"shop/orders/{n}/1", "event")
        for n in range(first, last)
    ]


def publish(topic: Topic, *groups: list[Message]) -> None:
    with closing(topic.producer()) as producer:
        producer.open()
        for group in groups:
            producer.publish(group)


def by_key(found: Sequence[Message]) -> dict[str, list[Message]]:
    """Return messages as they came, those of one key apart from those of others."""
    grouped: dict[str, list[Message]] = {}
    for one in found:
        grouped.setdefault(one.key, []).append(one._replace(position=0))
    return grouped


def test_what_was_published_is_read_whole_and_in_the_order_of_each_key(topic: Topic) -> None:
    publish(topic, messages(0, 40), messages(40, 100))

    with closing(topic.consumer()) as consumer:
        consumer.open()
        assert by_key(read_all(consumer, 100)) == by_key(messages(0, 100))


@pytest.mark.parametrize("kind", TOPICS[:2])
def test_a_topic_that_is_one_has_one_order(kind: str, tmp_path: Path) -> None:
    with opened_topic(kind, tmp_path) as topic:
        publish(topic, messages(0, 100))
        with closing(topic.consumer()) as consumer:
            consumer.open()
            found = read_all(consumer, 100)
    assert [one.id for one in found] == [one.id for one in messages(0, 100)]
    assert [one.position for one in found] == sorted({one.position for one in found})


def test_what_was_not_acknowledged_comes_again_to_the_next_who_opens_and_in_order(
    topic: Topic,
) -> None:
    publish(topic, messages(0, 100))
    with closing(topic.consumer()) as consumer:
        consumer.open()
        found = [*read_all(consumer, 30)]
        consumer.acknowledge()
        read_all(consumer, 20)

    with closing(topic.consumer()) as consumer:
        consumer.open()
        assert consumer.waiting() == 70
        found += read_all(consumer, 70)
        assert by_key(found) == by_key(messages(0, 100))
        consumer.acknowledge()
        assert consumer.waiting() == 0
        assert not consumer.read(10, 0.1)


def test_each_consumer_has_a_place_of_its_own(topic: Topic) -> None:
    publish(topic, messages(0, 10))
    for name in ("first", "second"):
        with closing(topic.consumer(name)) as consumer:
            consumer.open()
            assert len(read_all(consumer, 10)) == 10
            consumer.acknowledge()


def test_what_comes_later_is_read_later(topic: Topic) -> None:
    publish(topic, messages(0, 5))
    with closing(topic.consumer()) as consumer:
        consumer.open()
        read_all(consumer, 5)
        consumer.acknowledge()
        publish(topic, messages(5, 8))
        assert by_key(read_all(consumer, 3)) == by_key(messages(5, 8))


def test_a_key_and_an_id_may_hold_any_text(topic: Topic) -> None:
    odd = Message(b"{}", "a b\r\nNats-Msg-Id: x\tü/%", "shöp/o:rders/1/1", "record")
    publish(topic, [odd])
    with closing(topic.consumer()) as consumer:
        consumer.open()
        assert by_key(read_all(consumer, 1)) == by_key([odd])


@pytest.mark.parametrize("kind", TOPICS[:2])
def test_what_is_published_again_under_its_id_is_kept_once(kind: str, tmp_path: Path) -> None:
    with opened_topic(kind, tmp_path) as topic:
        publish(topic, messages(0, 10))
        publish(topic, messages(0, 25))
        with closing(topic.consumer()) as consumer:
            consumer.open()
            assert consumer.waiting() == 25
            assert by_key(read_all(consumer, 25)) == by_key(messages(0, 25))


@pytest.mark.needs_service("nats")
def test_a_subject_that_no_stream_keeps_says_what_to_do() -> None:
    consumer = Topic(f"{NATS_URL}/kingpost-test-nothing").consumer()
    with pytest.raises(TopicNotFound, match="make a stream of JetStream that has the subject"):
        consumer.open()


@pytest.mark.parametrize(
    "signed_in",
    [
        "nats://ann:secret@127.0.0.1:1/orders",
        "kafka://127.0.0.1:1/orders?sasl.username=ann&sasl.password=secret",
    ],
)
def test_a_broker_that_is_not_there_is_away_without_its_password(signed_in: str) -> None:
    for client in (Topic(signed_in).consumer(), Topic(signed_in).producer()):
        with pytest.raises(BrokerAway) as told:
            client.open()
        assert told.value.retry_safe
        assert "secret" not in str(told.value)
        client.close()


@pytest.mark.parametrize("kind", TOPICS[1:])
def test_what_is_too_large_is_refused_and_what_follows_is_taken(kind: str, tmp_path: Path) -> None:
    large = Message(bytes(2_000_000), "customer", "shop/orders/large/1")
    with opened_topic(kind, tmp_path) as topic:
        with closing(topic.producer()) as producer:
            producer.open()
            producer.publish(messages(0, 2))
            with pytest.raises(MessageRefused, match="shop/orders/large/1"):
                producer.publish([large])
            producer.publish(messages(2, 4))
        with closing(topic.consumer()) as consumer:
            consumer.open()
            assert by_key(read_all(consumer, 4)) == by_key(messages(0, 4))


def test_an_option_that_the_client_has_not_is_named() -> None:
    with pytest.raises(BrokerOptionUnfit, match="no.such.option"):
        Topic("kafka://127.0.0.1:1/orders?no.such.option=1").producer().open()


@pytest.mark.needs_service("nats")
def test_a_broker_that_goes_away_in_the_midst_is_told_at_once_and_reached_again() -> None:
    name = f"kingpost-test-{uuid.uuid4().hex}"
    make_subject(NATS_URL, name, b"0")
    proxy = Proxy(4222)
    topic = Topic(f"nats://127.0.0.1:{proxy.port}/{name}")
    with closing(topic.producer()) as producer, closing(topic.consumer()) as consumer:
        producer.open()
        consumer.open()
        assert [one.body for one in read_all(consumer, 1)] == [b"0"]
        producer.check()
        proxy.cut()
        with pytest.raises(BrokerAway):
            producer.publish(messages(0, 10))
        with pytest.raises(BrokerAway):
            consumer.acknowledge()
        proxy.mend()
        producer.open()
        proxy.cut()
        with pytest.raises(BrokerAway):
            producer.check()
        proxy.mend()
        producer.open()
        producer.publish(messages(0, 10))
        consumer.open()
        found = read_all(consumer, 11)
    proxy.close()
    assert found[0].body == b"0"
    assert by_key(found[1:]) == by_key(messages(0, 10))


@pytest.mark.needs_service("nats")
def test_a_reader_whose_consumer_somebody_else_reads_goes_no_further() -> None:
    name = f"kingpost-test-{uuid.uuid4().hex}"
    make_subject(NATS_URL, name, *(b"%d" % n for n in range(6)))
    topic = Topic(f"{NATS_URL}/{name}")
    with closing(topic.consumer()) as first, closing(topic.consumer()) as second:
        first.open()
        assert [one.body for one in first.read(2, 0.5)] == [b"0", b"1"]
        second.open()
        assert [one.body for one in read_all(second, 4)] == [b"0", b"1", b"2", b"3"]
        with pytest.raises(BrokerAway, match="somebody else was handed"):
            first.read(2, 0.5)
