from collections.abc import Callable
from typing import Annotated

import pytest

import kingpost as kp
from kingpost.features import FeatureSet, LeakingLabel, WrongFeature

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


def test_a_window_on_a_field_that_may_be_missing_is_refused() -> None:
    assert "may be missing" in error_of(
        lambda: payments.by("customer").over("1d").features(m=kp.sum("points"))
    )


def test_a_key_that_may_be_missing_is_refused() -> None:
    assert "cannot be a key" in error_of(lambda: payments.by("note"))


@pytest.mark.parametrize("windows", [(), ("0d",), ("1d", "24h"), ("a week",)])
def test_windows_that_are_none_empty_equal_or_unreadable_are_refused(
    windows: tuple[str, ...],
) -> None:
    error_of(lambda: payments.by("customer").over(*windows))


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
