"""Beginning and stopping runs, by people, incidents and the clock; and the workflow of a run.

The rule: of a decision one run goes on at a time, and of an incident there is one run at all.
Both are settled under the lock of the control log, whoever asks and however often.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any

from kingpost.core import Clock
from kingpost.decisions.bundle import Bundle
from kingpost.decisions.releasing import KINGPOST, Releases
from kingpost.decisions.retrainings.declare import Retraining
from kingpost.decisions.retrainings.errors import RetrainingEnded, RetrainingGoesOn
from kingpost.decisions.retrainings.stages import RetrainingHouse, RetrainingStages, find_run
from kingpost.monitoring import Incident
from kingpost.registry import (
    STAGES,
    ControlLog,
    RetrainingEvent,
    RetrainingRun,
    RetrainingStage,
)
from kingpost.workflows import RetriesExhausted, Step, Workflow, queue, retries, run, step, workflow

__all__ = [
    "ask_for_run",
    "open_run",
    "retraining_workflow",
    "run_due",
    "run_of_incident",
    "stop_run",
]

_POLL_S = 0.5
_SHARE_OF_TIME = 10
"""A stage that is waited for is looked at for a tenth of the time at most."""
_TRIES = 6
_WAITED_FOR: frozenset[RetrainingStage] = frozenset({"labels", "approve", "shadow", "canary"})


def open_run(control: ControlLog, decision: str) -> RetrainingRun | None:
    """Return the run of a decision that goes on."""
    return next((one for one in control.retrainings(decision) if one.ended is None), None)


def run_of_incident(
    declared: Retraining, incident: Incident, control: ControlLog, *, clock: Clock
) -> RetrainingEvent | None:
    """Begin the run of an incident; None when it had one, or another one goes on."""
    name = declared.decision.name
    event = RetrainingEvent(
        decision=name,
        tenant=incident.tenant,
        run=_name_of(name, incident.id),
        incident=incident.id,
        step="asked",
        reason=incident.title,
        since_us=incident.breach_since_us,
        replaces=incident.bundle,
        by=KINGPOST,
        at_us=clock.now_us(),
    )
    known = control.retrainings(name)
    if any(one.id == event.run or one.ended is None for one in known):
        return None
    return event if control.note_retraining(event) else None


def run_due(
    declared: Retraining,
    running: Bundle,
    made_us: int,
    control: ControlLog,
    *,
    tenant: str,
    clock: Clock,
) -> RetrainingEvent | None:
    """Begin the run that the declaration's time asks for; None while it does not.

    Args:
        running: The bundle that runs.
        made_us: When its model was registered.
    """
    name, every_us, now_us = declared.decision.name, declared.every_us, clock.now_us()
    if every_us is None:
        return None
    known = control.retrainings(name)
    last_us = max([made_us, *(one.events[-1].at_us for one in known)])
    if now_us - last_us < every_us or any(one.ended is None for one in known):
        return None
    event = RetrainingEvent(
        decision=name,
        tenant=tenant,
        run=_name_of(name, f"{running.digest} {last_us}"),
        step="asked",
        reason="it was time",
        by=KINGPOST,
        at_us=now_us,
    )
    return event if control.note_retraining(event) else None


def ask_for_run(
    declared: Retraining,
    control: ControlLog,
    *,
    tenant: str,
    by: str,
    reason: str,
    clock: Clock,
    since_us: int | None = None,
) -> RetrainingEvent:
    """Begin a run because a person wants one.

    Raises:
        RetrainingGoesOn: There is one.
    """
    name, now_us = declared.decision.name, clock.now_us()
    before = len(control.retrainings(name))
    going_on = open_run(control, name)
    if going_on is not None:
        raise RetrainingGoesOn(name, going_on.id)
    event = RetrainingEvent(
        decision=name,
        tenant=tenant,
        run=_name_of(name, f"{by} {now_us} {before}"),
        step="asked",
        reason=reason,
        since_us=since_us,
        by=by,
        at_us=now_us,
    )
    control.note_retraining(event)
    return event


def stop_run(
    control: ControlLog, decision: str, run_id: str, *, by: str, reason: str, clock: Clock
) -> RetrainingEvent:
    """Ask for the end of a run; a release of it ends at once, and the champion stays.

    Raises:
        UnknownRetraining: There is no such run.
        RetrainingEnded: It has ended.
    """
    found = find_run(control, decision, run_id)
    if found.ended is not None:
        raise RetrainingEnded(found.id, found.state)
    event = RetrainingEvent(
        decision=decision,
        tenant=found.asked.tenant,
        run=found.id,
        incident=found.asked.incident,
        step="stop_asked",
        reason=reason,
        bundle=found.bundle,
        by=by,
        at_us=clock.now_us(),
    )
    control.note_retraining(event)
    live = control.releases(decision).live
    if live is not None and live.bundle == found.bundle:
        said = f"retraining {found.id} was stopped: {reason}"
        Releases(control, clock=clock).end(decision, live, said, by=by)
    return event


def retraining_workflow(
    house: Callable[[], RetrainingHouse], declared: Retraining
) -> Workflow[..., Any]:
    """Make the durable workflow of a declared retraining; it is called with a run's name.

    Args:
        house: Gives what it works with, when it is first needed.
    """
    made: list[RetrainingStages] = []

    def stages() -> RetrainingStages:
        if not made:
            made.append(RetrainingStages(house(), declared))
        return made[0]

    steps = {stage: _step(stage, stages) for stage in STAGES}
    name = declared.decision.name

    @workflow(name=f"retrain {name}", queue=queue(f"retrain {name}", at_once=1))
    async def retrain(run_id: str) -> str:
        """Train a decision's model anew, and bring it to work stage by stage."""
        said = ""
        for stage in STAGES:
            try:
                said = await run(steps[stage], run_id)
            except RetriesExhausted as error:
                said = await run(_give_up(stage, stages), run_id, str(error))
            if not said.startswith("done"):
                break
        return said

    return retrain


def _step(stage: RetrainingStage, stages: Callable[[], RetrainingStages]) -> Step[[str], Any]:
    tried = retries(_TRIES, "1s", on=Exception)

    def once(run_id: str) -> str:
        event = stages().look(run_id, stage)
        assert event is not None  # what is not waited for gives a finding at once
        return _line(event)

    async def until_found(run_id: str) -> str:
        while True:
            begun_s = time.monotonic()
            event = await asyncio.to_thread(stages().look, run_id, stage)
            if event is not None:
                return _line(event)
            took_s = time.monotonic() - begun_s
            await asyncio.sleep(max(_POLL_S, _SHARE_OF_TIME * took_s))

    if stage in _WAITED_FOR:
        return step(name=stage, retries=tried)(until_found)
    return step(name=stage, retries=tried)(once)


def _give_up(
    stage: RetrainingStage, stages: Callable[[], RetrainingStages]
) -> Step[[str, str], str]:
    @step(name=f"{stage} failed")
    def give_up(run_id: str, reason: str) -> str:
        return _line(stages().give_up(run_id, stage, RuntimeError(reason)))

    return give_up


def _line(event: RetrainingEvent) -> str:
    return f"{event.step}: {event.reason}"


def _name_of(decision: str, cause: str) -> str:
    digest = hashlib.sha256(f"{decision}\0{cause}".encode()).hexdigest()
    return f"{decision}-{digest[:12]}"
