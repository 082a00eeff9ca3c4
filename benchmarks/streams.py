"""Events in and records out through NATS JetStream, beside a plain nats-py loop over the same bytes.

`make bench B=streams [ARGS=20000]`; needs `nats-server` on the path. The plain loops do the
broker's part alone: fetch and acknowledge, and publish under an id and wait for the confirmations,
in groups as large as ours. Ours check each event, find those that came before, and make them
durable before they are acknowledged; they read each record from the journal, render it as the API
does, and keep how far they came. All run in this process, in turns; the median of five.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated

from nats.aio.client import Client
from nats.js.api import ConsumerConfig, StreamConfig
from nats.js.client import JetStreamContext

import kingpost as kp
from benchmarks._figures import figure, say
from benchmarks._journal_retrieval import write_records
from kingpost.contracts import contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.integrations import (
    Address,
    Flow,
    Inflow,
    Intake,
    JournalSide,
    Message,
    Outflow,
    PositionFile,
    RefusedMessages,
    open_consumer,
    open_producer,
    take_into,
)
from kingpost.journal import last_commit, scan
from kingpost.serving import published_records
from tests.own_brokers import own_nats

MESSAGES, ROUNDS = 20_000, 5
READ_AT_ONCE, PUBLISHED_AT_ONCE = 1_024, 512
PEER = "plain nats-py loop"
NAMES = tuple(f"feature_{number}" for number in range(10))


class Payment(kp.Event):
    """A card is used."""

    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    terminal: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


PAYMENT = contract_of(Payment)


def main(number: int) -> None:
    """Print `stream_events_in_s` and `stream_records_out_s`."""
    with tempfile.TemporaryDirectory() as temporary:
        broker = own_nats(Path(temporary))
        try:
            bench = _Bench(broker.url, Path(temporary), number)
            pairs = [bench.events_in() for _ in range(ROUNDS)]
            _say("stream_events_in_s", number, pairs)
            pairs = [bench.records_out() for _ in range(ROUNDS)]
            _say("stream_records_out_s", number, pairs)
        finally:
            broker.kill()


def _say(name: str, number: int, pairs: Sequence[tuple[float, float]]) -> None:
    for ours, plain in pairs:
        say(f"{name}: {number / ours:,.0f}/s, {PEER}: {number / plain:,.0f}/s")
    ours, plain = (number / median(seconds) for seconds in zip(*pairs, strict=True))
    figure(name, ours, "1/s", PEER, plain, more_is_better=True)


class _Bench:
    def __init__(self, url: str, directory: Path, number: int) -> None:
        self._url, self._directory, self._number = url, directory, number
        self._names = map("bench-{}".format, count())
        self._bodies = [_payment(one) for one in range(number)]
        self._journal = directory / "records"
        write_records(self._journal, number)
        self._publishes = published_records("fraud", "acme", lambda _decision, _bundle: NAMES)
        commits = scan(self._journal, disk=SystemDisk())
        self._records = [one for commit in commits for one in self._publishes(commit)]

    def events_in(self) -> tuple[float, float]:
        """Return the seconds that the events took to come in, by ours and by the plain loop."""
        subject = self._subject()
        asyncio.run(_with_stream(self._url, lambda js: _publish(js, subject, self._messages())))
        address = Address("streams_in", "payment", f"{self._url}/{subject}?consumer=ours")
        consumer = open_consumer(address, disk=SystemDisk())
        journal = self._directory / subject
        with Intake.open(journal, [PAYMENT], disk=SystemDisk(), clock=SystemClock()) as intake:
            ours = _seconds_to_drain(Inflow(PAYMENT, consumer, take_into(intake, "acme")))
        plain = self._plain(lambda js: _consume(js, subject, self._number))
        return ours, plain

    def records_out(self) -> tuple[float, float]:
        """Return the seconds that the records took to be published, by ours and by the loop."""
        disk, clock = SystemDisk(), SystemClock()
        subject = self._subject()
        last = last_commit(self._journal, disk=disk)
        assert last is not None  # it holds the records
        end = last.next_offset
        address = Address("streams_out", "records:fraud", f"{self._url}/{subject}")
        flow = Outflow(
            "records:fraud",
            JournalSide(self._journal, lambda: end, disk),
            self._publishes,
            open_producer(address, disk=disk, clock=clock),
            PositionFile(self._directory / f"{subject}.position", disk=disk),
            RefusedMessages(self._directory / "refused", "records", "acme", clock=clock),
        )
        ours = _seconds_to_drain(flow)
        assert flow.verdicts()["published"] == self._number
        other = self._subject()
        plain = self._plain(lambda js: _publish(js, other, self._records))
        return ours, plain

    def _messages(self) -> Sequence[Message]:
        return [Message(body, id=str(number)) for number, body in enumerate(self._bodies)]

    def _subject(self) -> str:
        name = next(self._names)

        async def make(stream: JetStreamContext) -> None:
            await stream.add_stream(  # pyright: ignore[reportUnknownMemberType]
                StreamConfig(name=name, subjects=[name])
            )

        asyncio.run(_with_stream(self._url, make))
        return name

    def _plain(self, work: Callable[[JetStreamContext], Coroutine[None, None, None]]) -> float:
        start = time.perf_counter()
        asyncio.run(_with_stream(self._url, work))
        return time.perf_counter() - start


def _seconds_to_drain(flow: Flow) -> float:
    """Let a flow run until nothing waits; without the time in which it waits for more."""
    start = time.perf_counter()
    flow.open()
    while flow.waiting():
        flow.step()
    took = time.perf_counter() - start
    flow.close()
    return took


async def _with_stream(
    url: str, work: Callable[[JetStreamContext], Coroutine[None, None, None]]
) -> None:
    client = Client()
    await client.connect(url)  # pyright: ignore[reportUnknownMemberType]
    try:
        await work(client.jetstream())  # pyright: ignore[reportUnknownMemberType]
    finally:
        await client.close()


async def _consume(stream: JetStreamContext, subject: str, number: int) -> None:
    heard = await stream.pull_subscribe(  # pyright: ignore[reportUnknownMemberType]
        subject,
        "plain",
        config=ConsumerConfig(max_ack_pending=8 * READ_AT_ONCE),
        pending_msgs_limit=-1,
        pending_bytes_limit=-1,
    )
    while number:
        found = await heard.fetch(min(READ_AT_ONCE, number))
        for one in found:
            await one.ack()
        number -= len(found)


async def _publish(stream: JetStreamContext, subject: str, messages: Sequence[Message]) -> None:
    publish = stream.publish_async  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    for start in range(0, len(messages), PUBLISHED_AT_ONCE):
        part = messages[start : start + PUBLISHED_AT_ONCE]
        headers = [{"Nats-Msg-Id": one.id} for one in part]
        answers = [
            await publish(subject, one.body, headers=header)
            for one, header in zip(part, headers, strict=True)
        ]
        await asyncio.gather(*answers)


def _payment(number: int) -> bytes:
    """Write an event of 200 bytes."""
    text = (
        f'{{"id":"transaction-{number}","at":"2026-09-21T14:13:20.{number % 1000:03d}Z",'
        f'"customer":"customer-{number % 5000}","amount":12.5,"terminal":"'
    )
    return (text + "t" * (198 - len(text)) + '"}').encode()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES)
