"""Faults while streams flow: every event once in the journal, each published, none twice by its id.

The process is killed at random points, connections to the broker are cut, the broker itself is
killed and started again; messages come twice, and some are none. Order per key is held to.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from kingpost.contracts import Contract, Event, decode_batch
from kingpost.core import SystemDisk
from kingpost.decisions import load_application
from kingpost.integrations import quarantined
from kingpost.journal import scan
from tests.cli_app import PreparedShop
from tests.cut_proxy import Proxy
from tests.own_brokers import own_nats
from tests.served_shop import order, until
from tests.topics import Topic, make_subject

MESSAGES = 6_000
HISTORY = 3_000
TWICE = 0.05
BAD_EVERY = 1_500
AT_ONCE = 250
GIVEN_UP_AFTER_S = 120

Fault = Callable[[], None]


class Carried:
    """A process that carries the streams, which is killed and started again."""

    def __init__(self, directory: Path, *command: str) -> None:
        self._directory, self._command = directory, command
        self._process = self._start()

    def kill(self) -> None:
        self.end(signal.SIGKILL)
        self._process = self._start()

    def end(self, how: signal.Signals) -> int:
        with self._process:
            self._process.send_signal(how)
        return self._process.returncode

    def _start(self) -> "subprocess.Popen[bytes]":
        data = ("--data-dir", str(self._directory / "data"))
        with (self._directory / "carried.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "kingpost.cli", *data, *self._command],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )


def published(url: str, subject: str, bodies: Sequence[bytes]) -> None:
    """Publish messages without ids, in order; what is not confirmed is published again."""

    async def publish(part: Sequence[bytes]) -> None:
        client = Client()
        try:
            await client.connect(  # pyright: ignore[reportUnknownMemberType]
                url, allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0
            )
            stream = client.jetstream()  # pyright: ignore[reportUnknownMemberType]
            await asyncio.gather(*(stream.publish(subject, body) for body in part))
        finally:
            await client.close()

    for start in range(0, len(bodies), AT_ONCE):
        end = time.monotonic() + GIVEN_UP_AFTER_S
        while True:
            try:
                asyncio.run(asyncio.wait_for(publish(bodies[start : start + AT_ONCE]), 10))
                break
            except (NatsError, OSError, TimeoutError):
                assert time.monotonic() < end, "the broker takes nothing"
                time.sleep(0.2)


def bodies_of(chance: random.Random) -> list[bytes]:
    """Return orders in their order, some of them twice, and now and then one that is none."""
    bodies: list[bytes] = []
    for number in range(MESSAGES):
        bodies.append(order(f"s-{number}", number))
        if chance.random() < TWICE:
            bodies.append(order(f"s-{chance.randrange(number + 1)}", number))
        if number % BAD_EVERY == 0:
            bodies.append(b'{"id":"bad-%d"}' % number)
    return bodies


def held(directory: Path, contract: Contract[Event]) -> Iterator[tuple[str, str]]:
    """Yield the id and the customer of every order in the journal that a stream brought."""
    for commit in scan(directory / "data" / "journal" / "data", disk=SystemDisk()):
        for entry in commit.entries:
            if entry.topic != contract.name:
                continue
            if entry.kind == "events":
                batch = decode_batch(entry.body, contract)
                pairs = list(
                    zip(
                        map(str, batch.values("id")),
                        map(str, batch.values("customer")),
                        strict=True,
                    )
                )
            elif entry.kind == "event":
                pairs = [named(entry.body)]
            else:
                continue
            yield from (pair for pair in pairs if pair[0][:2] == "s-")


def named(body: bytes) -> tuple[str, str]:
    """Return the id and the customer of an order."""
    found = msgspec.json.decode(body, type=dict[str, object])
    return str(found["id"]), str(found["customer"])


def is_held(directory: Path, contract: Contract[Event], body: bytes) -> bool:
    """Say whether an order is in the journal, or in quarantine."""
    text = body.decode()
    return any(f'"{identifier}"' in text for identifier, _ in held(directory, contract)) or any(
        row.raw == text
        for row in quarantined(directory / "data" / "journal" / "data", disk=SystemDisk())
    )


def by_customer(pairs: Sequence[tuple[str, str]]) -> dict[str, list[int]]:
    grouped: dict[str, list[int]] = {}
    for identifier, customer in pairs:
        grouped.setdefault(customer, []).append(int(identifier[2:]))
    return grouped


def run_through(
    directory: Path,
    url: str,
    subject: str,
    command: Sequence[str],
    faults: Callable[[Carried], Sequence[Fault]],
) -> None:
    """Publish around faults, and hold what the journal and the other topic have of it.

    Args:
        url: The broker, by the way that is never cut.
    """
    contract = load_application(directory / "shop_app.py").streams["order"]
    chance = random.Random(23)
    bodies = bodies_of(chance)
    carried = Carried(directory, *command)
    try:
        chosen = faults(carried)
        each = len(bodies) // len(chosen) + 1
        for number, fault in enumerate(chosen):
            first, *rest = bodies[number * each : (number + 1) * each]
            published(url, subject, [first])
            until(partial(is_held, directory, contract, first), "it flows")
            publishing = threading.Thread(target=published, args=(url, subject, rest))
            publishing.start()
            time.sleep(chance.uniform(0.05, 0.8))
            fault()
            publishing.join()
        until(lambda: len(list(held(directory, contract))) >= MESSAGES, "all events are held")
        relayed = all_relayed(url, subject, HISTORY + MESSAGES)
    finally:
        code = carried.end(signal.SIGTERM)

    assert code == 0
    pairs = list(held(directory, contract))
    assert len(pairs) == len(set(pairs)) == MESSAGES
    assert by_customer(pairs) == {
        customer: sorted(numbers) for customer, numbers in by_customer(pairs).items()
    }
    bad = [
        row.raw for row in quarantined(directory / "data" / "journal" / "data", disk=SystemDisk())
    ]
    assert bad == [f'{{"id":"bad-{number}"}}' for number in range(0, MESSAGES, BAD_EVERY)]
    outside = list(map(named, relayed))
    assert [pair for pair in outside if pair[0][:2] == "s-"] == pairs
    assert len(set(outside)) == len(outside) == HISTORY + MESSAGES


def all_relayed(url: str, subject: str, number: int) -> Sequence[bytes]:
    """Read what was published, each id once, until so many were."""
    found: dict[str, bytes] = {}
    with closing(Topic(f"{url}/{subject}-out").consumer()) as consumer:
        consumer.open()
        end = time.monotonic() + GIVEN_UP_AFTER_S
        while len(found) < number or consumer.waiting():
            assert time.monotonic() < end, f"{len(found)} of {number} were published"
            for one in consumer.read(1000, 0.5):
                found.setdefault(one.id, one.body)
            consumer.acknowledge()
    return list(found.values())


def configure(monkeypatch: pytest.MonkeyPatch, url: str, subject: str) -> None:
    monkeypatch.setenv("KINGPOST_STREAMS_IN", f"order={url}/{subject}")
    monkeypatch.setenv("KINGPOST_STREAMS_OUT", f"order={url}/{subject}-out?key=customer")


@pytest.mark.needs_service("nats")
def test_a_server_that_is_killed_and_cut_off_takes_every_event_once_and_publishes_each(
    prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_shop.copied(tmp_path)
    subject, url = f"kingpost-test-{os.urandom(8).hex()}", "nats://127.0.0.1:4222"
    make_subject(url, subject)
    make_subject(url, f"{subject}-out")
    proxy = Proxy(4222)
    configure(monkeypatch, f"nats://127.0.0.1:{proxy.port}", subject)

    def faults(server: Carried) -> Sequence[Fault]:
        def cut() -> None:
            proxy.cut()
            time.sleep(0.2)
            proxy.mend()

        return [server.kill, cut, server.kill, cut]

    try:
        run_through(
            tmp_path, url, subject, ("run", "shop_app.py", "--port", "0", "--no-watch"), faults
        )
    finally:
        proxy.close()


def test_events_come_once_while_the_broker_is_killed_and_started_again(
    prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_shop.copied(tmp_path)
    (tmp_path / "broker").mkdir()
    broker = own_nats(tmp_path / "broker")
    subject = "kingpost-test"
    make_subject(broker.url, subject)
    make_subject(broker.url, f"{subject}-out")
    configure(monkeypatch, broker.url, subject)

    def faults(follower: Carried) -> Sequence[Fault]:
        def again() -> None:
            broker.kill()
            time.sleep(0.3)
            broker.restart()

        return [again, follower.kill, again, follower.kill]

    try:
        run_through(tmp_path, broker.url, subject, ("streams", "follow", "shop_app.py"), faults)
    finally:
        broker.kill()
