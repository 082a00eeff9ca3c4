"""What a workflow waits for, as its history says it."""

from collections.abc import Sequence

import pytest

from kingpost.serving import Wait, told_steps, waits_of
from kingpost.workflows import Run, StepRun

NOW_MS = 1_000_000
LATER_MS = NOW_MS + 60_000
RUNNING = Run(
    id="w",
    tenant="acme",
    workflow="order",
    state="running",
    queue="default",
    priority=0,
    created_ms=0,
    started_ms=0,
    ended_ms=None,
    due_ms=None,
    attempts=1,
    parent=None,
    forked_from=None,
)


def step(
    place: int,
    name: str = "reserve",
    ended_ms: int = 10,
    output: object = None,
    child: str | None = None,
) -> StepRun:
    return StepRun(
        place=place, name=name, started_ms=10, ended_ms=ended_ms, output=output, child=child
    )


ASKED, ANSWERED = step(1, "ask"), step(2, "answer")
LIMIT = step(3, "sleep", output=LATER_MS / 1000)
SLEEP = step(3, "sleep", ended_ms=LATER_MS, output=LATER_MS / 1000)
HIDDEN_LIMIT, HIDDEN_SLEEP = step(3, "sleep"), step(3, "sleep", ended_ms=LATER_MS)


@pytest.mark.parametrize(
    ("steps", "waits"),
    [
        ([], []),
        ([step(1)], []),
        ([ASKED], [Wait("person", "w-1")]),
        ([ASKED, ANSWERED], []),
        ([step(1), LIMIT], [Wait("event", until_ms=LATER_MS)]),
        ([step(1), HIDDEN_LIMIT], [Wait("event")]),
        ([step(1), step(2, "recv"), LIMIT], []),
        ([step(1), step(2), SLEEP], [Wait("time", until_ms=LATER_MS)]),
        ([step(1), step(2), HIDDEN_SLEEP], [Wait("time", until_ms=LATER_MS)]),
        ([step(1), SLEEP], [Wait("time", until_ms=LATER_MS)]),  # beside a step that runs
        ([step(1), step(2), step(3, "sleep", 20, 0.02)], []),
        ([step(1, "pay", child="w-1")], [Wait("workflow", "w-1")]),
        ([step(1, "pay", child="w-1"), step(2, "getResult", child="w-1")], []),
        ([ASKED, LIMIT], [Wait("person", "w-1"), Wait("event", until_ms=LATER_MS)]),
    ],
)
def test_what_has_begun_and_not_ended_is_waited_for(
    steps: Sequence[StepRun], waits: Sequence[Wait]
) -> None:
    assert waits_of(RUNNING, steps, NOW_MS) == waits


def test_steps_are_told_without_what_is_kept_beside_them() -> None:
    came = [step(1), step(2, "recv", output={"value": 7}), LIMIT, step(4, "ask", output=12)]
    assert [tuple(one) for one in told_steps([*came, step(6, "getResult", output=3)])] == [
        ("reserve", None),
        ("event", 7),
        ("limit of an event", None),
        ("ask", None),
        ("result of workflow", 3),
    ]
    assert [one.name for one in told_steps([step(1), HIDDEN_LIMIT])][1] == "limit of an event"
    assert [one.name for one in told_steps([step(1), step(2), SLEEP])][2] == "sleep"
