"""What the observer keeps follows from the journal, not from how it was read."""

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

import kingpost as kp
from kingpost.monitoring import CostPlan, Incident, Owner, Watch
from kingpost.records import ModelTokens, Outcome
from tests.observed_journal import ObservedJournal, everything, no_profile

KEYS = st.sampled_from(["p1", "p2", "p3", "p4"])
PLAN = CostPlan.of(
    [kp.prices(currency="EUR", compute_s=1, tokens={"small": (1, 1)})],
    [kp.cost_budget("0.01", team="risk"), kp.cost_budget("0.02")],
    {"fraud": Owner("risk")},
)
TENANTS = st.sampled_from(["acme", "umbrella"])


class Decided(NamedTuple):
    tenant: str
    key: str
    outcome: Outcome
    score: float
    minute: float
    tokens: int


class Learned(NamedTuple):
    tenant: str
    labels: Sequence[tuple[str, bool]]


class Reviewed(NamedTuple):
    at: int
    positive: bool
    verdict: Literal["approved", "overridden"]
    by: str


happenings = st.lists(
    st.one_of(
        st.builds(
            Decided,
            TENANTS,
            KEYS,
            st.sampled_from(list(Outcome)),
            st.sampled_from([0.0, 0.25, 0.5, 1.0]),
            st.floats(0, 300),
            st.sampled_from([0, 0, 3_000]),
        ),
        st.builds(
            Learned, TENANTS, st.lists(st.tuples(KEYS, st.booleans()), min_size=1, max_size=4)
        ),
        st.builds(
            Reviewed,
            st.integers(0, 30),
            st.booleans(),
            st.sampled_from(("approved", "overridden")),
            st.sampled_from(["Ann", "Bob"]),
        ),
    ),
    max_size=40,
)


class Killed(BaseException):
    """Ends a process where it is."""


class Mortal(Watch):
    """Dies with everything written, now and then, just before the commit."""

    luck = random.Random(0)

    def flush(self) -> Sequence[Incident]:
        found = super().flush()
        if self.luck.random() < 0.3:
            raise Killed
        return found


def happen(house: ObservedJournal, one: Decided | Learned | Reviewed, ids: list[bytes]) -> None:
    match one:
        case Decided(tenant, key, outcome, score, minute, tokens):
            used = [ModelTokens("small", tokens, 1)] if tokens else []
            ids.append(
                house.decide(
                    key, tenant=tenant, outcome=outcome, score=score, minute=minute, tokens=used
                )
            )
        case Learned(tenant, labels):
            house.learn(*labels, tenant=tenant)
        case Reviewed(at, positive, verdict, by):
            record = ids[at] if at < len(ids) else bytes(16)
            house.review(record, positive=positive, verdict=verdict, by=by)


def observed(
    story: Sequence[Decided | Learned | Reviewed], *, step_size: int, seed: int | None
) -> dict[str, Sequence[object]]:
    """Observe a story in steps, between its events and with deaths when there is a seed."""
    with TemporaryDirectory() as directory:
        house = ObservedJournal(Path(directory), plan=PLAN)
        luck = Mortal.luck = random.Random(seed)
        ids: list[bytes] = []
        for one in story:
            happen(house, one, ids)
            if seed is not None and luck.random() < 0.2:
                observe_for_a_while(house, step_size, luck.randint(1, 3))
        if seed is not None:
            for _ in range(3):
                observe_for_a_while(house, step_size, 1000)
        house.observe(step_size=step_size)
        found = everything(house.where.observed, house.where.tasks)
        house.close()
        return found


def observe_for_a_while(house: ObservedJournal, step_size: int, steps: int) -> None:
    try:
        with house.observer(
            step_size=step_size, new_watch=lambda store: Mortal(store, no_profile)
        ) as observer:
            for _ in range(steps):
                observer.step()
    except Killed:
        pass


@settings(max_examples=15)
@given(story=happenings, step_size=st.integers(1, 7), seed=st.integers(0, 1000))
def test_steps_of_any_size_and_deaths_at_any_time_leave_the_same(
    story: list[Decided | Learned | Reviewed], step_size: int, seed: int
) -> None:
    undisturbed = observed(story, step_size=1000, seed=None)

    assert observed(story, step_size=step_size, seed=seed) == undisturbed
