"""Nothing leaves before the disk has it; what arrives while it writes is decided together."""

import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kingpost.contracts import contract_of
from kingpost.core import KingpostError, id_text
from kingpost.decisions import (
    Ask,
    Change,
    Engine,
    EngineStopped,
    EventUnreadable,
    IdempotencyKeyReused,
)
from kingpost.journal import JournalClosed, JournalFailed, JournalFull, JournalReadOnly
from kingpost.serving.errors import InternalError
from kingpost.serving.metrics import Metrics
from kingpost.serving.shell import Settled, Shell
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import ByAmount, FakeClock, Payment, open_engine, payment

DATA = Path("/journal/data")
DECODE = contract_of(Payment).decode


class HeldDisk(SimulatedDisk):
    """A disk whose every step waits while it is held."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.goes_on.set()

    def step(self, *, needs_space: bool = False) -> None:
        assert self.goes_on.wait(10)
        super().step(needs_space=needs_space)


class House:
    """A shell with its engine, disk and model."""

    def __init__(self, *, max_batch: int = 64) -> None:
        self.disk, self.model, clock = HeldDisk(), ByAmount(), FakeClock()
        self.engine: Engine = open_engine(DATA, self.model, disk=self.disk, clock=clock)
        self.metrics = Metrics(self.engine.served)
        self.may_go_on = asyncio.Event()
        self.pauses: list[float] = []
        self.pauses_left = 0
        self.shell = Shell(self.engine, clock, self.metrics, max_batch=max_batch, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        """Wait until the scene lets recovery go on; after some pauses for ever."""
        self.pauses.append(seconds)
        await self.may_go_on.wait()
        if not self.pauses_left:
            await asyncio.Event().wait()
        self.pauses_left -= 1

    def ask(self, body: bytes, *, key: str | None = None) -> "asyncio.Task[Settled]":
        asked = Ask("fraud", "acme", "k", DECODE(body), body, "0" * 32, None, key, 0)
        return asyncio.ensure_future(self.shell.decide(asked))

    def ingest(self, *bodies: bytes) -> "asyncio.Task[object]":
        events = [(DECODE(body), body) for body in bodies]
        return asyncio.ensure_future(self.shell.ingest("acme", "payment", events))


def run(
    scene: Callable[[House], Awaitable[None]], *, max_batch: int = 64, closes: bool = True
) -> House:
    house = House(max_batch=max_batch)

    async def play() -> None:
        await scene(house)
        if closes:
            await house.shell.idle()

    try:
        asyncio.run(asyncio.wait_for(play(), 20))
    finally:
        house.disk.goes_on.set()
        house.engine.close()
    return house


async def turns(count: int = 20) -> None:
    """Let the loop go round without waiting for anything."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_an_answer_waits_for_the_disk() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        asked = house.ask(payment("p1"))
        await turns()
        assert house.model.batches == [1]
        assert not asked.done()
        house.disk.goes_on.set()
        assert (await asked).record.event_key == "p1"

    run(scene)


def test_a_retry_waits_for_the_record_it_repeats() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        first = house.ask(payment("p1"))
        await turns()
        second = house.ask(payment("p1"))
        conflict = house.ask(payment("p2"), key="k")
        await turns()
        other = house.ask(payment("p3"), key="k")
        await turns()
        assert not any(asked.done() for asked in (first, second, conflict, other))
        house.disk.goes_on.set()
        assert await second == Settled((await first).record, is_repeat=True)
        with pytest.raises(IdempotencyKeyReused):
            await other

    run(scene)


def test_a_retry_in_the_same_tick_gets_the_same_record() -> None:
    async def scene(house: House) -> None:
        settled = await asyncio.gather(*(house.ask(payment("p1")) for _ in range(5)))
        assert len({one.record.id for one in settled}) == 1
        assert [one.is_repeat for one in settled] == [False, True, True, True, True]

    run(scene)


def test_that_events_are_duplicates_is_told_when_the_first_ones_are_durable() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        first = house.ingest(payment("p1"), payment("p2"))
        await turns()
        second = house.ingest(payment("p1"))
        await turns()
        assert not first.done()
        assert not second.done()
        house.disk.goes_on.set()
        assert await first == (2, 0)
        assert await second == (0, 1)

    run(scene)


def test_a_retraction_waits_for_its_event_and_its_answer_for_the_disk() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        sent = house.ingest(payment("p1"))
        await turns()
        retracted = asyncio.ensure_future(house.shell.retract("acme", "payment", "p1"))
        again = asyncio.ensure_future(house.shell.retract("acme", "payment", "p1"))
        await turns()
        assert not sent.done()
        assert not retracted.done()

        house.disk.goes_on.set()

        assert {await retracted, await again} == {Change.RETRACTED, Change.UNCHANGED}
        assert sent.done()

    run(scene)


def test_an_event_that_cannot_be_read_back_stops_nothing() -> None:
    async def scene(house: House) -> None:
        await house.ingest(payment("p1"))
        state = house.engine._memory.tenants["acme"]  # pyright: ignore[reportPrivateUsage]  as if the journal held another entry there
        held = state.keys["payment"]._at  # pyright: ignore[reportPrivateUsage]
        position, held["p1"] = held["p1"], 0
        with pytest.raises(EventUnreadable):
            await house.shell.retract("acme", "payment", "p1")
        held["p1"] = position

        assert house.shell.failure is None
        assert await house.shell.retract("acme", "payment", "p1") is Change.RETRACTED

    run(scene)


def test_what_arrives_in_one_tick_is_one_batch() -> None:
    async def scene(house: House) -> None:
        await asyncio.gather(*(house.ask(payment(f"p{at}")) for at in range(10)))

    assert run(scene).model.batches == [10]


def test_what_arrives_while_the_disk_writes_is_the_next_batch() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        asked = [house.ask(payment("p1"))]
        await turns()
        for name in ("p2", "p3", "p4"):
            asked.append(house.ask(payment(name)))
            await turns()
        assert house.model.batches == [1]
        house.disk.goes_on.set()
        await asyncio.gather(*asked)
        assert house.model.batches == [1, 3]

    run(scene)


def test_a_request_waits_for_one_write_of_events_and_not_for_all() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        events = [house.ingest(payment(f"e{number}")) for number in range(3)]
        await turns()
        asked = house.ask(payment("p1"))
        await turns()
        assert house.model.batches == []
        house.disk.goes_on.set()
        await events[0]
        await turns()
        assert house.model.batches == [1]
        await asked

    run(scene)


def test_a_batch_is_cut_at_its_limit_and_each_part_waits_for_its_own_write() -> None:
    async def scene(house: House) -> None:
        settled = await asyncio.gather(*(house.ask(payment(f"p{at}")) for at in range(10)))
        assert [one.record.event_key for one in settled] == [f"p{at}" for at in range(10)]

    assert run(scene, max_batch=4).model.batches == [4, 4, 2]


def test_a_caller_who_goes_away_takes_nobody_along() -> None:
    async def scene(house: House) -> None:
        house.disk.goes_on.clear()
        gone, stays = house.ask(payment("p1")), house.ask(payment("p2"))
        await turns()
        gone.cancel()
        await turns()
        house.disk.goes_on.set()
        assert (await stays).record.event_key == "p2"

    run(scene)


def test_after_a_failed_write_nothing_leaves_any_more() -> None:
    async def scene(house: House) -> None:
        await house.ask(payment("p0"))
        house.disk.goes_on.clear()
        house.disk.fails = {house.disk.steps + at: 5 for at in range(9)}
        first = house.ask(payment("p1"))
        await turns()
        retry, events = house.ask(payment("p1")), house.ingest(payment("p2"))
        await turns()
        house.disk.goes_on.set()
        for waiting in (first, retry, events):
            with pytest.raises(JournalFailed):
                await waiting
        assert isinstance(house.shell.failure, JournalFailed)
        for late in (house.ask(payment("p3")), house.ask(payment("p0")), house.ingest()):
            with pytest.raises(JournalFailed):
                await late

    run(scene)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_passes_is_tried_until_it_has_passed_and_nothing_acknowledged_is_lost(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene(house: House) -> None:
        kept = await house.ask(payment("p0"))
        house.disk.fails = {house.disk.steps + at: number for at in range(3)}
        house.pauses_left = 0
        with pytest.raises((JournalFull, JournalReadOnly)):
            await house.ask(payment("p1"))
        assert house.shell.is_recovering
        with pytest.raises((JournalFull, JournalReadOnly)):
            await house.ask(payment("p0"))

        house.pauses_left = 100
        house.may_go_on.set()
        while house.shell.is_recovering:
            await asyncio.sleep(0.001)

        assert house.shell.failure is None
        assert await house.ask(payment("p0")) == Settled(kept.record, is_repeat=True)
        assert (await house.ask(payment("p2"))).record.event_key == "p2"
        found = house.engine.record("acme", id_text(kept.record.id))
        assert found is not None
        assert found.record == kept.record

    house = run(scene)

    assert house.pauses[:3] == [0.5, 1.0, 2.0]
    told = [record.message for record in caplog.records if record.name.startswith("kingpost.serv")]
    assert told == ["serving_stopped", "serving_recovery_waits", "serving_recovered"]


def test_a_disk_that_stays_full_is_asked_ever_less_often() -> None:
    async def scene(house: House) -> None:
        house.disk.is_full = True
        with pytest.raises(JournalFull):
            for at in range(5000):
                await house.ask(payment(f"p{at}"))
        house.pauses_left = 6
        house.may_go_on.set()
        while house.pauses_left:
            await asyncio.sleep(0.001)
        assert isinstance(house.shell.failure, JournalFull)

    assert run(scene).pauses[:6] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_after_a_bug_nothing_is_recovered() -> None:
    async def scene(house: House) -> None:
        asked = Ask("no such", "acme", "k", DECODE(payment("p1")), b"", "0", None, None, 0)
        with pytest.raises(InternalError):
            await house.shell.decide(asked)
        assert not house.shell.is_recovering
        with pytest.raises(EngineStopped):
            house.engine.recover()

    run(scene)


def test_a_house_that_closes_while_it_recovers_does_close() -> None:
    async def scene(house: House) -> None:
        house.disk.fails = {house.disk.steps: errno.ENOSPC}
        with pytest.raises(JournalFull):
            await house.ask(payment("p1"))
        house.engine.close()
        house.pauses_left = 5
        house.may_go_on.set()
        while house.shell.is_recovering:
            await asyncio.sleep(0.001)
        assert isinstance(house.shell.failure, JournalClosed)

    run(scene)


def test_an_unexpected_error_is_told_once_and_ends_all_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene(house: House) -> None:
        asked = Ask("no such", "acme", "k", DECODE(payment("p1")), b"", "0", None, None, 0)
        with pytest.raises(InternalError):
            await house.shell.decide(asked)
        with pytest.raises(EngineStopped, match="KeyError"):
            await house.ask(payment("p2"))

    run(scene)

    assert [record.message for record in caplog.records] == ["serving_stopped"]


def test_errors_are_made_anew_for_each_who_raises_them() -> None:
    async def scene(house: House) -> None:
        house.shell.failure = EngineStopped("test")
        raised: list[KingpostError] = []
        for _ in range(2):
            with pytest.raises(EngineStopped) as error:
                await house.ask(payment("p1"))
            raised.append(error.value)
        assert raised[0] is not raised[1]

    run(scene)


def test_stage_times_and_batch_sizes_are_counted() -> None:
    async def scene(house: House) -> None:
        await asyncio.gather(*(house.ask(payment(f"p{at}")) for at in range(3)))

    house = run(scene)

    text = house.metrics.render().decode()
    assert 'kingpost_batch_requests_bucket{le="4.0"} 1.0' in text
    assert 'kingpost_stage_seconds_count{decision="fraud",stage="journal"} 3.0' in text
