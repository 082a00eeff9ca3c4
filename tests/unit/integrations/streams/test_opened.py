"""Addresses of topics, as settings name them."""

from pathlib import Path

import pytest

from kingpost.integrations import Address, StreamAddressUnfit, open_consumer, open_producer
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock


def test_an_address_names_a_broker_a_topic_and_who_reads_it() -> None:
    one = Address("streams_in", "order", "tls://ann:secret@host:4222/shop.orders?consumer=mine")

    assert (one.scheme, one.url, one.topic) == (
        "tls",
        "tls://ann:secret@host:4222",
        "shop.orders",
    )
    assert (one.servers, one.consumer) == ("host:4222", "mine")
    assert Address("streams_in", "order", "nats://host/orders").consumer == "kingpost-order"
    assert Address("streams_out", "order", "nats://host/orders?key=customer").key == "customer"


def test_several_brokers_of_kafka_and_their_options_are_kept() -> None:
    one = Address("streams_in", "order", "kafka://a:9092,b:9092/orders?security.protocol=SSL")

    assert (one.servers, one.topic) == ("a:9092,b:9092", "orders")
    assert one.options == {"security.protocol": "SSL"}


def test_a_directory_may_be_relative_or_not() -> None:
    assert Address("streams_in", "order", "file:topics/or%20ders").directory == Path(
        "topics/or ders"
    )
    assert Address("streams_in", "order", "file:///srv/topics").directory == Path("/srv/topics")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nats://ann:secret@host:4222", "expected nats://"),
        ("nats:///secret", "expected nats://"),
        ("http://ann:secret@host/orders", "expected nats://"),
        ("nats://[secret/orders", "expected nats://"),
        ("file:", "expected nats://"),
        ("nats://ann:secret@host/orders?retries=secret", "'retries' is unknown"),
        ("nats://host/orders?consumer=a.secret", "a consumer is a word"),
        ("nats://host/orders?consumer=", "a consumer is a word"),
        ("kafka://ann:secret@host:9092/orders", "sasl.username"),
    ],
)
def test_what_is_no_address_says_what_was_expected_and_no_password(url: str, expected: str) -> None:
    with pytest.raises(StreamAddressUnfit) as told:
        Address("streams_in", "order", url)

    assert expected in str(told.value)
    assert "streams_in: order: " in str(told.value)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("scheme", ["nats", "tls"])
def test_what_reads_and_what_writes_a_topic_name_it_without_a_password(scheme: str) -> None:
    address = Address("streams_in", "order", f"{scheme}://ann:secret@host:4222/orders")

    for client in (
        open_consumer(address, disk=SimulatedDisk()),
        open_producer(address, disk=SimulatedDisk(), clock=StoppedClock()),
    ):
        assert client.topic == f"{scheme}://host:4222/orders"


def test_options_of_kafka_are_not_shown_with_its_topic() -> None:
    address = Address("streams_in", "order", "kafka://host:9092/orders?sasl.password=secret")

    assert open_consumer(address, disk=SimulatedDisk()).topic == "kafka://host:9092/orders"
