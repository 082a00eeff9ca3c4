"""Tokens that a model notes: shared among the rows it scored, and durable beside their records."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.core import KingpostError
from kingpost.decisions import Ask, Cache, Engine, ServedDecision, WrongTokens
from kingpost.decisions.token_notes import noting, usage_entries
from kingpost.journal import Commit, scan
from kingpost.records import DecisionRecord, decode_record, decode_usage
from tests.decision_records import RECORD
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import APPLICATION, BUNDLE, MODEL, FakeClock, Payment, fraud, payment

DATA = Path("/journal/data")
DECODE = contract_of(Payment).decode


class Asking:
    """A model that asks another one, seven tokens a row and one for the call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, rows: NDArray[np.float32]) -> Sequence[float]:
        self.calls += 1
        kp.note_tokens("small", input_tokens=7 * len(rows) + 1, output_tokens=len(rows))
        if (rows[:, 0] == 666).any():
            raise ArithmeticError("the model broke")
        return (rows[:, 0] / 1000).tolist()

    score = __call__


def commits_of(
    *amounts: float,
    predict: Callable[[NDArray[np.float32]], Sequence[float]] | None,
    cache: Cache | None = None,
) -> list[Commit]:
    """Decide payments in one batch; return what the journal has then."""
    disk, clock, asking = SimulatedDisk(), FakeClock(), Asking()
    decision = replace(fraud, model=replace(fraud.model, predict=predict, cache=cache))
    served = {"fraud": ServedDecision(decision, BUNDLE, MODEL, asking, 0.5)}
    engine = Engine.open(DATA, APPLICATION, served, disk=disk, clock=clock)
    bodies = [payment(f"p{at}", amount, card=f"c{at}") for at, amount in enumerate(amounts)]
    asks = [
        Ask("fraud", "acme", "key-1", DECODE(body), body, "0" * 32, None, None, 0)
        for body in bodies
    ]
    landed = Event()

    def hear(error: KingpostError | None) -> None:
        assert error is None
        landed.set()

    engine.decide(asks, hear)
    assert landed.wait(10)
    engine.close()
    return list(scan(DATA, disk=disk))


def used(commits: Sequence[Commit]) -> dict[bytes, list[tuple[str, int, int]]]:
    return {
        usage.record: [(one.model, one.input_tokens, one.output_tokens) for one in usage.tokens]
        for commit in commits
        for entry in commit.entries
        if entry.kind == "usage"
        for usage in [decode_usage(entry.body)]
    }


def records_in(commits: Sequence[Commit]) -> list[DecisionRecord]:
    return [
        decode_record(entry.body)
        for commit in commits
        for entry in commit.entries
        if entry.kind == "record"
    ]


def test_a_batch_shares_its_tokens_to_the_last_one() -> None:
    commits = commits_of(20, 30, 40, predict=Asking())

    first, second, third = (one.id for one in records_in(commits))
    assert used(commits) == {
        first: [("small", 8, 1)],
        second: [("small", 7, 1)],
        third: [("small", 7, 1)],
    }
    [last] = [entry for entry in commits[-1].entries if entry.body.find(third) >= 0]
    assert (last.kind, last.tenant, last.topic) == ("usage", "acme", "fraud")


def test_calls_that_broke_are_paid_for_as_well() -> None:
    commits = commits_of(20, 666, predict=Asking())

    # together, then row by row: 15 + 8 + 8 read and 2 + 1 + 1 written
    assert [tokens[0][1:] for tokens in used(commits).values()] == [(16, 2), (15, 2)]


def test_a_row_whose_score_was_found_used_nothing() -> None:
    cache = Cache(entries=10, size_bytes=1 << 20, ttl_us=None)

    commits = commits_of(20, 20, predict=Asking(), cache=cache)

    cached = {one.id: one.is_cached for one in records_in(commits)}
    assert sorted(cached.values()) == [False, True]
    assert [cached[identifier] for identifier in used(commits)] == [False]


def test_a_model_that_is_no_function_writes_no_byte_more() -> None:
    commits = commits_of(20, 30, predict=None)

    kinds = [entry.kind for commit in commits for entry in commit.entries]
    assert kinds[-4:] == ["event", "record"] * 2
    assert "usage" not in kinds


def test_what_is_noted_elsewhere_is_dropped_and_what_is_wrong_refused() -> None:
    kp.note_tokens("small", input_tokens=5)
    with pytest.raises(WrongTokens, match="-1 of 'small'"):
        kp.note_tokens("small", input_tokens=-1)
    with pytest.raises(WrongTokens, match="called ''"):
        kp.note_tokens("", input_tokens=1)
    with pytest.raises(WrongTokens, match="1.5 of"):
        kp.note_tokens("small", input_tokens=1, output_tokens=1.5)  # pyright: ignore[reportArgumentType]


@given(
    noted=st.dictionaries(
        st.sampled_from(["small", "large"]),
        st.lists(st.integers(0, 1_000), min_size=2, max_size=2),
        min_size=1,
    ),
    rows=st.integers(1, 40),
)
def test_shares_add_up_to_what_was_noted(noted: dict[str, list[int]], rows: int) -> None:
    made = [msgspec.structs.replace(RECORD, id=at.to_bytes(16)) for at in range(rows)]

    shares = [decode_usage(entry.body) for entry in usage_entries(noted, made)]

    for model, (read, written) in noted.items():
        parts = [one for share in shares for one in share.tokens if one.model == model]
        assert sum(one.input_tokens for one in parts) == read
        assert sum(one.output_tokens for one in parts) == written
        given_in = [one.input_tokens for one in parts]
        assert not given_in or max(given_in) - min(given_in) <= 1 or len(parts) < rows


def test_noting_ends_with_its_batch() -> None:
    decision = replace(fraud, model=replace(fraud.model, predict=Asking()))
    into: dict[str, dict[str, list[int]]] = {}

    with noting(decision, into):
        kp.note_tokens("small", input_tokens=1)
    kp.note_tokens("small", input_tokens=10)

    assert into == {"fraud": {"small": [1, 0]}}
