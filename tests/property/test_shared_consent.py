"""Consent and erasure where servers share windows in Redis, each with a journal of its own.

One server decides as one with its windows in process. With two, a consent counts in the
partition that it came to, and each erases what it has brought: every record is that of both
journals as of its vector, and Redis holds what the journals say, also when it is emptied.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.contracts import batch_of
from kingpost.decisions import SharedWindows
from kingpost.decisions.joined import JoinedHistories
from kingpost.features import Partitions, ReadVectors, RedisFeatures, RedisSettings, as_recorded
from kingpost.features.redis_link import RedisLink
from kingpost.journal import Position
from kingpost.records import DecisionRecord
from tests.card_payments import REDIS
from tests.consented_shop import (
    CONTRACTS,
    NAMES,
    PROBES,
    House,
    Model,
    Step,
    decision,
    histories_of,
    steps,
)
from tests.shared_windows import own_prefix
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock

pytestmark = pytest.mark.needs_service("redis")
TWO = Partitions(("data", "b"))


class Shared:
    """Some servers over one Redis."""

    def __init__(self, prefix: str, names: Sequence[str]) -> None:
        self.prefix = prefix
        self.houses = {
            name: House(windows=self.windows(name), data=Path("/journal") / name) for name in names
        }

    def store(self) -> RedisFeatures:
        return RedisFeatures.open(
            REDIS,
            decision.views,
            TWO,
            tenant="acme",
            clock=FakeClock(),
            settings=RedisSettings(prefix=self.prefix, timeout_s=5.0),
        )

    def windows(self, name: str):
        def opened(disk: SimulatedDisk) -> SharedWindows:
            return SharedWindows(self.store(), name, {"offer": decision}, CONTRACTS, disk=disk)

        return opened

    def live(self, past: list[tuple[str, list[Step]]]) -> None:
        """Let things happen at servers, one after the other."""
        for name, some in past:
            for step in some:
                self.houses[name].take(step)

    def close(self) -> None:
        for house in self.houses.values():
            house.engine.close()

    def held(self) -> Mapping[str, bytes]:
        """Return what Redis holds, by the name of each key without the prefix."""
        link = RedisLink(REDIS, timeout_s=5.0)
        try:
            names = link.keys(f"{self.prefix}:")
            events = [name for name in names if not name.endswith((":about", ":applied"))]
            return {name.removeprefix(self.prefix): link.fetch(name) for name in events}
        finally:
            link.close()

    def empty(self) -> None:
        link = RedisLink(REDIS, timeout_s=5.0)
        link.drop(f"{self.prefix}:")
        link.close()


@contextmanager
def shared(*names: str) -> Generator[Shared]:
    with own_prefix() as prefix:
        made = Shared(prefix, names)
        try:
            yield made
        finally:
            made.close()


def told(record: DecisionRecord) -> tuple[object, ...]:
    return (record.features, record.unavailable, record.no_consent, record.reason)


@given(past=steps)
@settings(max_examples=60, deadline=None)
def test_one_server_decides_as_one_with_its_windows_in_process(past: list[Step]) -> None:
    alone = House()
    with shared("data") as one:
        for step in [*past, *PROBES]:
            alone.take(step)
            one.houses["data"].take(step)
        mine = one.houses["data"].records

        assert [told(record) for _, record in mine] == [told(each) for _, each in alone.records]
    alone.engine.close()


@given(past=st.lists(st.tuples(st.sampled_from(TWO.names), steps), max_size=6))
@settings(max_examples=80, deadline=None)
def test_every_record_of_two_servers_is_that_of_both_journals_as_of_its_vector(
    past: list[tuple[str, list[Step]]],
) -> None:
    with shared(*TWO.names) as both:
        both.live(past)
        for house in both.houses.values():
            for probe in PROBES:
                house.take(probe)
        both.close()

        for name, house in both.houses.items():
            check_records(both, name, house)


def check_records(both: Shared, name: str, house: House) -> None:
    parts = {each: histories_of(other) for each, other in both.houses.items()}
    erased = [
        (each, one.offset, one.key)
        for each, histories in parts.items()
        for one in histories.erasures("acme")
    ]
    vectors = [Position.parse(record.position) for _, record in house.records]
    kept = [
        (record, vector)
        for (step, record), vector in zip(house.records, vectors, strict=True)
        if not any(
            key == step.customer and each in vector.partitions and offset > vector.offset(each)
            for each, offset, key in erased
        )
    ]
    if not kept:
        return
    joined = JoinedHistories(parts, CONTRACTS.values())
    bodies = [house.engine.request_of(record) or b"" for record, _ in kept]
    offsets = np.array([record.event_offset for record, _ in kept], np.int64)
    values = as_recorded(
        decision.features,
        batch_of(CONTRACTS["sale"], [CONTRACTS["sale"].decode(body) for body in bodies]),
        ReadVectors.of(joined.partitions, [vector for _, vector in kept]),
        joined.of("acme"),
        positions=joined.partitions.sequences(name, offsets),
    )
    recorded = np.frombuffer(b"".join(record.features for record, _ in kept)).reshape(values.shape)
    for at, column in np.argwhere(recorded != values).tolist():
        assert np.isnan(recorded[at, column]), NAMES[column]
        assert np.isnan(values[at, column]), NAMES[column]


@given(past=st.lists(st.tuples(st.sampled_from(TWO.names), steps), max_size=6))
@settings(max_examples=40, deadline=None)
def test_redis_has_not_even_the_name_of_who_was_erased_by_every_server(
    past: list[tuple[str, list[Step]]],
) -> None:
    with shared(*TWO.names) as both:
        both.live(past)
        for house in both.houses.values():
            house.take(PROBES[0]._replace(what="erase"))
        both.close()

        assert not [name for name in both.held() if "ann" in name]
        both.empty()
        for house in both.houses.values():
            house.take(PROBES[0]._replace(what="kill"))
            house.take(PROBES[1]._replace(what="unsell", number=0))  # it may be one of hers
        both.close()
        assert not [name for name in both.held() if "ann" in name]


@given(past=st.lists(st.tuples(st.sampled_from(TWO.names), steps), max_size=6))
@settings(max_examples=60, deadline=None)
def test_redis_holds_what_each_partition_has_of_those_who_consent_there(
    past: list[tuple[str, list[Step]]],
) -> None:
    with shared(*TWO.names) as both:
        models = {name: Model() for name in TWO.names}
        both.live(past)
        for name, some in past:
            for step in some:
                models[name].take(step)
        both.close()
        lived = both.held()

        check_held(both, models, lived)
        both.empty()
        for house in both.houses.values():
            house.take(PROBES[0]._replace(what="kill"))
        both.close()
        check_held(both, models, both.held())


def check_held(both: Shared, models: Mapping[str, Model], held: Mapping[str, bytes]) -> None:
    store = both.store()
    for index, group in enumerate(store.layout.groups):
        if "customer" not in group.keys:
            continue
        begin = store.keys.name(index, "").removeprefix(both.prefix)
        for customer in ("ann", "bob"):
            records = [
                records
                for name, records in held.items()
                if name.startswith(begin) and customer in name.removeprefix(begin)
            ]
            sequences = [at for one in records for at in group.unpack(one).rows[:, 0].tolist()]
            for name, model in models.items():
                number = TWO.number(name)
                found = sum(sequence >> 48 == number for sequence in sequences)
                expected = model.own if group.consent is None else model.personal
                assert found == len(expected[customer]), (group.keys, group.consent, customer)
    store.close()
