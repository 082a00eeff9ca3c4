"""Labels are joined by key, and only those known in time."""

from dataclasses import replace
from typing import Annotated

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import Texts, batch_of, contract_of
from kingpost.decisions import Decision
from kingpost.decisions.labels import labelled_requests, last_rows_of
from kingpost.features import NEVER, History
from kingpost.models import FittedModel, TrainingSet

HOUR = 3_600_000_000


class Payment(kp.Event):
    """A payment."""

    id: kp.Key[str]
    at: kp.EventTime
    amount: Annotated[float, kp.Resolution("0.01")]


class Finding(kp.Event):
    """What was found out about it."""

    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool | None


findings = kp.stream(Finding)


def no_trainer(data: TrainingSet) -> FittedModel:
    """Stand in for a trainer that no test calls."""
    raise AssertionError(data)


decision: Decision = kp.decision(
    "payment",
    request=Payment,
    features=[kp.field("amount")],
    model=kp.model("payment", trainer=no_trainer, label=findings.label("fraud")),
)


def payments(*keys: str) -> History:
    events = [Payment(id=key, at=kp.Instant(HOUR * at), amount=1.0) for at, key in enumerate(keys)]
    return History(batch_of(contract_of(Payment), events), np.arange(len(keys)) * 10)


def found(*rows: tuple[str, int, bool | None]) -> History:
    events = [
        Finding(payment=key, at=kp.Instant(0), known_at=kp.Instant(HOUR * hour), fraud=fraud)
        for key, hour, fraud in rows
    ]
    return History(batch_of(contract_of(Finding), events), np.arange(len(rows)) + 1000)


def test_each_request_gets_its_own_label_in_the_order_of_the_requests() -> None:
    histories = {
        "payment": payments("a", "b", "c"),
        "finding": found(("c", 1, True), ("a", 2, False)),
    }

    labelled = labelled_requests(decision, histories, known_until_us=None)

    assert labelled.requests.events.values("id") == ["a", "c"]
    assert labelled.requests.positions.tolist() == [0, 20]
    assert labelled.labels.tolist() == [0.0, 1.0]
    assert labelled.known_us.tolist() == [2 * HOUR, HOUR]
    assert labelled.requests.read_at is None


def test_a_label_that_became_known_later_is_not_there() -> None:
    histories = {"payment": payments("a", "b"), "finding": found(("a", 2, True), ("b", 3, True))}

    labelled = labelled_requests(decision, histories, known_until_us=2 * HOUR)

    assert labelled.requests.events.values("id") == ["a"]


def test_a_label_without_a_value_is_no_label() -> None:
    histories = {"payment": payments("a", "b"), "finding": found(("a", 1, None), ("b", 1, False))}

    labelled = labelled_requests(decision, histories, known_until_us=None)

    assert labelled.requests.events.values("id") == ["b"]


def test_a_label_of_an_unknown_request_changes_nothing() -> None:
    histories = {"payment": payments("a"), "finding": found(("z", 1, True))}

    assert len(labelled_requests(decision, histories, known_until_us=None)) == 0


def test_what_was_corrected_or_retracted_is_neither_request_nor_label() -> None:
    asked, told = payments("a", "b", "c"), found(("a", 1, True), ("b", 1, True), ("a", 1, False))
    histories = {
        "payment": replace(asked, ends=np.array([NEVER, NEVER, 4000])),
        "finding": replace(told, ends=np.array([1002, 2000, NEVER])),
    }

    labelled = labelled_requests(decision, histories, known_until_us=None)

    assert labelled.requests.events.values("id") == ["a"]
    assert labelled.labels.tolist() == [0.0]


def test_without_labels_nothing_is_labelled() -> None:
    histories = {"payment": payments("a"), "finding": found()}

    assert len(labelled_requests(decision, histories, known_until_us=None)) == 0


small = st.lists(st.integers(-3, 8), max_size=12)


@given(keys=small, wanted=small)
def test_the_last_row_of_a_key_is_found_for_numbers_and_for_texts(
    keys: list[int], wanted: list[int]
) -> None:
    expected = [
        max((at for at, key in enumerate(keys) if key == one), default=-1) for one in wanted
    ]

    numbers = last_rows_of(np.array(keys, np.int64), np.array(wanted, np.int64))
    texts = last_rows_of(texts_of(keys), texts_of(wanted))

    assert numbers.tolist() == expected
    assert texts.tolist() == expected


def texts_of(keys: list[int]) -> Texts:
    values = sorted({str(key) for key in keys})
    return Texts(np.array([values.index(str(key)) for key in keys], np.int32), values)
