"""Features in Redis: what is bounded, refused, kept apart and never told."""

import sys
import uuid
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pytest

import kingpost as kp
from kingpost.core import ExtraMissing, KingpostError, SystemClock
from kingpost.features import (
    Change,
    Changes,
    FeatureSet,
    FeaturesForgotten,
    Partitions,
    RedisFeatures,
    RedisSettings,
    StoreUnfit,
    WindowFeatures,
)
from kingpost.features.packed_events import Layout
from kingpost.features.redis_link import Applying, Growth, RedisLink, Rewrite
from tests.card_payments import (
    FEATURES,
    HOUR,
    PARTITIONS,
    REDIS,
    START,
    VIEWS,
    payment,
    payments,
    redis_features,
)
from tests.stopped_clock import StoppedClock

DAY = 24 * HOUR
GRACE = timedelta(days=1)

needs_redis = pytest.mark.needs_service("redis")


def short(prefix: str) -> RedisSettings:
    return RedisSettings(grace=GRACE, prefix=f"kingpost-test-{prefix}-{uuid.uuid4().hex}")


def fill(store: RedisFeatures, hours: int, *, first: int = 0) -> None:
    """Let a payment an hour come in."""
    store.resume("north")
    for hour in range(first, first + hours):
        made = payment(hour, at=START + hour * HOUR)
        store.apply(Changes("north", [Change("card_payment", made, hour)], hour))


def key_name(store: RedisFeatures, views: Iterable[WindowFeatures], by: str, key: str) -> str:
    """Return where a key's events lie."""
    index = [group.key for group in Layout(views).groups].index(by)
    return store.keys.name(index, key)


@needs_redis
def test_old_events_are_dropped_and_values_stay() -> None:
    clock = StoppedClock(START + 1000 * HOUR)
    with redis_features(short("bounded"), clock=clock) as store:
        fill(store, 1000)
        latest = payment(999, at=START + 999 * HOUR)

        got = store.reader(FEATURES).read([latest])

        group = next(one for one in Layout(VIEWS).groups if one.key == "customer")
        link = RedisLink(REDIS, timeout_s=5.0)
        held = len(link.fetch(key_name(store, VIEWS, "customer", "ann"))) // group.record_bytes
        link.close()
        needed = (group.reach_us + DAY) // HOUR
        assert held <= 3 * needed + 128
        assert got.values[0, FEATURES.names.index("customer_n_30h")] == 30.0


@needs_redis
def test_a_request_older_than_what_is_held_is_refused_and_within_grace_answered() -> None:
    clock = StoppedClock(START + 1000 * HOUR)
    with redis_features(short("forgotten"), clock=clock) as store:
        fill(store, 1000)
        reader = store.reader(FEATURES)

        within = reader.read([payment(0, at=START + (999 - 24) * HOUR)])

        assert within.values[0, FEATURES.names.index("customer_n_30h")] == 30.0
        with pytest.raises(FeaturesForgotten, match="from the journal"):
            reader.read([payment(0, at=START + 300 * HOUR)])


@needs_redis
def test_an_event_dated_in_the_far_future_makes_nothing_old() -> None:
    clock = StoppedClock(START + 300 * HOUR)
    with redis_features(short("future"), clock=clock) as store:
        fill(store, 300)
        wrong = payment(300, at=START + 10**6 * HOUR)
        store.apply(Changes("north", [Change("card_payment", wrong, 300)], 300))
        fill(store, 50, first=301)

        got = store.reader(FEATURES).read([payment(9, at=START + 299 * HOUR)])

        assert got.values[0, FEATURES.names.index("customer_n_30h")] == 30.0


@needs_redis
def test_a_key_that_may_have_expired_is_refused_for_an_old_request_only() -> None:
    clock = StoppedClock(START)
    with redis_features(short("expired"), clock=clock) as store:
        reader = store.reader(FEATURES)
        assert reader.read([payment(0, at=START)]).position is None

        clock.time_us = START + 30 * DAY

        assert reader.read([payment(0, at=clock.time_us)]).position is None
        with pytest.raises(FeaturesForgotten):
            reader.read([payment(0, at=START + 20 * DAY)])


@needs_redis
def test_keys_expire_beyond_their_windows_and_never_under_an_all_time_window() -> None:
    import redis

    lasting = payments.by("customer").over("all").features(n=kp.count())
    features = FeatureSet(payments.contract, [lasting, VIEWS[1]], VIEWS[0].place)
    views = [slot.view for slot in features.windows]
    with redis_features(short("ttl"), views=views) as store:
        fill(store, 3)
        client = redis.Redis()
        kept = client.pttl(key_name(store, views, "customer", "ann"))
        idle = client.pttl(key_name(store, views, "shop", "1"))
        client.close()

    assert kept == -1
    reach_ms = next(one.reach_us for one in Layout(views).groups if one.key == "shop") // 1000
    assert reach_ms < idle <= reach_ms + 24 * 3600 * 1000 + 1


@needs_redis
def test_a_changed_definition_starts_from_the_journal_and_the_old_state_can_be_cleared() -> None:
    settings = short("layouts")
    with redis_features(settings) as store:
        fill(store, 3)
        other = RedisFeatures.open(
            REDIS,
            VIEWS[:1],
            PARTITIONS,
            tenant="acme",
            clock=SystemClock(),
            settings=settings,
        )

        assert other.resume("north") == -1
        assert store.resume("north") == 2
        assert other.clear(other_layouts=True) > 0
        assert store.resume("north") == -1
        other.close()


@needs_redis
def test_tenants_share_nothing() -> None:
    settings = short("tenants")
    with redis_features(settings) as store:
        fill(store, 3)
        other = RedisFeatures.open(
            REDIS,
            VIEWS,
            PARTITIONS,
            tenant="acme:x",
            clock=SystemClock(),
            settings=settings,
        )

        got = other.reader(FEATURES).read([payment(9, at=START + 2 * HOUR)])
        other.close()

    assert got.position is None
    assert got.values[0, FEATURES.names.index("customer_n_30h")] == 0.0


@needs_redis
def test_partitions_listed_otherwise_are_refused_and_new_ones_at_the_end_are_not() -> None:
    settings = short("partitions")
    with redis_features(settings) as store:
        store.resume("north")

        def opened(*names: str) -> RedisFeatures:
            return RedisFeatures.open(
                REDIS,
                VIEWS,
                Partitions(names),
                tenant="acme",
                clock=SystemClock(),
                settings=settings,
            )

        opened("north", "south", "west", "east").close()
        opened("north", "south").close()
        with pytest.raises(StoreUnfit, match="same order everywhere"):
            opened("south", "north")


@needs_redis
def test_a_server_that_forgot_the_scripts_is_given_them_again() -> None:
    import redis

    with redis_features(short("scripts")) as store:
        fill(store, 1)
        client = redis.Redis()
        client.script_flush()
        client.close()

        made = payment(1)
        store.apply(Changes("north", [Change("card_payment", made, 1)], 1))

        assert store.resume("north") == 1


@needs_redis
def test_what_one_partition_has_forgotten_another_one_does_not_bring_back() -> None:
    link = RedisLink(REDIS, timeout_s=1.0)
    prefix = f"kingpost-test-{uuid.uuid4().hex}:"
    key, meta = f"{prefix}key", f"{prefix}applied"
    group = Layout(VIEWS[:1]).groups[0]
    mine, *theirs = (group.pack(payment(n), n) for n in range(3))
    both = b"".join([mine, *theirs])
    try:
        link.exchange(meta, Applying("p", -1, 0, [Growth(key, both, 0)]), ())
        without_theirs = Rewrite(key, mine, theirs[1], len(both), mine)
        without_mine = Rewrite(key, mine, theirs[1], len(both), b"".join(theirs))

        first = link.exchange(meta, Applying("p", 0, 1, [], [without_theirs]), [key])
        second = link.exchange(meta, Applying("q", -1, 1, [], [without_mine]), [key])

        assert (first.is_stale, first.held) == (False, [mine])
        assert (second.is_stale, second.held) == (True, [mine])
        assert second.offsets == {"p": 1}
        link.shorten(meta, without_mine)
        assert link.exchange(meta, None, [key]).held == [mine]
        nothing = Rewrite(key, mine, mine, len(mine), b"")
        assert link.exchange(meta, Applying("q", -1, 1, [], [nothing]), [key]).held == [b""]
        assert link.keys(prefix) == [meta]
    finally:
        link.drop(prefix)
        link.close()


@needs_redis
def test_what_comes_while_a_key_is_shortened_stays_and_who_is_second_shortens_nothing() -> None:
    link = RedisLink(REDIS, timeout_s=5.0)
    prefix = f"kingpost-test-{uuid.uuid4().hex}:"
    key, meta = f"{prefix}key", f"{prefix}applied"
    group = Layout(VIEWS[:1]).groups[0]
    records = [group.pack(payment(n), n) for n in range(5)]
    try:
        for n in range(3):
            link.exchange(meta, Applying("p", n - 1, n, [Growth(key, records[n], 0)]), ())
        read = link.fetch(key)
        link.exchange(meta, Applying("p", 2, 3, [Growth(key, records[3], 0)]), ())

        link.shorten(meta, Rewrite(key, records[0], records[2], len(read), records[2]))
        link.shorten(meta, Rewrite(key, records[0], records[2], len(read), records[1]))
        last = Applying("p", 3, 4, [Growth(key, records[4], 0)])

        assert link.fetch(key) == b"".join(records[:4])
        assert link.exchange(meta, last, [key]).held == [b"".join(records[2:])]
    finally:
        link.drop(prefix)
        link.close()


def test_records_of_all_kinds_are_told_apart() -> None:
    group = Layout(VIEWS[:1]).groups[0]
    held = group.unpack(
        group.pack(payment(0, amount=1.0), 5)
        + group.pack(payment(1, amount=2.0), 6)
        + group.pack_end(payment(0, amount=1.0), 5)
    )

    assert held.rows.tolist() == [[6, START, 200]]
    assert held.low_us is None


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ExtraMissing, match=r"kingpost\[redis\]"):
        RedisLink(REDIS, timeout_s=5.0)


@pytest.mark.parametrize(
    "url",
    [
        "redis://kate:hunter2@127.0.0.1:1/0",
        "redis://:hunter2/x@127.0.0.1:1",
        "http://kate:hunter2@127.0.0.1:1",
        "hunter2",
        "rediss://kate:hunter2@127.0.0.1:1",
    ],
)
def test_no_error_tells_the_password(url: str) -> None:
    with pytest.raises(KingpostError) as raised:
        RedisLink(url, timeout_s=0.2).check()

    error: BaseException | None = raised.value
    while error is not None:
        assert "hunter2" not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@needs_redis
def test_a_key_that_expired_and_came_again_does_not_answer_for_what_it_lost() -> None:
    clock = StoppedClock(START)
    with redis_features(short("again"), clock=clock) as store:
        fill(store, 3)
        names = [
            key_name(store, VIEWS, by, key) for by, key in (("customer", "ann"), ("shop", "1"))
        ]
        clock.time_us += 400 * HOUR
        link = RedisLink(REDIS, timeout_s=5.0)
        assert [link.drop(name) for name in names] == [1, 1]  # as if their time had come
        link.close()
        back = payment(3, at=START + 400 * HOUR)
        store.apply(Changes("north", [Change("card_payment", back, 3)], 3))
        reader = store.reader(FEATURES)

        assert reader.read([back]).values[0, FEATURES.names.index("customer_n_30h")] == 1.0
        with pytest.raises(FeaturesForgotten):
            reader.read([payment(4, at=START + 3 * HOUR)])


held_short = kp.stream(payments.contract.type, retention="40h")
SHORT = [held_short.by("customer").over("30h").features(n=kp.count())]
SHORT_FEATURES = FeatureSet(payments.contract, SHORT, VIEWS[0].place)


def held_times(store: RedisFeatures) -> list[int]:
    """Return the hours of the events that Redis holds of Ann, gone ones included."""
    group = Layout(SHORT).groups[0]
    link = RedisLink(REDIS, timeout_s=1.0)
    records = np.frombuffer(link.fetch(key_name(store, SHORT, "customer", "ann")), "<i8")
    link.close()
    rows = records.reshape(-1, group.record_bytes // 8)
    return [(int(at) - START) // HOUR for s, at in rows[:, :2].tolist() if s != -(2**63)]


@needs_redis
@pytest.mark.parametrize("reads", [True, False])
def test_a_key_holds_what_the_retention_says_also_where_it_is_never_read(reads: bool) -> None:
    clock = StoppedClock(START)
    with redis_features(short("retention"), clock=clock, views=SHORT) as store:
        store.resume("north")
        reader = store.reader(SHORT_FEATURES)
        for hour in range(300):
            clock.time_us = made_at = START + hour * HOUR
            made = payment(hour, at=made_at)
            store.apply(Changes("north", [Change("card_payment", made, hour)], hour))
            if reads:
                assert reader.read([made]).values[0, 0] == min(hour + 1, 30)
                assert min(held_times(store)) > hour - 40 - 40 / 16 - 1
            else:
                assert min(held_times(store)) > hour - 2 * 40

        assert reader.read([payment(0, at=START + 290 * HOUR)]).values[0, 0] == 30.0
        with pytest.raises(FeaturesForgotten, match="retention"):
            reader.read([payment(0, at=START + 280 * HOUR)])
        reader.read([payment(0, at=START + 299 * HOUR)])
        store.apply(
            Changes(
                "north",
                [Change("card_payment", payment(299, at=START + 299 * HOUR), 300, 299)],
                300,
            )
        )
        assert reader.read([payment(0, at=START + 299 * HOUR)]).values[0, 0] == 29.0
        later = payment(301, at=START + 303 * HOUR)
        store.apply(Changes("north", [Change("card_payment", later, 301)], 301))
        clock.time_us = START + 303 * HOUR
        reader.read([later])
        reader.read([])  # what is too much goes with the next call, whatever that is
        assert held_times(store).count(299) == 0


@needs_redis
def test_a_key_of_a_stream_with_retention_expires_when_that_is_over() -> None:
    import redis

    with redis_features(short("retention-ttl"), views=SHORT, clock=StoppedClock(START)) as store:
        fill(store, 1)
        client = redis.Redis.from_url(REDIS)  # pyright: ignore[reportUnknownMemberType]
        ttl_ms: int = client.pttl(key_name(store, SHORT, "customer", "ann"))  # pyright: ignore[reportAssignmentType]  only an asynchronous client waits
        client.close()

        assert 39 * 3_600_000 < ttl_ms <= 40 * 3_600_000 + 1
