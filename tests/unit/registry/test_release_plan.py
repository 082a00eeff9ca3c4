"""Plans of releases, and what their steps add up to."""

import pytest

from kingpost.registry import (
    BadReleasePlan,
    Judged,
    ReleaseEvent,
    ReleasePlan,
    ReleaseState,
    ReleaseStep,
    Stage,
    check_plan,
    state_after,
)


def stages(*shares: float) -> tuple[Stage, ...]:
    return tuple(Stage(share=share) for share in shares)


@pytest.mark.parametrize(
    "plan",
    [
        ReleasePlan(stages=stages(0.1)),
        ReleasePlan(stages=stages(0.05, 0.25, 1)),
        ReleasePlan(keys=("c1",)),
        ReleasePlan(mode="shadow"),
        ReleasePlan(mode="blue_green"),
    ],
    ids=["canary", "staged", "by key", "shadow", "blue-green"],
)
def test_a_plan_that_can_be_followed_is_taken(plan: ReleasePlan) -> None:
    assert check_plan(plan) is plan


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (ReleasePlan(), "a part of the requests, or keys"),
        (ReleasePlan(stages=stages(0.5, 0.1)), "grow"),
        (ReleasePlan(stages=stages(1.5)), "<= 1.0"),
        (ReleasePlan(stages=stages(0.1), alpha=0), "> 0.0"),
        (ReleasePlan(stages=(Stage(share=0.1, min_us=-1),)), "0 or more"),
        (ReleasePlan(prefixes=("",)), "every request"),
        (ReleasePlan(mode="shadow", stages=stages(0.1)), "stages belong to a canary"),
        (ReleasePlan(mode="blue_green", keys=("c1",)), "keys belong to a canary"),
        (
            ReleasePlan(stages=stages(0.1), judged=(Judged(measure="errors", margin=0.1),) * 2),
            "judged once",
        ),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(plan: ReleasePlan, problem: str) -> None:
    with pytest.raises(BadReleasePlan, match=problem):
        check_plan(plan)


def event(step: ReleaseStep, bundle: str, *, champion: str = "a", stage: int = 0) -> ReleaseEvent:
    return ReleaseEvent(
        format=1, decision="d", release="r", step=step, bundle=bundle, champion=champion, by="ann",
        reason="a test", at_us=stage, stage=stage,
        plan=ReleasePlan(stages=stages(0.1, 0.5)) if step == "started" else None,
    )  # fmt: skip


def after(*events: ReleaseEvent) -> ReleaseState:
    state = ReleaseState()
    for one in events:
        state = state_after(state, one)
    return state


def test_the_first_release_makes_what_ran_champion() -> None:
    state = after(event("started", "b"))

    assert state.champion == "a"
    assert state.live is not None
    assert (state.live.bundle, state.live.share) == ("b", 0.1)


def test_a_stage_follows_and_a_promotion_ends_the_release() -> None:
    advanced = after(event("started", "b"), event("advanced", "b", stage=1))
    promoted = state_after(advanced, event("promoted", "b"))

    assert advanced.live is not None
    assert advanced.live.share == 0.5
    assert (promoted.champion, promoted.former, promoted.live) == ("b", ("a",), None)


def test_a_release_that_is_rolled_back_leaves_the_champion() -> None:
    state = after(event("started", "b"), event("rolled_back", "b"), event("refused", "b"))

    assert (state.champion, state.former, state.live) == ("a", (), None)
    assert len(state.events) == 3
