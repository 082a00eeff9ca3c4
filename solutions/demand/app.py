"""How much will be asked for, and is what is planned enough? Streams, features, decision.

A sale is one value of one series at one step: an hour, or a week. An order asks at a moment,
its origin, about a step `horizon` steps later, so every feature is a function of what was
known at the origin, and one declaration serves each horizon. A lag is a window of one step,
as long before the origin as it says; a seasonal lag is the same of the events that share
the target's place in the day, in the week or in the year, a key of its own.
"""

import math
from typing import Annotated, Literal

import kingpost as kp
from kingpost.models import LightGbmParameters, LightGbmTrainer

Amount = Annotated[float, kp.Range(ge=0), kp.Resolution("0.0001")]


class Sale(kp.Event):
    """What one series sold in one step, which ends at `at`."""

    id: kp.Key[str]
    at: kp.EventTime
    series: str
    hour: Annotated[int, kp.Range(ge=0, le=23)]
    place: Annotated[int, kp.Range(ge=0, le=167)]
    amount: Amount


class Order(kp.Event):
    """Will `planned` be enough for the step `horizon` steps after `at`?

    `hour` and `place` are those of that later step: its hour of the day, and its place in the
    long season, 0 to 167 for the hours of a week, 0 to 51 for the weeks of a year. A forecast
    is asked for by the same event, for any plan.
    """

    id: kp.Key[str]
    at: kp.EventTime
    series: str
    hour: Annotated[int, kp.Range(ge=0, le=23)]
    place: Annotated[int, kp.Range(ge=0, le=167)]
    horizon: Annotated[int, kp.Range(ge=1)]
    planned: Annotated[float, kp.Range(gt=0)] = 1.0
    day: Literal["unknown", "working", "free"] = "unknown"


class Outcome(kp.Event):
    """Whether the plan of an order fell short, known when its step is over."""

    order: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    short: bool


sales = kp.stream(Sale)
outcomes = kp.stream(Outcome)

series = sales.by("series")
same_hour = sales.by("series", "hour")
same_place = sales.by("series", "place")
newest = kp.last("amount", default=math.nan)
mean = kp.mean("amount", default=math.nan)
spread = kp.std("amount", default=math.nan)

hourly_windows = [
    series.over("1h").features(newest=newest),
    series.over("1h", delay="1h").features(lag_1=newest),
    series.over("1h", delay="2h").features(lag_2=newest),
    series.over("1h", delay="23h").features(lag_23=newest),
    series.over("1h", delay="24h").features(lag_24=newest),
    series.over("3h", "6h", "28d").features(mean=mean),
    series.over("1d", "7d").features(mean=mean, spread=spread),
    series.over("3h", "1d", delay="1d").features(mean_day_ago=mean),
    series.over("3h", "1d", "7d", delay="7d").features(mean_week_ago=mean),
    same_hour.over("1d").features(newest=newest),
    same_hour.over("1d", delay="1d").features(day_before=newest),
    same_hour.over("1d", delay="2d").features(two_before=newest),
    same_hour.over("7d").features(mean=mean, spread=spread),
    same_place.over("7d").features(newest=newest),
    same_place.over("7d", delay="7d").features(week_before=newest),
    same_place.over("28d").features(mean=mean),
]

weekly_windows = [
    series.over("7d").features(newest=newest),
    series.over("7d", delay="7d").features(lag_1=newest),
    series.over("7d", delay="14d").features(lag_2=newest),
    series.over("7d", delay="21d").features(lag_3=newest),
    series.over("7d", delay="28d").features(lag_4=newest),
    series.over("7d", delay="49d").features(lag_7=newest),
    series.over("7d", delay="84d").features(lag_12=newest),
    series.over("7d", delay="175d").features(lag_25=newest),
    series.over("7d", delay="357d").features(lag_51=newest),
    series.over("7d", delay="364d").features(lag_52=newest),
    series.over("28d", "182d", "728d").features(mean=mean),
    series.over("91d", "364d").features(mean=mean, spread=spread),
    same_place.over("364d").features(newest=newest),
    same_place.over("364d", delay="364d").features(year_before=newest),
]


@kp.feature
def week_trend(
    series_place_newest_7d: float, series_mean_1d: float, series_mean_week_ago_1d: float
) -> float:
    """Last week's step, raised as much as the last day is above the same day a week ago."""
    return series_place_newest_7d * series_mean_1d / series_mean_week_ago_1d


@kp.feature
def day_trend(series_hour_mean_7d: float, series_mean_1d: float, series_mean_7d: float) -> float:
    """The hour's mean of a week, raised as much as the last day is above the week."""
    return series_hour_mean_7d * series_mean_1d / series_mean_7d


@kp.feature
def year_trend(
    series_place_newest_364d: float, series_newest_7d: float, series_lag_51_7d: float
) -> float:
    """Last year's step, raised as much as this week is above the same week a year ago."""
    return series_place_newest_364d * series_newest_7d / series_lag_51_7d


@kp.feature
def weekday(place: int) -> int:
    """The day of the target's week, 0 to 6."""
    return place // 24


@kp.feature
def free_day(day: str) -> int:
    """Whether the target's day is a weekend's or a holiday."""
    return day == "free"


hourly = [*hourly_windows, week_trend, day_trend, kp.field("horizon")]
weekly = [*weekly_windows, year_trend, kp.field("horizon")]
city = [*hourly, kp.field("hour"), weekday, free_day]


@kp.feature
def plan_to_day(planned: float, series_hour_newest_1d: float) -> float:
    """How high the plan is beside the last value of the same hour."""
    return planned / series_hour_newest_1d


@kp.feature
def plan_to_week(planned: float, series_place_newest_7d: float) -> float:
    """How high the plan is beside the value a week before."""
    return planned / series_place_newest_7d


@kp.feature
def plan_to_mean(planned: float, series_hour_mean_7d: float) -> float:
    """How high the plan is beside the hour's mean of a week."""
    return planned / series_hour_mean_7d


@kp.feature
def plan_to_trend(planned: float, week_trend: float) -> float:
    """How high the plan is beside last week's step with this week's level."""
    return planned / week_trend


@kp.feature
def plan_to_level(planned: float, day_trend: float) -> float:
    """How high the plan is beside the hour's mean with the last day's level."""
    return planned / day_trend


shortage = kp.decision(
    "shortage",
    request=Order,
    features=[*city, plan_to_day, plan_to_week, plan_to_mean, plan_to_trend, plan_to_level],
    model=kp.model(
        "shortage",
        trainer=LightGbmTrainer(LightGbmParameters(num_leaves=15, rounds=200)),
        label=outcomes.label("short"),
    ),
    gate=kp.gate(min_confidence=0.7, otherwise=kp.review("planners", within="1d")),
    budget=kp.budget(total="1s", features="20ms", model="50ms"),
)
