"""What each declaration means, on a stream small enough to read."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import Contract, Event, batch_of
from kingpost.features import (
    NEVER,
    ExactAggregate,
    FeatureSet,
    History,
    OnlineFeatures,
    Reduction,
    Requests,
    SketchedAggregate,
    WindowFeatures,
    feature_matrix,
    hindsight,
)

NOON = 1_533_124_800_000_000
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Sale(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    shop: int
    amount: Annotated[float, kp.Resolution("0.01")]
    channel: Literal["web", "desk"] = "web"
    city: str = "Oslo"
    weight: float = 1.0
    points: int | None = None


class Profile(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    limit: float | None = None
    tier: Literal["basic", "gold"] = "basic"


class Ask(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    shop: int = 1


sales = kp.stream(Sale)
profiles = kp.stream(Profile)
asks = kp.stream(Ask)


def sale(minutes_ago: float, amount: float = 1.0, **more: object) -> Callable[[int], Sale]:
    at = kp.Instant(NOON - round(minutes_ago * MINUTE))
    named: dict[str, object] = {"customer": "ann", "shop": 1, **more}
    return lambda number: Sale(id=number, at=at, amount=amount, **named)  # pyright: ignore[reportArgumentType] checked by the contract


def history(
    contract: Contract[Event], made: Sequence[Callable[[int], Event]], ends: list[int] | None = None
) -> History:
    events = [make(number) for number, make in enumerate(made)]
    return History(
        batch_of(contract, events),
        np.arange(len(events), dtype=np.int64),
        None if ends is None else np.array(ends, np.int64),
    )


def values_at_noon(
    view: WindowFeatures,
    made: Sequence[Callable[[int], Event]],
    *,
    customer: str = "ann",
    shop: int = 1,
) -> dict[str, float]:
    """Read at noon, online and offline; both must agree."""
    features = FeatureSet(asks.contract, [view], view.place)
    contract = view.stream.contract
    held = history(contract, made)
    ask = Ask(id=1, at=kp.Instant(NOON), customer=customer, shop=shop)
    at = np.array([len(made)], np.int64)
    requests = Requests(batch_of(asks.contract, [ask]), at, at)
    values = feature_matrix(features, requests, {contract.name: held})[0]
    online = OnlineFeatures([view])
    for number, make in enumerate(made):
        online.apply(contract.name, make(number), number)
    read = np.zeros(len(features))
    online.reader(features).read(ask, len(made), read, 0)  # pyright: ignore[reportArgumentType] any float64 buffer will do
    assert read.tobytes() == values.tobytes()
    return dict(zip(features.names, values.tolist(), strict=True))


def value(one: Reduction, made: Sequence[Callable[[int], Event]]) -> float:
    view = sales.by("customer").over("1h").features(x=one)
    return values_at_noon(view, made)["customer_x_1h"]


SPREAD = (sale(50, 1.25), sale(40, 2.0), sale(30, 2.0), sale(20, 4.75), sale(70, 9.0))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (kp.count(), 4),
        (kp.sum("amount"), 10),
        (kp.mean("amount"), 2.5),
        (kp.min("amount"), 1.25),
        (kp.max("amount"), 4.75),
        (kp.var("amount"), 2.375),
        (kp.std("amount"), math.sqrt(2.375)),
        (kp.first("amount"), 1.25),
        (kp.last("amount"), 4.75),
        (kp.distinct("amount"), 3),
        (kp.ratio(kp.sum("amount"), kp.max("amount")), 10 / 4.75),
        (kp.days_since(), 20 / 1440),
    ],
)
def test_an_aggregate_is_its_plain_definition(one: Reduction, expected: float) -> None:
    assert value(one, SPREAD) == pytest.approx(expected, rel=1e-15)


def test_the_type_says_which_aggregates_are_exact_and_which_are_sketched() -> None:
    sketched = [
        kp.distinct("city"),
        kp.quantile("amount", 0.5),
        kp.decayed_sum("amount", half_life="1d"),
        kp.decayed_count(half_life="1d"),
    ]
    exact = [kp.count(), kp.sum("amount"), kp.std("amount"), kp.top_k("shop", k=2)]

    assert all(isinstance(one, SketchedAggregate) and one.error > 0 for one in sketched)
    assert all(isinstance(one, ExactAggregate) for one in exact)


@pytest.mark.parametrize(
    ("q", "expected"), [(0, 1.25), (0.25, 1.25), (0.5, 2), (0.9, 4.75), (1, 4.75)]
)
def test_a_quantile_of_few_events_is_one_of_their_values(q: float, expected: float) -> None:
    assert value(kp.quantile("amount", q), SPREAD) == expected


def test_a_quantile_of_many_events_is_within_its_declared_error() -> None:
    made = [sale(9, 1000 + number) for number in range(5000)]
    one = kp.quantile("amount", 0.5)

    assert value(one, made) == pytest.approx(3499, rel=one.error)


def test_a_count_of_distinct_values_beyond_its_bound_is_near_the_truth() -> None:
    made = [sale(9, city=str(number % 3000)) for number in range(4000)]
    one = kp.distinct("city", exact_up_to=100)

    assert value(kp.distinct("city", exact_up_to=3000), made) == 3000
    assert value(one, made) == pytest.approx(3000, rel=5 * one.error)


def test_a_decayed_sum_halves_with_each_half_life_within_its_declared_error() -> None:
    made = (sale(0, 8.0), sale(15, 8.0), sale(30, 8.0))
    sum_, count = kp.decayed_sum("amount", half_life="15m"), kp.decayed_count(half_life="15m")

    assert value(sum_, made) == pytest.approx(14.0, rel=sum_.error)
    assert value(count, made) == pytest.approx(1.75, rel=count.error)
    assert value(count, [sale(10)]) == pytest.approx(2 ** (-10 / 15), rel=count.error)


def test_the_most_frequent_values_come_in_order_and_of_equals_the_smaller_first() -> None:
    view = sales.by("customer").over("1h").features(top=kp.top_k("shop", k=3))
    made = [sale(9, shop=shop) for shop in (5, 3, 3, 9, 9)]

    assert view.names == ("customer_top_1_1h", "customer_top_2_1h", "customer_top_3_1h")
    assert list(values_at_noon(view, made).values()) == [3, 9, 5]


def test_a_rank_that_no_value_has_is_the_default() -> None:
    view = sales.by("customer").over("1h").features(top=kp.top_k("shop", k=2, default=-1.0))

    assert list(values_at_noon(view, [sale(9, shop=5)]).values()) == [5, -1]


def test_a_text_of_choices_counts_as_its_place_among_them() -> None:
    assert value(kp.last("channel"), [sale(9), sale(5, channel="desk")]) == 1


def test_free_text_can_be_counted_by_its_distinct_values() -> None:
    made = [sale(9, city=city) for city in ("Oslo", "Zürich", "Oslo", "")]

    assert value(kp.distinct("city"), made) == 3


def test_the_last_of_a_number_without_a_resolution_keeps_all_its_digits() -> None:
    assert value(kp.last("weight"), [sale(9, weight=0.1 + 0.2)]) == 0.1 + 0.2


def test_a_ratio_whose_denominator_is_zero_is_the_default() -> None:
    one = kp.ratio(kp.count(), kp.sum("amount"), default=-7.0)

    assert value(one, [sale(9, 0.0)]) == -7


def test_days_since_nothing_is_nan_unless_said_otherwise() -> None:
    assert math.isnan(value(kp.days_since(), []))
    assert value(kp.days_since(default=365.0), []) == 365


def test_events_without_a_value_are_left_out_of_what_is_computed_from_it() -> None:
    made = [sale(9, points=4), sale(8), sale(7, points=0)]

    assert value(kp.count(), made) == 3
    assert value(kp.count("points"), made) == 2
    assert value(kp.mean("points"), made) == 2


def test_a_filter_lets_through_only_what_meets_every_condition() -> None:
    made = [
        sale(9, 5.0, channel="desk"),
        sale(8, 50.0, channel="desk"),
        sale(7, 50.0, channel="web"),
        sale(6, 500.0, channel="desk"),
    ]
    view = (
        sales.where("channel", equals="desk")
        .where("amount", above=5, below=500)
        .by("customer")
        .over("1h")
        .features(n=kp.count())
    )

    assert values_at_noon(view, made) == {"customer_n_1h": 1}


def test_a_field_without_a_value_meets_no_condition() -> None:
    view = sales.where("points", below=5).by("customer").over("1h").features(n=kp.count())

    assert values_at_noon(view, [sale(9), sale(8, points=4)]) == {"customer_n_1h": 1}


def test_a_composite_key_must_match_in_every_field() -> None:
    view = sales.by("customer", "shop").over("1h").features(n=kp.count())
    made = [sale(9), sale(8, shop=2), sale(7, customer="bob"), sale(6)]

    assert values_at_noon(view, made) == {"customer_shop_n_1h": 2}
    assert values_at_noon(view, made, shop=3) == {"customer_shop_n_1h": 0}
    assert values_at_noon(view, made, customer="bob", shop=2) == {"customer_shop_n_1h": 0}


def test_all_time_has_no_far_edge() -> None:
    view = sales.by("customer").over("1h", "all").features(n=kp.count())
    made = [sale(60 * 24 * 366 * 40), sale(70), sale(5)]

    assert values_at_noon(view, made) == {"customer_n_1h": 1, "customer_n_all": 2 + 1}


def test_a_window_ends_its_delay_before_the_request_to_the_microsecond() -> None:
    view = sales.by("customer").over("1h", delay="30m").features(n=kp.count())
    micro = 1 / MINUTE
    made = [sale(90), sale(90 - micro), sale(30), sale(30 - micro)]

    assert values_at_noon(view, made) == {"customer_n_1h": 2}


def test_a_tumbling_window_is_the_last_whole_one_by_utc() -> None:
    view = sales.by("customer").tumbling("1h", "1d").features(n=kp.count())
    micro = 1 / MINUTE
    made = [sale(60 + micro), sale(60), sale(micro), sale(0), sale(13 * 60), sale(12 * 60)]

    assert values_at_noon(view, made) == {
        "customer_n_1h_tumbling": 2,
        "customer_n_1d_tumbling": 1,
    }


def profile(hours_ago: float, **values: object) -> Callable[[int], Profile]:
    at = kp.Instant(NOON - round(hours_ago * HOUR))
    return lambda number: Profile(id=number, at=at, customer="ann", **values)  # pyright: ignore[reportArgumentType] checked by the contract


def test_a_look_up_gives_the_latest_event_as_of_the_request_wherever_it_lies() -> None:
    view = profiles.by("customer").latest("limit", "tier")
    made = [profile(1, limit=0.3, tier="gold"), profile(48, limit=7.0), profile(-1, limit=9.0)]

    assert values_at_noon(view, made) == {"customer_limit": 0.3, "customer_tier": 1}


def test_a_look_up_of_a_field_that_the_latest_event_lacks_is_nan() -> None:
    view = profiles.by("customer").latest("limit", "tier", default=-1.0)
    found = values_at_noon(view, [profile(48, limit=7.0), profile(1)])

    assert math.isnan(found["customer_limit"])
    assert found["customer_tier"] == 0


def test_a_look_up_of_nothing_or_of_what_is_too_old_is_the_default() -> None:
    view = profiles.by("customer").latest("limit", max_age="1d", default=-1.0)

    assert values_at_noon(view, []) == {"customer_limit": -1}
    assert values_at_noon(view, [profile(24, limit=7.0)]) == {"customer_limit": -1}
    assert values_at_noon(view, [profile(23.9, limit=7.0)]) == {"customer_limit": 7}


def test_a_request_without_a_key_reads_the_defaults_and_no_other_key() -> None:
    class Doubt(kp.Event):
        id: kp.Key[int]
        at: kp.EventTime
        customer: str | None = None

    view = sales.by("customer").over("1h").features(n=kp.count())
    features = FeatureSet(kp.stream(Doubt).contract, [view], view.place)
    asked = batch_of(features.request, [Doubt(id=1, at=kp.Instant(NOON))])
    held = history(sales.contract, [sale(9, customer="")])

    values = feature_matrix(features, Requests(asked, np.zeros(1, np.int64)), {"sale": held})

    assert values.tolist() == [[0.0]]


def test_a_retracted_event_counts_until_it_is_retracted_and_then_no_more() -> None:
    view = sales.by("customer").over("1h").features(n=kp.count())
    features = FeatureSet(sales.contract, [view], view.place)
    held = history(sales.contract, [sale(9), sale(8), sale(7)], [2, NEVER, NEVER])
    asked = Requests(held.events, held.positions, held.positions)

    as_recorded = feature_matrix(features, asked, {"sale": held})
    classical = feature_matrix(features, Requests(held.events, held.positions), {"sale": held})

    assert as_recorded.tolist() == [[1], [2], [2]]
    assert classical.tolist() == [[0], [1], [2]]


def test_hindsight_is_the_share_of_rows_that_a_late_event_changed() -> None:
    view = sales.by("customer").over("1h").features(n=kp.count(), top=kp.max("amount"))
    features = FeatureSet(sales.contract, [view], view.place)
    held = history(sales.contract, [sale(9, 5.0), sale(8), sale(30), sale(1)])
    asked = Requests(held.events, held.positions, held.positions)

    shares = hindsight(features, asked, {"sale": held})

    assert shares == {"customer_n_1h": 0.5, "customer_top_1h": 0.0}
