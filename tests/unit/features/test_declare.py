import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest

import kingpost as kp
from kingpost.features import (
    FeatureSet,
    Filtered,
    LeakingLabel,
    OnlineFeatures,
    Reduction,
    WrongFeature,
)

HERE = __file__


class Payment(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    shop: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
    weight: float
    note: str | None = None
    points: int | None = None
    channel: Literal["web", "shop"] = "web"
    is_gift: bool = False


class Dispute(kp.Event):
    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    shop: str
    fraud: bool


payments = kp.stream(Payment)
disputes = kp.stream(Dispute)


def error_of(declare: Callable[[], object], kind: type[WrongFeature] = WrongFeature) -> str:
    with pytest.raises(kind) as caught:
        declare()
    text = str(caught.value)
    assert text.startswith(HERE), "the error names the file and the line"
    return text


def test_features_are_named_by_key_aggregate_and_window() -> None:
    spend = payments.by("customer").over("1d", "12h").features(n=kp.count(), mean=kp.mean("amount"))

    assert spend.names == (
        "customer_n_1d",
        "customer_mean_1d",
        "customer_n_12h",
        "customer_mean_12h",
    )


def test_an_unknown_field_is_refused_and_the_nearest_one_suggested() -> None:
    text = error_of(lambda: payments.by("customer").over("1d").features(m=kp.mean("amuont")))

    assert "no field 'amuont'" in text
    assert "did you mean 'amount'?" in text


def test_a_window_on_text_is_refused() -> None:
    assert "is text" in error_of(
        lambda: payments.by("customer").over("1d").features(m=kp.max("shop"))
    )


def test_a_window_on_a_number_without_a_resolution_is_refused_with_the_mend() -> None:
    text = error_of(lambda: payments.by("customer").over("1d").features(m=kp.sum("weight")))

    assert 'weight: Annotated[float, kp.Resolution("0.01")]' in text


def test_a_key_that_may_be_missing_is_refused() -> None:
    assert "cannot be a key" in error_of(lambda: payments.by("note"))


@pytest.mark.parametrize(
    "windows", [(), ("0d",), ("1d", "24h"), ("a week",), ("all", "all"), ("99999999d",)]
)
def test_windows_that_are_none_empty_equal_or_unreadable_are_refused(
    windows: tuple[str, ...],
) -> None:
    error_of(lambda: payments.by("customer").over(*windows))
    if "all" not in windows:
        error_of(lambda: payments.by("customer").tumbling(*windows))


def test_a_window_over_labels_needs_a_delay() -> None:
    text = error_of(lambda: disputes.by("shop").over("1d"), LeakingLabel)

    assert 'delay="7d"' in text


def test_a_label_needs_the_time_it_became_known() -> None:
    assert "known_at: kp.KnownTime" in error_of(lambda: payments.label("amount"), LeakingLabel)


def test_two_features_of_one_name_are_refused_naming_both_lines() -> None:
    one = payments.by("customer").over("1d").features(n=kp.count())
    two = payments.by("customer").over("1d").features(n=kp.max("amount"))

    text = error_of(lambda: FeatureSet(kp.stream(Payment).contract, [one, two], one.place))

    assert "two features are called 'customer_n_1d'" in text
    assert str(one.place) in text


def test_features_by_a_key_that_the_request_lacks_are_refused() -> None:
    class Ping(kp.Event):
        id: kp.Key[str]
        at: kp.EventTime

    view = payments.by("customer").over("1d").features(n=kp.count())

    assert "need that field" in error_of(
        lambda: FeatureSet(kp.stream(Ping).contract, [view], view.place)
    )


def test_asking_a_moment_for_its_hour_without_a_zone_is_refused_at_import() -> None:
    @kp.feature
    def at_night(at: kp.EventTime) -> bool:
        return at.hour <= 6  # pyright: ignore[reportAttributeAccessIssue]: the mistake under test

    text = error_of(lambda: FeatureSet(payments.contract, [at_night], at_night.place))

    assert "no time zone" in text
    assert "in_zone" in text


def test_a_function_of_an_unknown_name_is_refused() -> None:
    @kp.feature
    def odd(amuont: float) -> float:
        return amuont

    assert "'amuont'" in error_of(lambda: FeatureSet(payments.contract, [odd], odd.place))


def test_a_text_field_is_no_feature() -> None:
    assert "is text" in error_of(
        lambda: FeatureSet(payments.contract, [kp.field("shop")], kp.field("shop").place)
    )


def test_the_digest_changes_with_what_the_values_depend_on_and_with_nothing_else() -> None:
    def digest(window: str, delay: str | None = None) -> str:
        view = payments.by("customer").over(window, delay=delay).features(n=kp.count())
        return FeatureSet(payments.contract, [view], view.place).digest

    assert digest("1d") == digest("24h")
    assert digest("1d") != digest("2d")
    assert digest("1d") != digest("1d", "1h")


def test_the_digest_tells_apart_filters_keys_arguments_and_kinds_of_window() -> None:
    keyed, web = payments.by("customer"), payments.where("channel", equals="web")
    views = [
        keyed.over("1d").features(n=kp.count()),
        keyed.over("all").features(n=kp.count()),
        keyed.tumbling("1d").features(n=kp.count()),
        keyed.over("1d").features(n=kp.count("points")),
        payments.by("customer", "shop").over("1d").features(n=kp.count()),
        payments.by("shop", "customer").over("1d").features(n=kp.count()),
        web.by("customer").over("1d").features(n=kp.count()),
        payments.where("channel", equals="shop").by("customer").over("1d").features(n=kp.count()),
        keyed.over("1d").features(n=kp.top_k("is_gift", k=1)),
        keyed.over("1d").features(n=kp.quantile("amount", 0.5)),
        keyed.over("1d").features(n=kp.quantile("amount", 0.9)),
        keyed.over("1d").features(n=kp.decayed_count(half_life="1d")),
        keyed.over("1d").features(n=kp.decayed_count(half_life="2d")),
        keyed.over("1d").features(n=kp.ratio(kp.count(), kp.sum("amount"))),
        keyed.over("1d").features(n=kp.ratio(kp.sum("amount"), kp.count())),
        keyed.over("1d").features(n=kp.last("amount", default=math.nan)),
        keyed.latest("amount", max_age="1d"),
    ]

    digests = {FeatureSet(payments.contract, [view], view.place).digest for view in views}

    assert len(digests) == len(views)


def test_the_order_of_conditions_changes_nothing() -> None:
    def digest(filtered: Filtered) -> str:
        view = filtered.by("customer").over("1d").features(n=kp.count())
        return FeatureSet(payments.contract, [view], view.place).digest

    one = payments.where("channel", equals="web").where("amount", above=1)
    other = payments.where("amount", above=1).where("channel", one_of=["web"])

    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("field", "condition", "says"),
    [
        ("amount", {}, "has no condition"),
        ("amount", {"one_of": []}, "has no condition"),
        ("amuont", {"above": 1}, "did you mean 'amount'?"),
        ("at", {"above": 1}, "is a time"),
        ("shop", {"above": 1}, "is text"),
        ("shop", {"equals": 1}, "is text"),
        ("amount", {"equals": "1"}, "is number"),
        ("amount", {"above": math.nan}, "is number"),
        ("points", {"equals": True}, "is integer"),
        ("is_gift", {"equals": 1}, "is boolean"),
        ("channel", {"one_of": ["web", "shpo"]}, "is never 'shpo'"),
    ],
)
def test_a_condition_that_a_field_can_never_meet_is_refused(
    field: str, condition: dict[str, Any], says: str
) -> None:
    assert says in error_of(lambda: payments.where(field, **condition))
    assert says in error_of(
        lambda: payments.where("is_gift", equals=True).where(field, **condition)
    )


def test_a_composite_key_names_its_features_by_all_its_fields() -> None:
    view = payments.by("customer", "shop").over("1d").features(n=kp.count())

    assert view.names == ("customer_shop_n_1d",)
    assert "each once" in error_of(lambda: payments.by("customer", "customer"))
    assert "needs a key" in error_of(payments.by)


def test_windows_over_all_time_and_tumbling_ones_say_so_in_their_names() -> None:
    keyed = payments.by("customer")

    assert keyed.over("365d", "all").features(n=kp.count()).names == (
        "customer_n_365d",
        "customer_n_all",
    )
    assert keyed.tumbling("1h").features(n=kp.count()).names == ("customer_n_1h_tumbling",)


def test_a_delay_that_cuts_tumbling_windows_is_refused() -> None:
    assert "would cut" in error_of(lambda: payments.by("customer").tumbling("1h", delay="90m"))


def test_a_filtered_group_of_the_same_names_is_refused() -> None:
    every = payments.by("customer").over("1d").features(n=kp.count())
    some = payments.where("shop", equals="x").by("customer").over("1d").features(n=kp.count())

    text = error_of(lambda: FeatureSet(payments.contract, [every, some], some.place))

    assert "two features are called 'customer_n_1d'" in text


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: kp.last("shop"), "is text"),
        (lambda: kp.first("at"), "is time"),
        (lambda: kp.top_k("shop", k=2), "is text"),
        (lambda: kp.top_k("weight", k=2), "no resolution"),
        (lambda: kp.quantile("weight", 0.5), "no resolution"),
        (lambda: kp.std("channel"), "is text"),
        (lambda: kp.distinct("at"), "is time"),
        (lambda: kp.ratio(kp.sum("weight"), kp.count()), "no resolution"),
        (lambda: kp.ratio(kp.count(), kp.count("amuont")), "did you mean 'amount'?"),
    ],
)
def test_an_aggregate_of_a_field_that_does_not_fit_it_is_refused(
    make: Callable[[], Reduction], says: str
) -> None:
    assert says in error_of(lambda: payments.by("customer").over("1d").features(x=make()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: kp.top_k("points", k=0),
        lambda: kp.top_k("points", k=101),
        lambda: kp.quantile("points", 1.5),
        lambda: kp.distinct("points", exact_up_to=0),
        lambda: kp.decayed_count(half_life="0d"),
        lambda: kp.decayed_sum("points", half_life="long"),
        lambda: kp.ratio(kp.top_k("points", k=2), kp.count()),
    ],
)
def test_an_aggregate_of_an_argument_out_of_range_is_refused(make: Callable[[], Reduction]) -> None:
    error_of(make)


def test_a_look_up_is_named_by_key_and_field() -> None:
    assert payments.by("customer").latest("weight", "channel").names == (
        "customer_weight",
        "customer_channel",
    )


def test_a_look_up_of_free_text_or_of_nothing_is_refused() -> None:
    assert "is text" in error_of(lambda: payments.by("customer").latest("shop"))
    assert "needs fields" in error_of(lambda: payments.by("customer").latest())


def test_a_look_up_of_what_becomes_known_later_needs_a_delay() -> None:
    error_of(lambda: disputes.by("shop").latest("fraud"), LeakingLabel)
    error_of(lambda: disputes.by("shop").tumbling("1d"), LeakingLabel)


kept = kp.stream(Payment, retention="40d")


@pytest.mark.parametrize(
    "declare",
    [
        lambda: kept.by("customer").over("41d"),
        lambda: kept.by("customer").over("1d", "all"),
        lambda: kept.by("customer").over("30d", delay="11d"),
        lambda: kept.by("customer").tumbling("21d"),
        lambda: kept.where("shop", equals="s").by("customer").over("41d"),
        lambda: kept.by("customer").latest("amount"),
        lambda: kept.by("customer").latest("amount", max_age="40d", delay="1us"),
    ],
)
def test_a_window_that_looks_back_beyond_the_retention_is_refused_with_what_would_do(
    declare: Callable[[], object],
) -> None:
    text = error_of(declare)

    assert "are held for 40d" in text
    assert '"40d"' in text


def test_a_window_that_ends_with_the_retention_is_none_the_worse_for_it() -> None:
    held = kept.by("customer").over("40d").features(n=kp.count())
    plain = payments.by("customer").over("40d").features(n=kp.count())
    kept.by("customer").tumbling("20d")
    kept.by("customer").over("30d", delay="10d")
    kept.by("customer").latest("amount", max_age="40d")

    assert held.description == plain.description
    assert held.stream.retention_us == 40 * 86_400_000_000


@pytest.mark.parametrize("retention", ["0s", "999ms", "all", "a while", "99999999d"])
def test_a_retention_that_is_no_length_of_time_is_refused(retention: str) -> None:
    assert 'retention="400d"' in error_of(lambda: kp.stream(Payment, retention=retention))


def test_a_stream_declared_with_two_retentions_is_refused() -> None:
    views = [one.by("customer").over("1d").features(n=kp.count()) for one in (kept, payments)]

    assert "another retention" in error_of(lambda: OnlineFeatures(views))
