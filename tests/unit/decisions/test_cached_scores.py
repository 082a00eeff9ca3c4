"""Decisions whose score was found: recorded as others, by the model that runs, and they say so."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import kingpost as kp
from kingpost.decisions import (
    Assignment,
    Cache,
    Engine,
    ReleaseJudge,
    Route,
    ServedDecision,
    WrongDecision,
)
from kingpost.decisions.ask import Ask
from kingpost.records import DecisionRecord, Outcome, Role
from kingpost.registry import LiveRelease, ReleasePlan, Stage
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import MODEL, ByAmount, FakeClock, open_engine, payment

CACHE = kp.cache(entries=100)


class Always:
    """A model that always says the same."""

    def __init__(self, score: float) -> None:
        self._score = score

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        return [self._score] * len(rows)


class House:
    """An engine with a model that counts, and requests with equal rows."""

    def __init__(self, cache: Cache | None = CACHE) -> None:
        self.model, self.clock, self._asked = ByAmount(), FakeClock(), 0
        self.engine: Engine = open_engine(
            Path("/journal/data"), self.model, disk=SimulatedDisk(), clock=self.clock, cache=cache
        )

    def ask(self, amount: float, tenant: str = "acme") -> Ask:
        """Ask about a card that nobody has asked about: the rows differ by the amount alone."""
        self._asked += 1
        body = payment(f"p{self._asked}", amount, card=f"c{self._asked}")
        event = self.engine.application.streams["payment"].decode(body)
        return Ask("fraud", tenant, "k", event, body, "0" * 32, None, None, 0)

    def decide(self, *asks: Ask) -> list[DecisionRecord]:
        replies, _ = self.engine.decide(asks, lambda _: None)
        return [reply.record for reply in replies if reply.record is not None]

    def beside(self, model: bytes, score: float, role: Role = Role.CHAMPION) -> ServedDecision:
        """Return a bundle like the one that runs, with another model."""
        now = self.engine.served["fraud"]
        return replace(now, bundle=model, model=model, scorer=Always(score), role=role)


@pytest.fixture
def house() -> House:
    return House()


def canary(champion: ServedDecision, new: ServedDecision) -> Route:
    plan = ReleasePlan(stages=(Stage(share=0.5),), by="card")
    live = LiveRelease("r1", new.bundle.hex(), plan, 0, 0, 0)
    assignment = Assignment(live.id, plan, 0.5)
    return Route(live, champion, new, assignment, attrgetter("card"), ReleaseJudge(plan))


def test_equal_requests_are_scored_once_and_each_has_its_record(house: House) -> None:
    together = house.decide(house.ask(750), house.ask(750), house.ask(100))
    later = house.decide(house.ask(750))

    assert house.model.batches == [2]
    assert [one.is_cached for one in [*together, *later]] == [False, True, False, True]
    assert len({one.id for one in [*together, *later]}) == 4
    assert later[0].answer == together[0].answer
    assert later[0].event_offset > together[2].event_offset
    counts = house.engine.score_caches["fraud"].counts
    assert (counts.hits, counts.shared, counts.misses) == (1, 1, 2)


def test_without_a_declaration_nothing_is_kept() -> None:
    house = House(cache=None)

    records = house.decide(house.ask(750), house.ask(750)) + house.decide(house.ask(750))

    assert house.model.batches == [2, 1]
    assert not any(one.is_cached for one in records)
    assert house.engine.score_caches == {}


def test_a_tenant_is_never_answered_with_what_another_one_asked(house: House) -> None:
    records = house.decide(house.ask(750), house.ask(750, "other"), house.ask(750, "other"))

    assert [one.is_cached for one in records] == [False, False, True]


def test_a_row_that_the_model_breaks_on_fails_alone_and_every_time(house: House) -> None:
    first = house.decide(house.ask(666), house.ask(750))
    second = house.decide(house.ask(666), house.ask(750))

    assert [one.outcome for one in first] == [Outcome.FAILED, Outcome.DECIDED]
    assert [(one.outcome, one.is_cached) for one in second] == [
        (Outcome.FAILED, False),
        (Outcome.DECIDED, True),
    ]


def test_a_model_that_takes_over_scores_itself_and_so_does_the_one_before_it(house: House) -> None:
    before = house.engine.served["fraud"]
    house.decide(house.ask(750))

    house.engine.adopt("fraud", house.beside(b"2" * 32, 0.9), None)
    swapped = house.decide(house.ask(750))
    house.engine.adopt("fraud", before, None)
    back = house.decide(house.ask(750))

    assert [(one.confidence, one.is_cached) for one in (*swapped, *back)] == [
        (0.9, False),
        (0.75, False),
    ]
    assert house.engine.score_caches["fraud"].counts.invalidated == 2


def test_both_bundles_of_a_release_keep_their_own_scores(house: House) -> None:
    champion, new = house.engine.served["fraud"], house.beside(b"2" * 32, 0.9, Role.CANARY)
    house.engine.adopt("fraud", champion, canary(champion, new))

    first = house.decide(*(house.ask(750) for _ in range(20)))
    second = house.decide(*(house.ask(750) for _ in range(20)))

    for records, own in ((first, 1), (second, 0)):
        for model, confidence in ((MODEL, 0.75), (new.model, 0.9)):
            mine = [one for one in records if one.model == model]
            assert {one.confidence for one in mine} == {confidence}
            assert sum(not one.is_cached for one in mine) == own
    counts = house.engine.routes["fraud"].counts
    assert [counts[one.bundle].calls for one in (champion, new)] == [1, 1], "what was found is none"


def test_scores_last_as_long_as_declared() -> None:
    house = House(kp.cache(ttl="1m"))
    house.decide(house.ask(750))
    house.clock.advance(61)

    assert not house.decide(house.ask(750))[0].is_cached


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"entries": 0}, "entries is 0"),
        ({"entries": 1_000_001}, "1 to 1,000,000"),
        ({"size_mb": 0}, "size_mb is 0"),
        ({"ttl": "soon"}, "'soon' is not a length of time"),
    ],
)
def test_a_bound_that_cannot_be_one_is_refused(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(WrongDecision, match=told):
        kp.cache(**wrong)  # pyright: ignore[reportArgumentType]  that is the test
