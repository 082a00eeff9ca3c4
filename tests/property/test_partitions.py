"""A read of several partitions has the bits that its recorded vector gives offline."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.contracts import Event, batch_of, events_of
from kingpost.features import (
    NEVER,
    Change,
    Changes,
    FeatureSet,
    FeatureStore,
    History,
    MemoryFeatures,
    ReadVectors,
    as_recorded,
    different_bits,
    join_histories,
)
from kingpost.journal import Position
from tests import declared_features
from tests.card_payments import (
    FEATURES,
    HOUR,
    PARTITIONS,
    START,
    VIEWS,
    CardPayment,
    payment,
    recomputed,
    redis_features,
)

TWO = ("north", "south")

moments = st.integers(0, 40).map(lambda step: START + step * HOUR)
writes = st.tuples(
    st.sampled_from(TWO),
    moments,
    st.sampled_from(["ann", "bob"]),
    st.integers(1, 2),
    st.integers(0, 10**6).map(lambda cents: cents / 100),
)


class Reads:
    """What was asked of stores, what they answered, and as of what."""

    def __init__(self) -> None:
        self.logs: dict[str, list[CardPayment]] = {name: [] for name in TWO}
        self.asked: list[CardPayment] = []
        self.positions: list[Position | None] = []
        self.values: list[bytes] = []

    def write(
        self, partition: str, at: int, customer: str, shop: int, amount: float
    ) -> CardPayment:
        log = self.logs[partition]
        made = payment(len(log), at=at, customer=customer, shop=shop, amount=amount)
        log.append(made)
        return made

    def stretch(self, partition: str, first: int, end: int) -> Changes:
        log = self.logs[partition]
        changes = [Change("card_payment", log[at], at) for at in range(first, end)]
        return Changes(partition, changes, end - 1)

    def read(self, store: FeatureStore, event: CardPayment, after: Changes) -> None:
        got = store.reader(FEATURES).read([event], after=after)
        self.asked.append(event)
        self.positions.append(got.position)
        self.values.append(got.values.tobytes())

    def differences(self) -> int:
        online = np.frombuffer(b"".join(self.values)).reshape(-1, len(FEATURES))
        offline = recomputed(self.logs, self.asked, self.positions)
        return different_bits(FEATURES.names, online, offline).mismatches


@given(st.lists(st.tuples(writes, st.integers(0, 3).map(lambda n: n * 2)), min_size=1, max_size=40))
@settings(max_examples=60)
def test_two_processes_that_lag_behind_each_other(
    steps: list[tuple[tuple[str, int, str, int, float], int]],
) -> None:
    reads = Reads()
    stores = {name: MemoryFeatures(VIEWS, PARTITIONS) for name in TWO}
    applied = {(holder, name): stores[holder].resume(name) + 1 for holder in TWO for name in TWO}

    for write, more in steps:
        own = write[0]
        made = reads.write(*write)
        other = TWO[1 - TWO.index(own)]
        # each process has all of its own partition, and some of the other's
        first = applied[own, other]
        end = min(len(reads.logs[other]), first + more)
        if end > first:
            stores[own].apply(reads.stretch(other, first, end))
            applied[own, other] = end
        offset = len(reads.logs[own]) - 1
        reads.read(stores[own], made, reads.stretch(own, offset, offset + 1))

    assert reads.differences() == 0


def in_memory() -> AbstractContextManager[FeatureStore]:
    return nullcontext(MemoryFeatures(VIEWS, PARTITIONS))


@pytest.mark.parametrize(
    "opened",
    [
        pytest.param(in_memory, id="memory"),
        pytest.param(redis_features, id="redis", marks=pytest.mark.needs_service("redis")),
    ],
)
@given(st.lists(writes, min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_two_writers_of_one_store(
    opened: Callable[[], AbstractContextManager[FeatureStore]],
    steps: list[tuple[str, int, str, int, float]],
) -> None:
    reads = Reads()
    with opened() as store:
        for name in TWO:
            store.resume(name)

        for write in steps:
            made = reads.write(*write)
            offset = len(reads.logs[write[0]]) - 1
            reads.read(store, made, reads.stretch(write[0], offset, offset + 1))

    assert len(ReadVectors.of(PARTITIONS, reads.positions).chains()) == 1
    assert reads.differences() == 0


class Step(NamedTuple):
    """What happens at one position of one partition."""

    position: int
    partition: str
    comes_in: bool
    change: Change


def steps_of(drawn: Mapping[str, History]) -> list[Step]:
    """Spread events over two partitions, in the order in which they come and end."""
    found: list[Step] = []
    for name, history in drawn.items():
        assert history.ends is not None
        events = events_of(declared_features.CONTRACTS[name], history.events)
        rows = zip(history.positions.tolist(), history.ends.tolist(), events, strict=True)
        for position, end, event in rows:
            partition = partition_of(position)
            found.append(Step(position, partition, True, Change(name, event, position)))
            if end != NEVER:
                out = Change(name, event, end, came_at=position)
                found.append(Step(end, partition, False, out))
    return sorted(found, key=lambda step: step[:3])


def partition_of(position: int) -> str:
    return TWO[position % 3 == 0]


def joined(drawn: Mapping[str, History]) -> dict[str, History]:
    """Put the events of both partitions together, as a reader of both journals does."""
    found: dict[str, History] = {}
    for name, history in drawn.items():
        assert history.ends is not None
        parts: dict[str, History] = {}
        for partition in TWO:
            mine = [partition_of(at) == partition for at in history.positions.tolist()]
            rows = np.flatnonzero(np.array(mine, np.bool_))
            parts[partition] = History(
                history.events.take(rows), history.positions[rows], history.ends[rows]
            )
        found[name] = join_histories(declared_features.CONTRACTS[name], PARTITIONS, parts)
    return found


@pytest.mark.needs_service("redis")
@given(declared_features.declarations(), declared_features.histories())
@settings(max_examples=40, deadline=None)
def test_whatever_is_declared_has_the_same_bits_in_redis_in_process_and_offline(
    features: FeatureSet, drawn: dict[str, History]
) -> None:
    views = [slot.view for slot in features.windows]
    here = MemoryFeatures(views, PARTITIONS)
    values: list[bytes] = []
    asked: list[Event] = []
    positions: list[Position | None] = []
    with redis_features(views=views) as there:
        stores: list[FeatureStore] = [here, there]
        readers = [store.reader(features) for store in stores]
        for store in stores:
            for name in TWO:
                store.resume(name)
        for (position, partition), steps in groupby(steps_of(drawn), key=lambda step: step[:2]):
            changes = Changes(partition, [step.change for step in steps], position)
            requests = [
                one.event
                for one in changes.changes
                if isinstance(one, Change) and one.stream == "order" and one.came_at is None
            ]
            in_process, in_redis = (one.read(requests, after=changes) for one in readers)

            assert in_redis.values.tobytes() == in_process.values.tobytes()
            assert in_redis.failed == in_process.failed
            assert in_redis.position == in_process.position
            values.append(in_redis.values.tobytes())
            asked += requests
            positions += [in_redis.position] * len(requests)

    offline = as_recorded(
        features,
        batch_of(features.request, asked),
        ReadVectors.of(PARTITIONS, positions),
        joined(drawn),
    )
    online = np.frombuffer(b"".join(values)).reshape(-1, len(features))
    report = different_bits(features.names, online, offline)
    assert report.mismatches == 0, report.shown


def test_a_vector_that_is_one_event_off_gives_other_bits() -> None:
    reads = Reads()
    store = MemoryFeatures(VIEWS, PARTITIONS)
    for name in TWO:
        store.resume(name)
    for partition in ("north", "south", "north"):
        made = reads.write(partition, START, "ann", 1, 5.0)
        offset = len(reads.logs[partition]) - 1
        reads.read(store, made, reads.stretch(partition, offset, offset + 1))
    assert reads.differences() == 0

    reads.positions[2] = Position.of({"north": 1})  # as if south had been seen by nobody

    assert reads.differences() > 0


vectors = st.lists(st.tuples(*[st.integers(-1, 5)] * 3), min_size=1, max_size=40)


@given(vectors)
def test_chains_hold_every_read_once_and_each_sees_what_came_before(
    rows: list[tuple[int, int, int]],
) -> None:
    read = ReadVectors(PARTITIONS, np.array(rows, np.int64))

    chains = read.chains()

    assert sorted(np.concatenate([at for at, _ in chains]).tolist()) == list(range(len(rows)))
    for at, chain in chains:
        assert all((a <= b).all() for a, b in pairwise(chain.bounds))
        assert (chain.bounds[chain.ranks] == read.offsets[at]).all()


@given(vectors, st.integers(0, 2), st.integers(0, 6))
def test_an_event_is_seen_by_a_read_if_its_offset_is_not_beyond_the_vector(
    rows: list[tuple[int, int, int]], number: int, offset: int
) -> None:
    read = ReadVectors(PARTITIONS, np.array(rows, np.int64))
    event = np.array([PARTITIONS.sequence(PARTITIONS.names[number], offset)])

    for at, chain in read.chains():
        seen = chain.arrivals(event)[0] <= chain.ranks
        assert seen.tolist() == [offset <= rows[row][number] for row in at.tolist()]
