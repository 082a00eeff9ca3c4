"""What every online store keeps to: in this process and in Redis."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec
import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import batch_of
from kingpost.features import (
    Change,
    Changes,
    Erasure,
    FeatureStore,
    Forgetting,
    MemoryFeatures,
    StoreNotResumed,
    UnlistedPartition,
    catch_up,
    encode_erasure,
)
from kingpost.journal import Entry, Journal, Position
from tests.card_payments import (
    CONTRACTS,
    FEATURES,
    HOUR,
    PARTITIONS,
    START,
    VIEWS,
    CardPayment,
    payment,
    redis_features,
)
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

NORTH = Path("/kingpost/journal/north")
NAMES = FEATURES.names


def in_memory() -> AbstractContextManager[FeatureStore]:
    return nullcontext(MemoryFeatures(VIEWS, PARTITIONS))


@pytest.fixture(
    params=[
        pytest.param(in_memory, id="memory"),
        pytest.param(redis_features, id="redis", marks=pytest.mark.needs_service("redis")),
    ]
)
def store(request: pytest.FixtureRequest) -> Generator[FeatureStore]:
    opened: Callable[[], AbstractContextManager[FeatureStore]] = request.param
    with opened() as made:
        yield made


def arrived(*made: CardPayment, at: int = 0, partition: str = "north") -> Changes:
    """Say that payments came in, one after the other, from an offset on."""
    changes = [Change("card_payment", one, offset) for offset, one in enumerate(made, at)]
    return Changes(partition, changes, at + len(made) - 1)


def value(store: FeatureStore, asked: CardPayment, name: str) -> float:
    return float(store.reader(FEATURES).read([asked]).values[0, NAMES.index(name)])


def test_a_request_that_is_applied_with_its_read_counts(store: FeatureStore) -> None:
    store.resume("north")
    store.apply(arrived(payment(0, amount=3.0)))

    got = store.reader(FEATURES).read(
        [payment(1, amount=5.0)], after=arrived(payment(1, amount=5.0), at=1)
    )

    assert got.values[0, NAMES.index("customer_total_2h")] == 8.0
    assert got.position == Position.of({"north": 1})


def test_before_any_event_there_are_defaults_and_no_position(store: FeatureStore) -> None:
    got = store.reader(FEATURES).read([payment(0)])

    assert got.values[0, NAMES.index("customer_mean_30h")] == -1.0
    assert got.position is None


def test_what_is_applied_twice_counts_once(store: FeatureStore) -> None:
    store.resume("north")
    store.apply(arrived(payment(0), payment(1)))

    store.apply(arrived(payment(0), payment(1)))
    store.apply(arrived(payment(1), payment(2), at=1))

    assert value(store, payment(9), "customer_n_2h") == 3.0


def test_a_late_event_counts_where_it_belongs(store: FeatureStore) -> None:
    store.resume("north")
    store.apply(arrived(payment(0, amount=2.0), payment(1, at=START - HOUR, amount=7.0)))

    assert value(store, payment(9), "customer_last_2h") == 2.0
    assert value(store, payment(9, at=START - HOUR // 2), "customer_last_2h") == 7.0


def test_events_of_one_time_are_ordered_by_partition_whichever_came_first(
    store: FeatureStore,
) -> None:
    store.resume("north")
    store.resume("south")
    store.apply(arrived(payment(0, amount=2.0), partition="south"))
    store.apply(arrived(payment(1, amount=1.0), partition="north"))

    assert value(store, payment(9), "customer_last_2h") == 2.0


def test_many_requests_are_read_at_one_moment_as_one_by_one(store: FeatureStore) -> None:
    store.resume("north")
    store.resume("south")
    store.apply(arrived(*[payment(n, shop=n % 3, amount=n) for n in range(20)]))
    store.apply(
        arrived(
            *[payment(n, customer="bob", at=START - 4 * HOUR) for n in range(9)], partition="south"
        )
    )
    asked = [payment(99, customer=who, shop=n) for who in ("ann", "bob", "eve") for n in range(4)]
    reader = store.reader(FEATURES)

    together = reader.read(asked)

    assert together.position == Position.of({"north": 19, "south": 8})
    alone = [reader.read([one]).values for one in asked]
    assert together.values.tobytes() == np.concatenate(alone).tobytes()


def test_no_request_gives_no_row(store: FeatureStore) -> None:
    assert store.reader(FEATURES).read([]).values.shape == (0, len(NAMES))


def test_a_feature_without_a_value_is_named(store: FeatureStore) -> None:
    store.resume("north")
    free = payment(0, amount=0.0)

    got = store.reader(FEATURES).read([free], after=arrived(free))

    assert got.failed == [("over_usual",)]
    assert np.isnan(got.values[0, NAMES.index("over_usual")])


def test_a_stretch_that_concerns_others_moves_the_position(store: FeatureStore) -> None:
    store.resume("north")
    store.apply(Changes("north", [], 6))

    got = store.reader(FEATURES).read([payment(0)])

    assert got.position == Position.of({"north": 6})
    assert store.resume("north") == 6


def test_changes_of_a_partition_that_was_not_resumed_are_refused(store: FeatureStore) -> None:
    with pytest.raises(StoreNotResumed, match="catch_up"):
        store.apply(arrived(payment(0)))
    assert store.reader(FEATURES).read([payment(0)]).position is None


def test_a_partition_that_is_not_listed_is_refused(store: FeatureStore) -> None:
    with pytest.raises(UnlistedPartition, match="add it at the end"):
        store.resume("east")


def test_an_event_that_is_retracted_counts_no_longer(store: FeatureStore) -> None:
    store.resume("north")
    store.apply(arrived(payment(0, amount=2.0), payment(1, amount=7.0)))

    gone = Change("card_payment", payment(1, amount=7.0), 2, came_at=1)
    store.apply(Changes("north", [gone], 2))

    assert value(store, payment(9), "customer_total_2h") == 2.0
    assert value(store, payment(9), "customer_high_30h") == 2.0


def test_a_corrected_event_counts_as_corrected(store: FeatureStore) -> None:
    store.resume("north")
    store.apply(arrived(payment(0, amount=2.0), payment(1, amount=70.0)))

    out = Change("card_payment", payment(1, amount=70.0), 2, came_at=1)
    back = Change("card_payment", payment(1, amount=7.0), 2)
    store.apply(Changes("north", [out, back], 2))

    assert value(store, payment(9), "customer_total_2h") == 9.0
    assert value(store, payment(9), "customer_n_2h") == 2.0


def test_catching_up_applies_the_rest_of_the_journal_once(store: FeatureStore) -> None:
    disk, clock = SimulatedDisk(), StoppedClock()
    journal = Journal.open(NORTH, disk=disk, clock=clock)
    contract = CONTRACTS["card_payment"]

    def commit(tenant: str, *made: CardPayment) -> None:
        body = batch_of(contract, made).encode()
        journal.append([Entry("events", tenant, "card_payment", body, len(made))])

    commit("acme", payment(0), payment(1))
    commit("other", payment(2))
    commit("acme", payment(3))

    first = catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
    commit("acme", payment(4))
    second = catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
    third = catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
    journal.close()

    assert (first, second, third) == (3, 1, 0)
    assert value(store, payment(9), "customer_n_2h") == 4.0
    assert store.resume("north") == 4


def test_catching_up_takes_out_what_was_retracted_or_corrected_since(store: FeatureStore) -> None:
    disk = SimulatedDisk()
    journal = Journal.open(NORTH, disk=disk, clock=StoppedClock())
    contract = CONTRACTS["card_payment"]

    def body(number: int, amount: float) -> bytes:
        return msgspec.json.encode(
            {
                "id": number,
                "at": "2018-08-01T00:00:00Z",
                "customer": "ann",
                "shop": 1,
                "amount": amount,
            }
        )

    def commit(kind: str, content: bytes) -> None:
        journal.append([Entry(kind, "acme", contract.name, content)])

    commit("retraction", b"7")  # before its event: it will never count
    for number in (1, 2, 3):
        commit("event", body(number, float(number)))
    catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
    assert value(store, payment(9), "customer_total_2h") == 6.0
    commit("event", body(7, 70.0))
    commit("correction", body(2, 20.0))
    commit("retraction", b"1")

    changes = catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
    journal.close()

    assert changes == 3
    assert value(store, payment(9), "customer_total_2h") == 23.0
    assert value(store, payment(9), "customer_n_2h") == 2.0


def test_catching_up_leaves_out_those_who_were_erased_where_they_are_named(
    store: FeatureStore,
) -> None:
    disk = SimulatedDisk()
    journal = Journal.open(NORTH, disk=disk, clock=StoppedClock())
    contract = CONTRACTS["card_payment"]
    made = batch_of(contract, [payment(0), payment(1, customer="bob"), payment(2)])
    journal.append([Entry("events", "acme", contract.name, made.encode(), 3)])
    journal.append([encode_erasure("acme", Erasure(3, "customer", "ann", 0, "k", ""))])
    after = msgspec.json.encode(
        {"id": 4, "at": kp.Instant(START).isoformat(), "customer": "ann", "shop": 1, "amount": 5.0}
    )
    journal.append([Entry("event", "acme", contract.name, after)])
    catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
    journal.close()

    assert value(store, payment(9), "customer_total_2h") == 5.0
    assert value(store, payment(9, customer="bob"), "customer_n_2h") == 1.0
    assert value(store, payment(9, at=START + 3 * HOUR), "shop_n_1h") == 4.0


def test_an_erasure_after_what_was_given_to_the_store_takes_it_out(store: FeatureStore) -> None:
    disk = SimulatedDisk()
    contract = CONTRACTS["card_payment"]
    with Journal.open(NORTH, disk=disk, clock=StoppedClock()) as journal:
        made = batch_of(contract, [payment(0), payment(1, customer="bob"), payment(2)])
        journal.append([Entry("events", "acme", contract.name, made.encode(), 3)])
        catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)
        assert value(store, payment(9), "customer_n_2h") == 2.0

        journal.append([encode_erasure("acme", Erasure(3, "customer", "ann", 0, "k", ""))])
        catch_up(store, NORTH, CONTRACTS, tenant="acme", disk=disk)

    assert value(store, payment(9), "customer_n_2h") == 0.0
    assert value(store, payment(9, customer="bob"), "customer_n_2h") == 1.0
    assert store.resume("north") == 3


def test_what_is_forgotten_is_all_of_one_partition_up_to_the_very_offset(
    store: FeatureStore,
) -> None:
    for name in ("north", "south"):
        store.resume(name)
    store.apply(arrived(payment(7), partition="south"))
    made = [payment(number, customer="bob" if number == 1 else "ann") for number in range(4)]
    changes = arrived(*made).changes
    forgotten = Forgetting(2, "customer", "ann")

    store.apply(Changes("north", [*changes[:3], forgotten, changes[3]], 3))
    store.apply(Changes("north", [*changes[:3], forgotten, changes[3]], 3))

    assert value(store, payment(9), "customer_n_2h") == 2.0, "the other partition's, and the last"
    assert value(store, payment(9, customer="bob"), "customer_n_2h") == 1.0
    assert value(store, payment(9, at=START + 3 * HOUR), "shop_n_1h") == 5.0
