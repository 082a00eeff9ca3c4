"""What the catalogue says of a feature, and what makes another version of it."""

from typing import Annotated

import pytest

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.core import Place
from kingpost.features import Feature, FeatureEntry, FeatureSet, WrongFeature, catalogue_of


class Payment(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    card: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
    points: int = 0


payments = kp.stream(Payment)
windows = payments.by("card").over("1d", "7d")
spend = windows.features(count=kp.count(), mean=kp.mean("amount"), most=kp.max("points"))


@kp.feature
def to_usual(amount: float, card_mean_7d: float) -> float:
    """Compare a payment with the card's own.

    What follows is not shown in lists.
    """
    return amount / card_mean_7d


@kp.feature
def is_high(to_usual: float) -> bool:
    return to_usual > 3


FEATURES = (kp.field("amount"), spend, to_usual, is_high)


def set_of(*features: Feature) -> FeatureSet:
    return FeatureSet(contract_of(Payment), features, Place(__file__, 1))


def catalogued(*features: Feature) -> dict[str, FeatureEntry]:
    return {one.name: one for one in catalogue_of(set_of(*features))}


def versions(*features: Feature) -> dict[str, str]:
    return {name: one.version for name, one in catalogued(*features).items()}


def test_there_is_an_entry_per_feature_in_the_order_of_the_model() -> None:
    features = set_of(*FEATURES)

    assert tuple(one.name for one in catalogue_of(features)) == features.names


def test_a_window_says_what_it_is_made_of() -> None:
    one = catalogued(*FEATURES)["card_mean_7d"]

    assert one.summary == "mean of payment.amount over 7d by card"
    assert (one.kind, one.value_type, one.default) == ("window", "number", 0.0)
    assert [f"{read.stream}.{read.field}" for read in one.reads] == [
        "payment.card",
        "payment.amount",
    ]
    assert one.feeds == ("to_usual",)
    assert one.place.file == __file__


def test_a_function_says_what_it_takes_and_what_its_docstring_begins_with() -> None:
    one = catalogued(*FEATURES)["to_usual"]

    assert one.summary == "function of amount, card_mean_7d"
    assert one.about.description == "Compare a payment with the card's own."
    assert (one.takes, one.feeds) == (("card_mean_7d",), ("is_high",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("amount", "number"),
        ("card_count_1d", "integer"),
        ("card_most_1d", "integer"),
        ("card_mean_1d", "number"),
        ("is_high", "boolean"),
    ],
)
def test_a_value_has_a_type(name: str, expected: str) -> None:
    assert catalogued(*FEATURES)[name].value_type == expected


def test_what_people_say_of_a_feature_changes_no_digest() -> None:
    said = (
        kp.described(kp.field("amount"), owner="payments", tags=["money"]),
        kp.described(spend, owner="risk", description="What the card spent."),
        kp.described(to_usual, owner="risk", description="Is it much?"),
        is_high,
    )

    assert versions(*said) == versions(*FEATURES)
    assert set_of(*said).digest == set_of(*FEATURES).digest
    one = catalogued(*said)["card_mean_7d"]
    assert (one.about.owner, one.about.description) == ("risk", "What the card spent.")
    assert catalogued(*said)["to_usual"].about.description == "Is it much?"


def test_what_is_said_twice_adds_up() -> None:
    one = kp.described(kp.described(spend, owner="risk", tags=["a", "a"]), description="Spent.")

    assert (one.about.owner, one.about.description, one.about.tags) == ("risk", "Spent.", ("a",))


def test_another_window_leaves_its_neighbours_their_versions() -> None:
    longer = payments.by("card").over("1d", "8d").features(**spend.aggregates)

    before, after = versions(spend), versions(longer)

    assert before["card_mean_1d"] == after["card_mean_1d"]
    assert before.keys() ^ after.keys() == {
        f"card_{name}_{window}" for name in ("count", "mean", "most") for window in ("7d", "8d")
    }


def test_another_default_is_another_version_of_it_and_of_all_that_take_it() -> None:
    other = windows.features(
        count=kp.count(), mean=kp.mean("amount", default=1.0), most=kp.max("points")
    )

    before, after = versions(*FEATURES), versions(kp.field("amount"), other, to_usual, is_high)

    assert {name for name in before if before[name] != after[name]} == {
        "card_mean_1d",
        "card_mean_7d",
        "to_usual",
        "is_high",
    }


def test_a_delay_is_another_version() -> None:
    later = payments.by("card").over("1d", "7d", delay="1d").features(**spend.aggregates)

    assert not set(versions(later).values()) & set(versions(spend).values())
    assert catalogued(later)["card_count_1d"].summary.endswith("by card, ending 1d before")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "nothing is said"),
        ({"tags": "money"}, "is a text"),
        ({"tags": [" "]}, "a tag is empty"),
        ({"owner": "x" * 2001}, "2,001 characters"),
        ({"owner": "ris\u202ek"}, "cannot be shown"),
    ],
)
def test_what_cannot_be_said_is_refused_with_its_line(said: dict[str, str], problem: str) -> None:
    with pytest.raises(WrongFeature, match=problem) as caught:
        kp.described(spend, **said)  # pyright: ignore[reportArgumentType]  wrong on purpose

    assert caught.value.place.file == __file__
