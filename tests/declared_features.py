"""Random feature declarations, and random streams to read them on."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import Contract, Event, batch_of
from kingpost.features import (
    NEVER,
    Feature,
    FeatureSet,
    History,
    Keyed,
    Reduction,
    Windowed,
    WindowFeatures,
)

__all__ = ["CONTRACTS", "START", "Order", "declarations", "every_aggregate", "histories"]

HOUR = 3_600_000_000
START = 1_533_081_600_000_000

Channel = Literal["web", "shop", "phone"]


class Order(kp.Event):
    """The request, and an event of its own stream."""

    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    shop: int
    amount: Annotated[float, kp.Resolution("0.01")]
    weight: float
    channel: Channel
    city: str
    is_gift: bool
    points: int | None = None
    note: str | None = None
    taste: Annotated[kp.Vector | None, kp.Dimension(3)] = None


class Return(kp.Event):
    """Known some hours after it happened."""

    order: kp.Key[int]
    at: kp.EventTime
    known_at: kp.KnownTime
    shop: int
    customer: str
    is_fraud: bool


class Profile(kp.Event):
    """What changes slowly about a customer."""

    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    limit: float
    age_days: int
    is_member: bool | None = None
    tier: Literal["basic", "gold"] | None = None
    score: Annotated[float | None, kp.Resolution("0.1")] = None
    taste: Annotated[kp.Vector | None, kp.Dimension(3)] = None


orders = kp.stream(Order)
returns = kp.stream(Return)
profiles = kp.stream(Profile)

CONTRACTS: dict[str, Contract[Event]] = {
    one.name: one.contract for one in (orders, returns, profiles)
}


def every_aggregate() -> dict[str, Callable[[], Reduction]]:
    """Return a way to make each aggregate of an order, by a name for it."""
    return {
        "count": kp.count,
        "count_of": lambda: kp.count("points"),
        "sum": lambda: kp.sum("amount"),
        "sum_there": lambda: kp.sum("points"),
        "mean": lambda: kp.mean("amount", default=-1.0),
        "min": lambda: kp.min("amount"),
        "max": lambda: kp.max("shop"),
        "var": lambda: kp.var("amount"),
        "std": lambda: kp.std("is_gift", default=-0.0),
        "first": lambda: kp.first("weight"),
        "last": lambda: kp.last("channel", default=-1.0),
        "last_there": lambda: kp.last("points"),
        "distinct": lambda: kp.distinct("city"),
        "distinct_few": lambda: kp.distinct("amount", exact_up_to=4),
        "distinct_weights": lambda: kp.distinct("weight"),
        "top": lambda: kp.top_k("channel", k=2),
        "top_shops": lambda: kp.top_k("shop", k=3, default=-1.0),
        "median": lambda: kp.quantile("amount", 0.5),
        "p99": lambda: kp.quantile("points", 0.99, default=-3.0),
        "decayed_sum": lambda: kp.decayed_sum("amount", half_life="3h"),
        "decayed_count": lambda: kp.decayed_count(half_life="1d"),
        "ratio": lambda: kp.ratio(kp.sum("amount"), kp.count("points"), default=-2.0),
        "gifts": lambda: kp.ratio(kp.sum("is_gift"), kp.count()),
        "since": kp.days_since,
    }


_WHERE: Sequence[Callable[[], Keyed]] = (
    lambda: orders.by("customer"),
    lambda: orders.by("shop"),
    lambda: orders.by("customer", "shop"),
    lambda: orders.where("channel", equals="web").by("customer"),
    lambda: orders.where("amount", above=10, below=5000).by("customer", "channel"),
    lambda: orders.where("city", one_of=["Oslo", "Lima"]).by("shop"),
    lambda: orders.where("is_gift", equals=False).where("points", below=3).by("shop", "city"),
)

_WINDOWS: Sequence[Callable[[Keyed], Windowed]] = (
    lambda keyed: keyed.over("2h", "30h"),
    lambda keyed: keyed.over("all"),
    lambda keyed: keyed.over("5h", "all", delay="1h"),
    lambda keyed: keyed.over("400d", delay="1us"),
    lambda keyed: keyed.tumbling("1h", "1d"),
    lambda keyed: keyed.tumbling("3h", delay="6h"),
)


@st.composite
def declarations(draw: st.DrawFn) -> FeatureSet:
    """Draw the features of a decision about an order."""
    views: list[Feature] = []
    for index in range(draw(st.integers(1, 3))):
        keyed, through = draw(st.sampled_from(_WHERE)), draw(st.sampled_from(_WINDOWS))
        made = every_aggregate()
        names = draw(st.lists(st.sampled_from(sorted(made)), min_size=1, max_size=6, unique=True))
        aggregates = {f"{name}_{index}": made[name]() for name in names}
        views.append(through(keyed()).features(**aggregates))
    if draw(st.booleans()):
        views.append(_risk(draw(st.sampled_from(["2h", "9h"]))))
    if draw(st.booleans()):
        views.append(_attributes(draw(st.sampled_from(["all", "6h", "2d"]))))
        if draw(st.booleans()):
            views.append(likeness)
    if draw(st.booleans()):
        views += [kp.field("taste"), _tastes()]
    return FeatureSet(orders.contract, views, orders.place)


def _risk(delay: str) -> WindowFeatures:
    return (
        returns.where("is_fraud", equals=True)
        .by("customer", "shop")
        .over("20h", "all", delay=delay)
        .features(n=kp.count(), since=kp.days_since(default=99.0))
    )


@kp.feature
def likeness(taste: kp.Vector | None, customer_taste: kp.Vector) -> float:
    """Take a vector of the request and one that was looked up."""
    if taste is None:
        raise ValueError("an order without a taste")
    return sum(a * b for a, b in zip(taste, customer_taste, strict=True))


def _tastes() -> WindowFeatures:
    return (
        orders.by("shop")
        .over("5h", "all")
        .features(n=kp.count("taste"), one=kp.first("taste"), now=kp.last("taste", default=0.1))
    )


def _attributes(max_age: str) -> WindowFeatures:
    return profiles.by("customer").latest(
        "limit", "taste", "age_days", "is_member", "tier", "score", max_age=max_age, default=-1.0
    )


# times in few steps, so that ties and late events are common
moments = st.integers(0, 60).map(lambda step: START + step * HOUR // 2)
amounts = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda cents: cents / 100),
    st.floats(-1e7, 1e7, allow_nan=False),
    st.just(0.0),
)
weights = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9),
    st.sampled_from([0.0, -0.0, 1.5]),
)
customers = st.sampled_from("ab")
tastes = st.none() | st.tuples(*[st.floats(width=32, allow_nan=False, allow_infinity=False)] * 3)


@st.composite
def _orders(draw: st.DrawFn, number: int, at: kp.Instant) -> Order:
    return Order(
        id=number,
        at=at,
        customer=draw(customers),
        shop=draw(st.integers(1, 3)),
        amount=draw(amounts),
        weight=draw(weights),
        channel=draw(st.sampled_from(("web", "shop", "phone"))),
        city=draw(st.sampled_from(("Oslo", "Lima", "Zürich", ""))),
        is_gift=draw(st.booleans()),
        points=draw(st.none() | st.integers(-5, 5)),
        taste=draw(tastes),
    )


@st.composite
def _returns(draw: st.DrawFn, number: int, at: kp.Instant) -> Return:
    return Return(
        order=number,
        at=at,
        known_at=kp.Instant(at.us + draw(st.integers(0, 8)) * HOUR),
        shop=draw(st.integers(1, 3)),
        customer=draw(customers),
        is_fraud=draw(st.booleans()),
    )


@st.composite
def _profiles(draw: st.DrawFn, number: int, at: kp.Instant) -> Profile:
    return Profile(
        id=number,
        at=at,
        customer=draw(customers),
        limit=draw(weights),
        age_days=draw(st.integers(0, 99)),
        is_member=draw(st.none() | st.booleans()),
        tier=draw(st.none() | st.sampled_from(("basic", "gold"))),
        score=draw(st.none() | amounts),
        taste=draw(tastes),
    )


@st.composite
def histories(draw: st.DrawFn, *, as_final: bool = False) -> dict[str, History]:
    """Draw events in the order in which they reached us, which is not that of their times.

    Some end later: retracted at a position of its own, or corrected at another event's.

    Args:
        as_final: None ends, and no profile has the very time of an order, so that arriving
            in order is enough to leave no hindsight.
    """
    kinds = draw(st.lists(st.sampled_from("ooorp"), min_size=1, max_size=40))
    events: dict[str, list[Event]] = {name: [] for name in CONTRACTS}
    at: dict[str, list[int]] = {name: [] for name in CONTRACTS}
    ends: dict[str, list[int]] = {name: [] for name in CONTRACTS}
    drawn = {"o": ("order", _orders), "r": ("return", _returns), "p": ("profile", _profiles)}
    for number, kind in enumerate(kinds):
        name, make = drawn[kind]
        position = number * 2
        moment = kp.Instant(draw(moments) - (as_final and kind == "p"))
        events[name].append(draw(make(number, moment)))
        at[name].append(position)
        ended = not as_final and draw(st.integers(0, 4)) == 0
        ends[name].append(position + draw(st.integers(1, 20)) if ended else NEVER)
    return {
        name: History(
            batch_of(contract, events[name]),
            np.array(at[name], np.int64),
            None if as_final else np.array(ends[name], np.int64),
        )
        for name, contract in CONTRACTS.items()
    }
