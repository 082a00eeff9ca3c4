"""Queues wake workers: what is announced is heard, by one; a broker that is away is a pause."""

import asyncio
import gc
import time
import uuid
import warnings
from collections.abc import Callable, Generator

import pytest
from confluent_kafka import Producer

from kingpost.jobs import BrokerLink, BrokerQueue, JobQueue, KafkaLink, LocalQueue, open_job_queue
from kingpost.jobs.queue_rabbitmq import RabbitMqLink
from tests.cut_proxy import Proxy

HEARD_S = 8.0
MOCK = {"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1"}


def address(kind: str) -> str:
    name = f"kingpost-test-{uuid.uuid4().hex}"
    where = {
        "nats": "nats://127.0.0.1:4222",
        "rabbitmq": "amqp://guest:guest@127.0.0.1:5672/",
    }[kind]
    return f"{where}?name={name}"


BROKERS = [
    pytest.param("nats", marks=pytest.mark.needs_service("nats")),
    pytest.param("rabbitmq", marks=pytest.mark.needs_service("rabbitmq")),
]


def until(is_so: Callable[[], bool], within_s: float = HEARD_S) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.02)
    return False


def opened(url: str) -> BrokerQueue:
    queue = open_job_queue(url)
    assert isinstance(queue, BrokerQueue)
    assert until(lambda: queue.is_open)
    return queue


def waited(queue: JobQueue, timeout_s: float) -> float:
    begun = time.monotonic()
    queue.wait(timeout_s)
    return time.monotonic() - begun


@pytest.mark.parametrize("kind", BROKERS)
def test_what_one_process_announces_another_hears_once(kind: str) -> None:
    url = address(kind)
    server, worker, other = opened(url), opened(url), opened(url)
    try:
        assert waited(worker, 0.3) >= 0.25
        server.announce()
        assert waited(worker, HEARD_S) < HEARD_S - 1
        assert waited(other, 0.5) >= 0.4
    finally:
        for queue in (server, worker, other):
            queue.close()


@pytest.mark.parametrize("kind", BROKERS)
def test_announcements_wait_for_workers_that_are_not_there_yet(kind: str) -> None:
    url = address(kind)
    server = opened(url)
    for _ in range(3):
        server.announce()
    time.sleep(0.5)
    server.close()
    worker = opened(url)
    try:
        assert waited(worker, HEARD_S) < HEARD_S - 1
    finally:
        worker.close()


@pytest.fixture
def proxied(request: pytest.FixtureRequest) -> Generator[tuple[Proxy, str]]:
    kind: str = request.param
    url = address(kind)
    port = 4222 if kind == "nats" else 5672
    proxy = Proxy(port)
    yield proxy, url.replace(f":{port}", f":{proxy.port}")
    proxy.close()


@pytest.mark.parametrize("proxied", BROKERS, indirect=True)
def test_a_connection_that_is_cut_is_made_again_and_nothing_announced_is_lost(
    proxied: tuple[Proxy, str],
) -> None:
    proxy, url = proxied
    queue = opened(url)
    try:
        proxy.cut()
        begun = time.monotonic()
        queue.announce()
        assert time.monotonic() - begun < 0.1, "to announce never waits"
        assert waited(queue, 0.3) >= 0.2
        assert until(lambda: not queue.is_open)
        proxy.mend()
        assert until(lambda: queue.is_open, 15)
        assert waited(queue, HEARD_S) < HEARD_S - 1, "it is announced once the broker is back"
    finally:
        queue.close()


def test_a_broker_that_never_answers_keeps_nobody_waiting() -> None:
    queue = open_job_queue("nats://127.0.0.1:1")
    queue.announce()
    assert 0.15 < waited(queue, 0.2) < 2
    queue.close()
    queue.announce()
    assert waited(queue, 5) < 1


class Mocked:
    """Librdkafka's mock cluster, which lives as long as what made it."""

    def __init__(self) -> None:
        self._producer = Producer({**MOCK})
        (broker,) = self._producer.list_topics(timeout=10).brokers.values()
        self.servers = f"{broker.host}:{broker.port}"


def test_kafka_tells_a_consumer_group_by_its_client() -> None:
    cluster = Mocked()
    link: BrokerLink = KafkaLink(cluster.servers, "jobs", {"group.id": "workers"})
    queue = BrokerQueue(link, name="kafka")
    try:
        assert until(lambda: queue.is_open)
        queue.announce()
        assert waited(queue, 20) < 19
    finally:
        queue.close()


def test_a_local_queue_wakes_its_own_process() -> None:
    queue = LocalQueue()
    queue.announce()
    assert waited(queue, 5) < 1
    assert waited(queue, 0.1) >= 0.09
    queue.close()
    assert waited(queue, 5) < 1


async def _hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _never_connected() -> None:
    server = await asyncio.start_server(_hangs_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    link = RabbitMqLink(f"amqp://guest:guest@127.0.0.1:{port}/", "unused")
    with pytest.raises(ConnectionError) as failure:
        await link.open()
    await link.close()
    in_a_cycle: list[object] = [failure.value]  # as errors of clients are: of their frames
    in_a_cycle.append(in_a_cycle)
    del failure, in_a_cycle
    server.close()
    await server.wait_closed()
    await asyncio.to_thread(gc.collect)


def test_a_connection_that_never_came_about_leaves_nothing_to_the_collector() -> None:
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        asyncio.run(_never_connected())

    assert [str(one.message) for one in left] == []
