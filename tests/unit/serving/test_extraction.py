"""Budgets of answers: what counts, what is found suspicious, what is kept over a restart."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kingpost as kp
from kingpost.access import Principal
from kingpost.decisions import Exposure
from kingpost.records import DecisionRecord
from kingpost.serving import (
    EXTRACTION_MIGRATIONS,
    ExtractionBudgetSpent,
    ExtractionGuard,
    ExtractionStore,
    ExtractionStoreFailed,
    Found,
    MemoryExtraction,
    SqliteExtraction,
    Suspect,
    Who,
)
from kingpost.serving.extraction import KNOWN_AFTER_US
from kingpost.serving.query_patterns import is_grid
from kingpost.storage import migrate, open_database
from tests.decision_records import RECORD
from tests.tiny_app import FakeClock, fraud, payment, served

HOUR_S, DAY_S = 3600, 86_400
ANN, BOB = (Principal(name, "acme", frozenset({"decide"})) for name in ("ann", "bob"))
WHO = Who("fraud", "acme", "ann")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExtractionStore]:
    if request.param == "memory":
        yield MemoryExtraction()
        return
    connection = open_database(tmp_path / "exposure.sqlite")
    migrate(connection, "exposure", EXTRACTION_MIGRATIONS)
    yield SqliteExtraction(connection)
    connection.close()


class House:
    """A guard over known cards c0 to c99."""

    def __init__(
        self, store: ExtractionStore | None = None, exposure: Exposure | None = None
    ) -> None:
        self.clock, self.store = FakeClock(), store or MemoryExtraction()
        said = exposure or kp.exposure(budget="40/d", entity="card", per_entity="3/d")
        self.known = {f"c{number}" for number in range(100)}
        self.told: list[tuple[Who, Found]] = []
        self.exposure = replace(said, entity=said.entity or "card")
        self.guard = self.anew()
        self.asked = 0

    def anew(self) -> ExtractionGuard:
        def holds(tenant: str, value: object) -> bool:
            return value in self.known

        def suspicion(who: Who, found: Found, at_us: int) -> None:
            self.told.append((who, found))

        one = served()["fraud"]
        return ExtractionGuard(one, self.exposure, self.store, self.clock, holds, suspicion)

    def ask(self, card: str, amount: float = 20.0, shop: str = "s1", by: Principal = ANN) -> None:
        self.asked += 1
        body = payment(f"p{self.asked}", amount, card=card).replace(b'"s1"', f'"{shop}"'.encode())
        self.guard.admit(by, fraud.request.decode(body))

    def answers(self, asks: list[tuple[str, float, str]], by: Principal = ANN) -> int:
        """Ask until it is refused; return how many answers there were."""
        for number, ask in enumerate(asks):
            try:
                self.ask(*ask, by=by)
            except ExtractionBudgetSpent:
                return number
        return len(asks)


def payments(number: int, seed: int = 1) -> list[tuple[str, float, str]]:
    rng = Random(seed)
    return [
        (f"c{rng.randrange(100)}", round(rng.gammavariate(2, 25), 2), f"s{rng.randrange(500)}")
        for _ in range(number)
    ]


def test_answers_about_known_entities_are_free_up_to_so_many_each() -> None:
    house = House()

    for number in range(3):
        house.ask("c1", 10.0 + number)

    assert house.guard.left(ANN) == 40
    house.ask("c1", 99.0)
    assert house.guard.left(ANN) == 39
    house.clock.advance(DAY_S)
    house.ask("c1", 5.0)
    assert house.guard.left(ANN) in (39, 40)


def test_answers_about_strangers_count_and_end_with_the_budget() -> None:
    house = House(exposure=kp.exposure(budget="40/d", patterns=()))
    strangers = [(f"x{number}", 20.0, "s1") for number in range(60)]

    assert house.answers(strangers) == 40
    with pytest.raises(ExtractionBudgetSpent) as refused:
        house.ask("x99")

    assert 23 * HOUR_S <= refused.value.retry_after_s <= 26 * HOUR_S
    house.ask("c1")
    house.ask("x1", by=BOB)
    house.clock.advance(refused.value.retry_after_s)
    assert house.guard.left(ANN) == 40


def test_an_entity_that_a_caller_brought_is_not_known_for_a_week() -> None:
    house = House(exposure=kp.exposure(budget="40/d", patterns=()))
    house.ask("new")
    house.known.add("new")
    for _ in range(2):
        house.ask("new")
    assert house.guard.left(ANN) == 37

    house.clock.advance(KNOWN_AFTER_US / 1e6)
    house.guard = house.anew()
    house.ask("new")

    assert house.guard.left(ANN) == 40


def test_what_counts_is_there_after_a_restart_and_never_less(store: ExtractionStore) -> None:
    house = House(store, kp.exposure(budget="200/d", patterns=()))
    for number in range(30):
        house.ask(f"x{number}")
    house.known.add("x0")
    before = house.guard.left(ANN)

    house.guard = house.anew()

    assert before - 4 <= house.guard.left(ANN) <= before
    house.ask("x0")
    assert house.guard.left(ANN) < before, "what a caller brought is remembered too"


def test_nobody_is_counted_for_who_asks_as_people_pay() -> None:
    house = House(exposure=kp.exposure(budget="40/d", per_entity="500/d"))

    assert house.answers(payments(5_000)) == 5_000
    assert house.told == []
    assert house.guard.left(ANN) == 40


def sweep() -> list[tuple[str, float, str]]:
    return [("c1", 1.37 * number**1.3, "s1") for number in range(1, 400)]


def grid() -> list[tuple[str, float, str]]:
    cells = [(f"c{card}", 25.0 * step, f"s{shop}") for card in range(9) for step in range(1, 12)
             for shop in range(9)]  # fmt: skip
    Random(3).shuffle(cells)
    return cells


def guesses() -> list[tuple[str, float, str]]:
    rng = Random(5)
    return [(f"c{rng.randrange(250)}", rng.random() * 999, f"s{rng.random()}") for _ in range(900)]


@pytest.mark.parametrize(
    ("asks", "pattern"), [(sweep, "sweep"), (grid, ""), (guesses, "enumeration")]
)
def test_who_asks_as_if_to_rebuild_the_model_is_told_and_stopped(
    store: ExtractionStore, asks: Callable[[], list[tuple[str, float, str]]], pattern: str
) -> None:
    house = House(store, kp.exposure(budget="400/d", entity="card", per_entity="1000/d"))
    answers = house.answers(asks())

    assert answers <= 400
    assert [who for who, _ in house.told] == [WHO]
    assert house.told[0][1].pattern == (pattern or house.told[0][1].pattern)
    assert all(character not in house.told[0][1].fact for character in ("c1", "s1"))
    house.guard = house.anew()
    with pytest.raises(ExtractionBudgetSpent):
        house.ask("c2")
    house.ask("c2", by=BOB)


def test_who_asks_beside_the_threshold_is_suspected() -> None:
    house = House(exposure=kp.exposure(budget="400/d", per_entity="1000/d"))
    for number, ask in enumerate(payments(120)):
        house.ask(*ask)
        house.guard.learn(_record(0.5 + (-1) ** number * 0.02))

    assert [found.pattern for _, found in house.told] == ["boundary"]


def _record(score: float) -> DecisionRecord:
    answer = msgspec.json.encode({"fraud": score >= 0.5, "score": score})
    return msgspec.structs.replace(RECORD, answer=answer, principal="ann")


def test_who_was_suspected_wrongly_can_be_forgiven(store: ExtractionStore) -> None:
    house = House(store, kp.exposure(budget="40/d", entity="card", per_entity="1000/d"))
    house.answers(sweep())
    with pytest.raises(ExtractionBudgetSpent):
        house.ask("c2")
    assert list(store.callers()) == [WHO]

    store.forgive(WHO)
    house.clock.advance(1.1)

    house.ask("c2")
    assert store.suspected(WHO) is None
    assert house.guard.left(ANN) == 39


def test_a_store_keeps_and_forgets(store: ExtractionStore) -> None:
    store.spend(WHO, 100, 5)
    store.spend(WHO, 100, 9)
    store.spend(WHO, 300, 1)
    store.bring("fraud", "acme", b"e", 7)
    store.bring("fraud", "acme", b"e", 9)
    store.suspect(WHO, Suspect("sweep", 1, 2))

    assert sorted(store.spent(WHO, 0)) == [(100, 9), (300, 1)]
    assert list(store.spent(WHO, 200)) == [(300, 1)]
    assert list(store.brought("fraud", "acme")) == [(b"e", 7)]
    assert list(store.brought("fraud", "umbrella")) == []
    assert store.suspected(WHO) == Suspect("sweep", 1, 2)
    store.purge(200, 8)
    assert list(store.spent(WHO, 0)) == [(300, 1)]
    assert list(store.brought("fraud", "acme")) == []


def test_a_store_that_fails_gives_no_answer(tmp_path: Path) -> None:
    house = House(SqliteExtraction(open_database(tmp_path / "empty.sqlite")))

    with pytest.raises(ExtractionStoreFailed, match="no such table"):
        house.ask("x")


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([10.0 * step for step in range(20)], 0.01, True),
        ([1.5**step for step in range(20)], 0.01, True),
        ([float(step) for step in range(60)], 1.0, False),
        ([10.0, 20.0, 30.0], 0.01, False),
        ([round(Random(at).gammavariate(2, 25), 2) for at in range(250)], 0.01, False),
    ],
)
def test_a_grid_is_told_from_what_people_pay(
    values: list[float], unit: float, *, expected: bool
) -> None:
    assert is_grid(dict.fromkeys(values, 1), unit) is expected


def test_tens_that_people_choose_are_no_grid() -> None:
    often = {20.0: 90, 40.0: 40, 60.0: 30, 80.0: 9, 100.0: 60, 120.0: 5, 140.0: 3, 160.0: 3}

    assert not is_grid(often, 0.01)


@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 9)), max_size=120))
@settings(max_examples=60, deadline=None)
def test_in_no_stretch_of_the_length_are_there_more_than_declared(
    asked: list[tuple[int, int]],
) -> None:
    house = House(exposure=kp.exposure(budget="5/d", patterns=()))
    given_at: list[float] = []
    for wait_s, number in asked:
        house.clock.advance(wait_s / 10)
        try:
            house.ask(f"x{number}")
        except ExtractionBudgetSpent:
            continue
        now_s = house.clock.us / 1e6
        given_at.append(now_s)
        assert sum(now_s - at < DAY_S for at in given_at) <= 5
