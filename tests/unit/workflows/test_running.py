"""What workflows may do, where none runs: plain functions, and clear errors."""

import asyncio
import pickle
from datetime import UTC, datetime

import pytest

import kingpost as kp
from kingpost.workflows import (
    CompensationFailed,
    EffectUnknown,
    NotInTime,
    NotInWorkflow,
    RetriesExhausted,
    StepBlocksLoop,
)


@kp.step
def doubled(number: int) -> int:
    return 2 * number


@kp.step
async def halved(number: int) -> int:
    return number // 2


def test_run_and_together_run_functions_where_no_workflow_runs() -> None:
    async def both() -> list[int]:
        return await kp.together(kp.run(doubled, 3), kp.run(halved, 8))

    assert asyncio.run(both()) == [6, 4]


def test_together_lets_all_branches_end_before_it_fails() -> None:
    ended: list[str] = []

    @kp.step
    async def fails() -> None:
        raise ValueError("no")

    @kp.step
    async def slow() -> None:
        await asyncio.sleep(0.01)
        ended.append("slow")

    async def both() -> None:
        await kp.together(kp.run(fails), kp.run(slow))

    with pytest.raises(ValueError, match="no"):
        asyncio.run(both())
    assert ended == ["slow"]


def test_what_only_a_workflow_can_do_says_so() -> None:
    for asked in (
        kp.sleep("1s"),
        kp.sleep_until(datetime.now(UTC)),
        kp.event("paid", within="1s"),
        kp.ask("desk", "may it?"),
        kp.apatched("fee"),
    ):
        with pytest.raises(NotInWorkflow, match="inside a running workflow"):
            asyncio.run(asked)
    with pytest.raises(NotInWorkflow):
        kp.effect_key()
    with pytest.raises(NotInWorkflow):
        kp.patched("fee")
    assert kp.workflow_id() is None


@pytest.mark.parametrize(
    "error",
    [
        NotInWorkflow("event"),
        StepBlocksLoop("pay", is_async=False),
        StepBlocksLoop("pay", is_async=True),
        RetriesExhausted("pay", 2, ("ValueError: a", "ValueError: b")),
        EffectUnknown("pay"),
        NotInTime("an answer", "2d"),
        CompensationFailed(("refund",)),
    ],
)
def test_errors_survive_pickling_as_they_are_kept_so(error: Exception) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)


def test_a_saga_undoes_in_reverse_order_also_what_may_have_happened() -> None:
    done: list[str] = []

    @kp.step
    def undo(what: str) -> None:
        done.append(f"undo {what}")

    @kp.step
    def do(what: str) -> None:
        done.append(what)
        if what == "third":
            raise ValueError(what)

    async def saga() -> None:
        async with kp.Saga() as saga:
            for what in ("first", "second", "third"):
                saga.otherwise(undo, what)
                await kp.run(do, what)

    with pytest.raises(ValueError, match="third"):
        asyncio.run(saga())
    assert done == ["first", "second", "third", "undo third", "undo second", "undo first"]


def test_a_saga_that_ends_well_undoes_nothing_and_one_that_cannot_undo_says_what() -> None:
    done: list[str] = []

    @kp.step
    def undo(what: str) -> None:
        if what == "second":
            raise ValueError(what)
        done.append(what)

    async def saga(*, fails: bool) -> None:
        async with kp.Saga() as saga:
            saga.otherwise(undo, "first")
            saga.otherwise(undo, "second")
            if fails:
                raise KeyError

    asyncio.run(saga(fails=False))
    assert done == []
    with pytest.raises(CompensationFailed, match="undo"):
        asyncio.run(saga(fails=True))
    assert done == ["first"]
