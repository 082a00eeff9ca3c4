"""Releases: who is assigned stays assigned, evidence adds up, and false alarms keep their rate."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.decisions import Assignment
from kingpost.registry import ReleasePlan, Stage
from kingpost.stats import Excess, ExcessTest, Sample

shares = st.floats(0.001, 1)
values = st.text(max_size=30)
rates = st.floats(0, 1)
blocks = st.lists(st.tuples(rates, rates), max_size=60)


def assigned(share: float, *, release: str = "r1") -> Assignment:
    return Assignment(release, ReleasePlan(stages=(Stage(share=share),)), share)


@given(first=shares, second=shares, tenant=values, value=values)
def test_who_is_in_stays_in_when_the_share_grows(
    first: float, second: float, tenant: str, value: str
) -> None:
    low, high = sorted((first, second))

    if assigned(low).is_drawn(tenant, value):
        assert assigned(high).is_drawn(tenant, value)
    assert assigned(1.0).is_drawn(tenant, value)
    assert assigned(low).is_drawn(tenant, value) == assigned(low).is_drawn(tenant, value)


def test_a_share_is_kept_and_releases_draw_independently() -> None:
    names = [f"c{number}" for number in range(20_000)]
    first = np.array([assigned(0.1).is_drawn("t", name) for name in names])
    second = np.array([assigned(0.1, release="r2").is_drawn("t", name) for name in names])

    assert abs(first.mean() - 0.1) < 0.01
    assert abs((first & second).mean() - 0.01) < 0.004


def test_named_values_are_in_whatever_the_share() -> None:
    plan = ReleasePlan(keys=("c1",), prefixes=("test-", "qa-"))
    assignment = Assignment("r", plan, 0.0)

    assert [assignment.is_named(one) for one in ("c1", "c11", "test-7", "qa-", "x")] == [
        True, False, True, True, False,
    ]  # fmt: skip
    assert not assignment.is_drawn("t", "c1")


@given(parts=st.lists(blocks, min_size=1, max_size=3), margin=st.floats(0, 0.5))
def test_processes_together_have_the_evidence_of_all(
    parts: list[list[tuple[float, float]]], margin: float
) -> None:
    whole, states = ExcessTest(margin=margin, alpha=0.01), list[Excess]()
    for part in parts:
        test = ExcessTest(margin=margin, alpha=0.01)
        for first, second in part:
            for one in (whole, test):
                one.observe(Sample(1, first), Sample(1, second))
        states.append(test.state)

    merged = Excess.merged(states)

    assert merged.first.number == whole.state.first.number
    assert math.isclose(merged.log_e_value, whole.state.log_e_value, abs_tol=1e-9)


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_a_test_that_is_asked_after_every_request_keeps_its_rate_of_false_alarms(
    rate: float,
) -> None:
    """At the edge: the first rate is exactly the margin above the second."""
    rng, alarms, tests = np.random.default_rng(3), 0, 150
    for _ in range(tests):
        test = ExcessTest(margin=0.05, alpha=0.1)
        first = rng.random(600) < rate + 0.05
        second = rng.binomial(9, rate, 600)
        for failed, failures in zip(first.tolist(), second.tolist(), strict=True):
            test.observe(Sample(1, float(failed)), Sample(9, float(failures)))
            if test.is_excess:
                alarms += 1
                break

    assert alarms <= 0.1 * tests + 2 * math.sqrt(0.09 * tests)
