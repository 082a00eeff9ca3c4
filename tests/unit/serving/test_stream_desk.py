"""Streams of a server: events into its engine, its records out, and how they stand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kingpost.access import KeyRing, MemoryKeys, create_key
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import Engine
from kingpost.integrations import (
    Address,
    Flow,
    Inflow,
    JournalSide,
    Message,
    Outflow,
    PositionFile,
    RefusedMessages,
    TakeEvents,
    open_consumer,
    open_producer,
    quarantined,
)
from kingpost.serving import ServingSettings, StreamSetup, build_app, published_records
from tests.tiny_app import APPLICATION, open_engine, payment
from tests.topics import Topic, read_all

AWAY = "nats://ann:secret@127.0.0.1:1/payments"


class House:
    """A server with payments that come in, and records that go out.

    Attributes:
        arriving, leaving: The topics.
    """

    def __init__(self, directory: Path, *, url: str = "") -> None:
        self.directory = directory
        self.arriving = Topic(f"file:{directory / 'arriving'}")
        self.leaving = Topic(f"file:{directory / 'leaving'}")
        self._url = url or f"{self.arriving.url}?consumer=house"
        keys, clock = MemoryKeys(), SystemClock()
        self.engine = open_engine(directory / "journal")
        self.app = build_app(
            self.engine,
            KeyRing(keys, clock),
            ServingSettings(),
            clock,
            streams=StreamSetup("acme", self._flows),
        )
        made = create_key(keys, clock, tenant="acme", scopes=["decide", "records", "metrics"])
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(
            transport=transport,
            base_url="http://test",
            headers={"authorization": f"Bearer {made.secret}"},
        )

    def arrive(self, *bodies: bytes) -> None:
        with closing(self.arriving.producer()) as producer:
            producer.open()
            producer.publish([Message(one) for one in bodies])

    def published(self, number: int) -> Sequence[Message]:
        with closing(self.leaving.consumer("reader")) as consumer:
            consumer.open()
            return read_all(consumer, number)

    async def decide(self, body: bytes) -> dict[str, object]:
        answer = await self.client.post("/v1/decisions/fraud", content=body)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=dict[str, object])

    async def figures(self) -> dict[tuple[str, ...], float]:
        """Return what the metrics say of streams, by name and labels."""
        text = (await self.client.get("/metrics")).text
        return {
            (one.name.removeprefix("kingpost_stream_"), *one.labels.values()): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
            if one.name.startswith("kingpost_stream_")
        }

    async def until(self, name: tuple[str, ...], value: float) -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for _ in range(400):
            found = await self.figures()
            if found.get(name) == value:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"{name} is not {value}: {found}")

    def _flows(self, take: TakeEvents, durable: Callable[[], int]) -> Sequence[Flow]:
        disk, clock = SystemDisk(), SystemClock()
        consumer = open_consumer(Address("streams_in", "payment", self._url), disk=disk)
        producer = open_producer(
            Address("streams_out", "records:fraud", self.leaving.url), disk=disk, clock=clock
        )
        return [
            Inflow(APPLICATION.streams["payment"], consumer, take),
            Outflow(
                "records:fraud",
                JournalSide(self.directory / "journal", durable, disk),
                published_records("fraud", "acme", lambda _decision, _bundle: None),
                producer,
                PositionFile(self.directory / "fraud.position", disk=disk),
                RefusedMessages(self.directory / "refused", "streams:fraud", "acme", clock=clock),
            ),
        ]


def play(house: House, scene: Callable[[], Awaitable[None]]) -> Engine:
    async def whole() -> None:
        assert house.app.streams is not None
        house.app.streams.start()
        async with house.client:
            await scene()
        await house.app.drain()

    asyncio.run(asyncio.wait_for(whole(), 60))
    return house.engine


def test_events_of_a_topic_count_in_decisions_and_their_records_are_published(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    house.arrive(payment("p-1", 10.0), payment("p-2", 20.0, minute=1), payment("p-1", 10.0))

    async def scene() -> None:
        await house.until(("messages_total", "in", "payment", "accepted"), 2)
        answer = await house.decide(payment("p-3", 60.0, minute=2))
        await house.until(("messages_total", "out", "records:fraud", "published"), 1)

        shown = await house.client.get(f"/v1/records/{answer['id']}")
        [published] = await asyncio.to_thread(house.published, 1)
        assert (published.key, published.kind) == ("p-3", "record")
        record = msgspec.json.decode(published.body, type=dict[str, object])
        expected = msgspec.json.decode(shown.content, type=dict[str, object])
        features = msgspec.convert(record.pop("features"), dict[str, float])
        event = msgspec.convert(expected.pop("event"), dict[str, object])
        # of the names, which differ here: amount, then how many payments of the card, …
        assert list(features.values())[:3] == [60.0, 3.0, 30.0]
        assert record.pop("event") == {**event, "body": None}
        assert {name: expected[name] for name in record} == record

    play(house, scene)


def test_what_came_is_counted_and_how_they_stand_is_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.arrive(payment("p-1"), payment("p-1"), b"{")

    async def scene() -> None:
        found = await house.until(("messages_total", "in", "payment", "refused"), 1)
        assert found["messages_total", "in", "payment", "duplicate"] == 1
        assert found["connected", "in", "payment"] == 1
        await house.until(("waiting", "in", "payment"), 0)

    play(house, scene)
    [row] = quarantined(tmp_path / "journal", disk=SystemDisk())
    assert (row.tenant, row.stream, row.raw, row.row) == ("acme", "payment", "{", 2)


def test_a_bad_message_that_comes_again_is_in_quarantine_once(tmp_path: Path) -> None:
    for number in range(2):
        house = House(tmp_path)
        if number == 0:
            house.arrive(payment("p-1"), b"{")

        async def scene(house: House = house) -> None:
            await house.until(("messages_total", "in", "payment", "refused"), 1)

        play(house, scene)
        (tmp_path / "arriving/consumers/house.position").unlink()

    assert len(quarantined(tmp_path / "journal", disk=SystemDisk())) == 1


def test_a_broker_that_is_away_leaves_the_server_ready_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(tmp_path, url=AWAY)

    async def scene() -> None:
        await house.decide(payment("p-1"))
        found = await house.until(("messages_total", "out", "records:fraud", "published"), 1)
        assert found["connected", "in", "payment"] == 0
        while not any(one.message == "stream_away" for one in caplog.records):
            await asyncio.sleep(0.02)
        ready = await house.client.get("/health/ready")
        assert ready.status_code == 200

    play(house, scene)
    told = [one for one in caplog.records if one.message == "stream_away"]
    assert [getattr(one, "stream", "") for one in told] == ["payment"]
    assert "secret" not in " ".join(str(one.__dict__) for one in caplog.records)


def test_what_is_in_hand_at_the_end_is_durable_and_acknowledged(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.arrive(*(payment(f"p-{number}") for number in range(3_000)))

    async def scene() -> None:
        while not (await house.figures()).get(("messages_total", "in", "payment", "accepted")):
            await asyncio.sleep(0.001)

    play(house, scene)
    again = House(tmp_path)

    async def rest() -> None:
        await again.until(("waiting", "in", "payment"), 0)
        assert not any(
            value for name, value in (await again.figures()).items() if "duplicate" in name
        )

    play(again, rest)
