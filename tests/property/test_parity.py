"""Features have the same bits online and offline, through the public declarations."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import Contract, Event, batch_of
from kingpost.features import (
    FeatureSet,
    History,
    Requests,
    as_lived,
    check_parity,
    different_bits,
    feature_matrix,
    hindsight,
)
from tests.declared_features import CONTRACTS as DECLARED
from tests.declared_features import START, declarations
from tests.declared_features import histories as declared_histories

HOUR = 3_600_000_000


class Payment(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: str
    shop: int
    amount: Annotated[float, kp.Resolution("0.01")]


class Dispute(kp.Event):
    payment: kp.Key[int]
    at: kp.EventTime
    known_at: kp.KnownTime
    shop: int
    fraud: bool


payments = kp.stream(Payment)
disputes = kp.stream(Dispute)

spend = (
    payments.by("customer")
    .over("2h", "30h")
    .features(
        n=kp.count(),
        total=kp.sum("amount"),
        mean=kp.mean("amount", default=-1.0),
        low=kp.min("amount"),
        high=kp.max("amount"),
        last=kp.last("amount"),
    )
)
risk = (
    disputes.by("shop").over("4h", "20h", delay="3h").features(n=kp.count(), rate=kp.mean("fraud"))
)


@kp.feature
def at_night(at: kp.EventTime) -> bool:
    return at.in_zone("Asia/Kolkata").hour <= 6


@kp.feature
def over_usual(amount: float, customer_mean_30h: float) -> float:
    return amount / customer_mean_30h


FEATURES = FeatureSet(
    payments.contract, [kp.field("amount"), spend, risk, at_night, over_usual], spend.place
)
CONTRACTS: dict[str, Contract[Event]] = {
    "payment": payments.contract,
    "dispute": disputes.contract,
}

amounts = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda cents: cents / 100),
    st.floats(-1e9, 1e9, allow_nan=False),
    st.just(0.0),
)
# times in few steps, so that ties and late events are common
moments = st.integers(0, 60).map(lambda step: START + step * HOUR // 2)


@st.composite
def streams(draw: st.DrawFn) -> dict[str, History]:
    """Events in the order in which they reached us, which is not that of their times."""
    kinds = draw(st.lists(st.booleans(), min_size=1, max_size=60))
    paid: list[Payment] = []
    disputed: list[Dispute] = []
    where: tuple[list[int], list[int]] = ([], [])
    for position, is_payment in enumerate(kinds):
        at = kp.Instant(draw(moments))
        shop = draw(st.integers(1, 3))
        where[is_payment].append(position * 2)
        if is_payment:
            paid.append(
                Payment(
                    id=position,
                    at=at,
                    customer=draw(st.sampled_from("ab")),
                    shop=shop,
                    amount=draw(amounts),
                )
            )
        else:
            known = kp.Instant(at.us + draw(st.integers(0, 8)) * HOUR)
            disputed.append(
                Dispute(
                    payment=position, at=at, known_at=known, shop=shop, fraud=draw(st.booleans())
                )
            )
    return {
        "payment": _history(payments.contract, paid, where[True]),
        "dispute": _history(disputes.contract, disputed, where[False]),
    }


def _history(contract: Contract[Event], events: Sequence[Event], at: list[int]) -> History:
    return History(batch_of(contract, events), np.array(at, np.int64))


@given(streams())
@settings(max_examples=80)
def test_every_read_has_the_same_bits_online_and_offline(histories: dict[str, History]) -> None:
    report = check_parity(FEATURES, CONTRACTS, histories, from_us=0, until_us=2**62)

    assert report.requests == len(histories["payment"])
    assert report.mismatches == 0, report.shown


@given(streams(), st.integers(0, 60))
@settings(max_examples=40)
def test_a_slice_as_lived_has_the_same_bits_too(histories: dict[str, History], step: int) -> None:
    lived = as_lived(CONTRACTS, histories)

    report = check_parity(
        FEATURES, CONTRACTS, lived, from_us=START + step * HOUR // 2, until_us=2**62
    )

    assert report.mismatches == 0, report.shown


@given(streams())
@settings(max_examples=40)
def test_a_stream_that_arrived_in_order_has_no_hindsight(histories: dict[str, History]) -> None:
    lived = as_lived(CONTRACTS, histories)
    asked = lived["payment"]

    recorded = feature_matrix(
        FEATURES, Requests(asked.events, asked.positions, asked.positions), lived
    )
    classical = feature_matrix(FEATURES, Requests(asked.events, asked.positions), lived)

    assert different_bits(FEATURES.names, recorded, classical).mismatches == 0


@given(st.integers(0, 3), st.integers(0, 1))
def test_one_different_bit_is_found_and_named(row: int, column: int) -> None:
    online = np.arange(8, dtype=np.float64).reshape(4, 2)
    offline = online.copy()
    offline[row, column] = np.nextafter(offline[row, column], np.inf)

    report = different_bits(("a", "b"), online, offline)

    assert report.mismatches == 1
    assert (report.shown[0].row, report.shown[0].feature) == (row, "ab"[column])


@given(declarations(), declared_histories())
@settings(max_examples=150)
def test_whatever_is_declared_has_the_same_bits_online_and_offline(
    features: FeatureSet, histories: dict[str, History]
) -> None:
    _same_bits(features, histories)


@given(declarations(), declared_histories(), st.integers(0, 60))
@settings(max_examples=50)
def test_whatever_is_declared_has_the_same_bits_from_the_middle_of_a_stream_on(
    features: FeatureSet, histories: dict[str, History], step: int
) -> None:
    report = check_parity(
        features, DECLARED, histories, from_us=START + step * HOUR // 2, until_us=2**62
    )

    assert report.mismatches == 0, report.shown


@given(declarations(), declared_histories(as_final=True))
@settings(max_examples=100)
def test_whatever_is_declared_has_no_hindsight_on_a_stream_in_order(
    features: FeatureSet, histories: dict[str, History]
) -> None:
    lived = as_lived(DECLARED, histories)
    asked = lived["order"]

    shares = hindsight(features, Requests(asked.events, asked.positions), lived)

    assert set(shares) == set(features.names)
    assert not any(shares.values())


@given(declarations(), declared_histories(), st.integers(1, 4))
@settings(max_examples=30)
def test_the_values_do_not_depend_on_what_is_computed_beside_them(
    features: FeatureSet, histories: dict[str, History], threads: int
) -> None:
    asked = histories["order"]
    requests = Requests(asked.events, asked.positions, asked.positions)
    together = feature_matrix(features, requests, histories, threads=threads)

    for slot in features.windows:
        alone = FeatureSet(features.request, [slot.view], slot.view.place)
        values = feature_matrix(alone, requests, histories)
        beside = together[:, slot.start : slot.start + len(alone)]
        assert different_bits(alone.names, beside, values).mismatches == 0


def test_the_twin_has_the_same_bits_online_and_offline() -> None:
    """In a process of its own: which kernel serves is decided at import."""
    run = subprocess.run(
        [sys.executable, "-c", _WITH_THE_TWIN],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr


def _same_bits(features: FeatureSet, histories: dict[str, History]) -> None:
    report = check_parity(features, DECLARED, histories, from_us=0, until_us=2**62)
    asked = histories["order"].counted()
    assert report.requests == len(asked)
    assert report.mismatches == 0, report.shown


_WITH_THE_TWIN = """
import sys
sys.modules["kingpost.features._kernel"] = None
from hypothesis import given, settings
from kingpost.features import KERNEL, check_parity
from tests.declared_features import CONTRACTS, declarations, histories

assert KERNEL == "python"

@given(declarations(), histories())
@settings(max_examples=25, deadline=None, database=None)
def same_bits(features, held):
    report = check_parity(features, CONTRACTS, held, from_us=0, until_us=2**62)
    assert report.mismatches == 0, report.shown

same_bits()
"""
