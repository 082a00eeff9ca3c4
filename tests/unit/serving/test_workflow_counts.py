"""Counting workflows for the metrics: seldom, and never while it is being done."""

import asyncio
from collections.abc import Mapping

import pytest

from kingpost.serving.workflow_counts import SparingCount, WorkflowCounts
from kingpost.workflows import WorkflowStoreFailed
from tests.tiny_app import FakeClock

SECOND_NS = 1_000_000_000


class Database:
    def __init__(self) -> None:
        self.clock, self.asked, self.is_gone = Ticking(), 0, False
        self.takes_ns = 0

    def count(self) -> Mapping[tuple[str, str], int]:
        self.asked += 1
        self.clock.ns += self.takes_ns
        if self.is_gone:
            raise WorkflowStoreFailed("there", "OperationalError")
        return {("order", "running"): self.asked}


class Ticking(FakeClock):
    ns = 0

    def monotonic_ns(self) -> int:
        return self.ns


def test_scrapes_in_a_row_count_once_in_ten_seconds() -> None:
    database = Database()
    counts = WorkflowCounts(database.count, database.clock)

    for _ in range(30):
        asyncio.run(counts.refresh())
        database.clock.ns += SECOND_NS

    assert database.asked == 3
    assert counts.latest == {("order", "running"): 3}


def test_a_slow_count_is_done_less_often() -> None:
    database = Database()
    database.takes_ns = 5 * SECOND_NS
    counts = WorkflowCounts(database.count, database.clock)

    asyncio.run(counts.refresh())
    database.clock.ns += 94 * SECOND_NS
    asyncio.run(counts.refresh())
    assert database.asked == 1
    database.clock.ns += 1 * SECOND_NS
    asyncio.run(counts.refresh())
    assert database.asked == 2


def test_scrapes_at_one_time_count_once() -> None:
    database = Database()
    counts = WorkflowCounts(database.count, database.clock)

    async def together() -> None:
        await asyncio.gather(*(counts.refresh() for _ in range(5)))

    asyncio.run(together())
    assert database.asked == 1


def test_nothing_is_told_while_the_database_is_gone() -> None:
    database = Database()
    counts = WorkflowCounts(database.count, database.clock)
    asyncio.run(counts.refresh())
    database.is_gone = True
    database.clock.ns += 10 * SECOND_NS

    asyncio.run(counts.refresh())

    assert counts.latest == {}


def test_a_failed_count_is_not_tried_again_at_once_and_tells_nothing_old() -> None:
    database = Database()
    database.takes_ns = SECOND_NS
    count = SparingCount(database.count, database.clock)
    assert count.read() == {("order", "running"): 1}
    database.is_gone = True
    database.clock.ns += 19 * SECOND_NS
    with pytest.raises(WorkflowStoreFailed):
        count.read()

    assert count.read() == {}
    assert database.asked == 2
