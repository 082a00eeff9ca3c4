"""Vectors as features: named one by one, looked up whole, the same bits wherever they are held."""

import math
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import batch_of
from kingpost.features import (
    FeatureSet,
    History,
    MemoryRoom,
    OnlineFeatures,
    Reduction,
    Requests,
    WindowFeatures,
    WrongFeature,
    catalogue_of,
    feature_matrix,
)
from kingpost.features.packed_events import Layout
from tests.simulated_disk import SimulatedDisk

DIMENSION = 5
MINUTE = 60_000_000


class Visit(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    embedding: Annotated[kp.Vector, kp.Dimension(DIMENSION)]


class Taste(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    embedding: Annotated[kp.Vector, kp.Dimension(DIMENSION)]
    style: Annotated[kp.Vector | None, kp.Dimension(2)] = None


visits = kp.stream(Visit)
tastes = kp.stream(Taste)
taste = tastes.by("customer").latest("embedding", "style")


@kp.feature
def likeness(embedding: kp.Vector, customer_embedding: kp.Vector) -> float:
    """How much the visit is like the customer's taste."""
    return sum(a * b for a, b in zip(embedding, customer_embedding, strict=True))


FEATURES = FeatureSet(visits.contract, [kp.field("embedding"), taste, likeness], taste.place)


def vector(number: int, width: int = DIMENSION) -> tuple[float, ...]:
    drawn = np.random.default_rng(number).normal(size=width).astype(np.float32)
    return tuple(drawn.tolist())


def a_taste(number: int, customer: str, *, has_style: bool = True) -> Taste:
    style = vector(-number % 97, 2) if has_style else None
    at = kp.Instant(number * MINUTE)
    return Taste(id=number, at=at, customer=customer, embedding=vector(number), style=style)


def a_visit(customer: str, minute: int = 100) -> Visit:
    return Visit(id=0, at=kp.Instant(minute * MINUTE), customer=customer, embedding=vector(500))


TASTES = [a_taste(number, "ab"[number % 2], has_style=number % 3 > 0) for number in range(1, 40)]


def online(disk: SimulatedDisk | None = None) -> OnlineFeatures:
    room = None if disk is None else MemoryRoom(0, Path("/spill"), disk=disk)
    return OnlineFeatures([taste], room=room)


def values_of(held: OnlineFeatures, visit: Visit) -> bytes:
    out = array("d", bytes(8 * len(FEATURES)))
    held.reader(FEATURES).read(visit, 2**62, out, 0)
    return out.tobytes()


def offline(visit: Visit, past: Sequence[Taste]) -> bytes:
    asked = Requests(batch_of(visits.contract, [visit]), np.array([2**40]), np.array([2**40]))
    history = History(batch_of(tastes.contract, past), np.arange(len(past)))
    return feature_matrix(FEATURES, asked, {"taste": history}).tobytes()


def test_a_vector_is_a_feature_for_each_of_its_numbers() -> None:
    assert FEATURES.names == (
        *(f"embedding_{at}" for at in range(5)),
        *(f"customer_embedding_{at}" for at in range(5)),
        "customer_style_0",
        "customer_style_1",
        "likeness",
    )
    assert FEATURES.inputs == [f"embedding_{at}" for at in range(5)]


def test_a_vector_of_a_window_is_named_by_the_window_first() -> None:
    last = tastes.by("customer").over("7d").features(n=kp.count("style"), now=kp.last("style"))

    assert last.names == ("customer_n_7d", "customer_now_7d_0", "customer_now_7d_1")


@pytest.mark.parametrize("customer", ["a", "b", "nobody"])
def test_a_look_up_has_the_same_bits_wherever_events_are_held(customer: str) -> None:
    plain, spilled, restored, loaded = online(), online(SimulatedDisk()), online(), online()
    for position, one in enumerate(TASTES):
        plain.apply("taste", one, position)
        spilled.apply("taste", one, position)
    loaded.load({"taste": History(batch_of(tastes.contract, TASTES), np.arange(len(TASTES)))})
    [digest] = plain.streams
    restored.restore(digest, plain.dump(digest))
    visit = a_visit(customer)

    expected = offline(visit, TASTES)

    assert values_of(plain, visit) == expected
    assert values_of(spilled, visit) == expected
    assert values_of(restored, visit) == expected
    assert values_of(loaded, visit) == expected
    assert packed(visit, TASTES) == expected


def packed(visit: Visit, past: Sequence[Taste]) -> bytes:
    """Read as from Redis: events as packed bytes, a state of the kernel for one moment."""
    layout = Layout([taste])
    [group] = layout.groups
    held = b"".join(
        group.pack(one, at) for at, one in enumerate(past) if one.customer == visit.customer
    )
    rows = group.unpack(held).rows if held else None
    out = array("d", bytes(8 * len(FEATURES)))
    layout.reading(FEATURES).fill([visit], [visit.at.us], {0: [rows]}, out)
    return out.tobytes()


def test_a_retracted_vector_gives_way_to_the_one_before() -> None:
    held = online()
    for position, one in enumerate(TASTES[:6]):
        held.apply("taste", one, position)
    held.retract("taste", TASTES[4], 4)

    assert values_of(held, a_visit("b")) == offline(a_visit("b"), TASTES[:4])


def test_a_missing_vector_is_nan_in_each_place_and_so_is_what_is_made_of_it() -> None:
    out = array("d", bytes(8 * len(FEATURES)))
    online().reader(FEATURES).read(a_visit("nobody"), 1, out, 0)

    assert all(map(math.isnan, out[5:]))
    assert out[:5] == array("d", vector(500))


def test_a_default_stands_in_each_place() -> None:
    view = tastes.by("customer").latest("embedding", default=-1.5)
    features = FeatureSet(visits.contract, [view], view.place)
    out = array("d", bytes(8 * len(features)))

    OnlineFeatures([view]).reader(features).read(a_visit("nobody"), 1, out, 0)

    assert out.tolist() == [-1.5] * 5


def by_embedding() -> object:
    return tastes.by("embedding")


def over_a_week(aggregate: Reduction) -> Callable[[], WindowFeatures]:
    return lambda: tastes.by("customer").over("7d").features(x=aggregate)


@pytest.mark.parametrize(
    ("declare", "problem", "mend"),
    [
        (
            lambda: tastes.by("embedding"),
            "is vector and cannot be a key",
            "group by a str or int field",
        ),
        (
            lambda: tastes.where("embedding", equals=1.0),
            "neither equal to a value nor ordered",
            "filter by text",
        ),
        (
            over_a_week(kp.mean("embedding")),
            "is a vector, of which",
            "kp.last, kp.first or kp.count",
        ),
        (over_a_week(kp.distinct("embedding")), "is a vector, of which", "kp.last"),
        (over_a_week(kp.top_k("embedding", k=2)), "is a vector, of which", "kp.last"),
        (over_a_week(kp.quantile("embedding", 0.5)), "is a vector, of which", "kp.last"),
        (lambda: tastes.label("embedding"), "label 'embedding' is vector", "use a bool"),
    ],
)
def test_what_a_vector_cannot_be_is_refused_at_import(
    declare: Callable[[], object], problem: str, mend: str
) -> None:
    with pytest.raises(WrongFeature) as caught:
        declare()

    assert str(caught.value).startswith(__file__)
    assert problem in str(caught.value)
    assert mend in str(caught.value)


def test_a_function_may_not_be_called_like_a_vector() -> None:
    @kp.feature
    def customer_embedding(customer: str) -> float:
        return len(customer)

    with pytest.raises(WrongFeature, match="two features are called 'customer_embedding'"):
        FeatureSet(visits.contract, [taste, customer_embedding], taste.place)


def test_the_catalogue_has_a_line_for_a_vector_and_not_for_its_numbers() -> None:
    entries = {one.name: one for one in catalogue_of(FEATURES)}

    assert list(entries) == ["embedding", "customer_embedding", "customer_style", "likeness"]
    assert entries["customer_embedding"].dimension == DIMENSION
    assert entries["customer_embedding"].feeds == ("likeness",)
    assert entries["likeness"].takes == ("customer_embedding",)
    assert (
        entries["customer_embedding"].summary
        == "latest taste.embedding by customer: a vector of 5 numbers"
    )
