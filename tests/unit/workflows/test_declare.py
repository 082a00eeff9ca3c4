"""Declaring steps, workflows, queues and schedules."""

import pytest

import kingpost as kp
from kingpost.core import BadDuration, KingpostError
from kingpost.workflows import BadWorkflow, Queue


def test_a_step_and_a_workflow_are_functions_where_no_workflow_runs() -> None:
    @kp.step
    def doubled(number: int) -> int:
        return 2 * number

    @kp.workflow
    def quadrupled(number: int) -> int:
        return doubled(doubled(number))

    assert doubled(4) == 8
    assert quadrupled(4) == 16
    assert (doubled.name, quadrupled.name) == ("doubled", "quadrupled")
    assert not quadrupled.is_async


def test_a_name_can_be_chosen_and_is_checked() -> None:
    @kp.step(name="charge the card")
    def charge() -> None: ...

    assert charge.name == "charge the card"
    for bad in ("_hidden", "x" * 101, "a\nb"):
        with pytest.raises(BadWorkflow, match="name of a step"):
            kp.step(name=bad)(charge.function)
        with pytest.raises(BadWorkflow, match="name of a queue"):
            kp.queue(bad)


def test_a_def_step_takes_no_timeout_since_it_cannot_be_ended() -> None:
    def slow() -> None: ...

    async def waiting() -> None: ...

    with pytest.raises(BadWorkflow, match="async def"):
        kp.step(timeout="1s")(slow)
    assert kp.step(timeout="1500ms")(waiting).timeout_s == 1.5
    with pytest.raises(BadDuration):
        kp.step(timeout="soon")(waiting)


def test_what_is_done_once_at_most_is_not_tried_again() -> None:
    def pay() -> None: ...

    with pytest.raises(BadWorkflow, match="once at most"):
        kp.step(effect="at_most_once", retries=kp.retries(2))(pay)


def test_retries_are_for_all_errors_but_those_that_say_that_it_is_no_use() -> None:
    class Final(KingpostError):
        retry_safe = False

    class Passing(KingpostError):
        retry_safe = True

    tries = kp.retries(3, "500ms", growth=3)
    assert (tries.attempts, tries.first_s, tries.growth) == (3, 0.5, 3)
    assert tries.on(ValueError())
    assert tries.on(Passing())
    assert not tries.on(Final())
    only = kp.retries(3, on=ConnectionError)
    assert only.on(ConnectionResetError())
    assert not only.on(ValueError())
    with pytest.raises(BadWorkflow):
        kp.retries(0)


def test_a_queue_has_limits_that_make_sense() -> None:
    made = kp.queue("training", at_once=2, at_once_per_worker=1, rate=(10, "1m"))
    assert made == Queue("training", 2, 1, 10, 60.0, 0.2)
    with pytest.raises(BadWorkflow, match="1 or more"):
        kp.queue("training", at_once=0)
    with pytest.raises(BadWorkflow, match="1 or more"):
        kp.queue("training", rate=(0, "1s"))


def test_a_schedule_has_a_cron_expression_and_a_time_zone() -> None:
    @kp.workflow
    def nightly(due: object) -> None: ...

    made = kp.schedule("nightly", "0 2 * * *", nightly, zone="Europe/Berlin", catch_up=True)
    assert (made.zone, made.catches_up, made.workflow) == ("Europe/Berlin", True, nightly)
    with pytest.raises(BadWorkflow, match="cron"):
        kp.schedule("nightly", "every night", nightly)
    with pytest.raises(BadWorkflow, match="Atlantis"):
        kp.schedule("nightly", "0 2 * * *", nightly, zone="Europe/Atlantis")
