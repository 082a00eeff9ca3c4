"""Durable workflows: steps that are done once, waits that survive, queues and schedules.

What runs and steers them is loaded when it is first used: DBOS takes more than a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kingpost.core import ExtraMissing
from kingpost.workflows.declare import (
    NO_RETRIES,
    Effect,
    Queue,
    Retries,
    Schedule,
    Step,
    Workflow,
    queue,
    retries,
    schedule,
    step,
    workflow,
)
from kingpost.workflows.errors import (
    AlreadyWorking,
    BadWorkflow,
    EffectUnknown,
    NotInTime,
    NotInWorkflow,
    RetriesExhausted,
    StepBlocksLoop,
    WorkflowNotFound,
    WorkflowNotRunning,
    WorkflowStoreFailed,
    WorkflowStoreUnfit,
)
from kingpost.workflows.people import Answer, People, Question, Verdict
from kingpost.workflows.running import (
    apatched,
    ask,
    effect_key,
    event,
    patched,
    run,
    sleep,
    sleep_until,
    together,
    workflow_id,
)
from kingpost.workflows.runs import Run, RunQuery, RunState, StepRun, Unreadable
from kingpost.workflows.saga import CompensationFailed, Saga

if TYPE_CHECKING:
    from kingpost.workflows.client import Workflows as Workflows
    from kingpost.workflows.engine import Worker as Worker
    from kingpost.workflows.system_database import WorkflowDatabase as WorkflowDatabase

_HOME = {
    "Worker": "engine",
    "WorkflowDatabase": "system_database",
    "Workflows": "client",
}

__all__ = [
    "NO_RETRIES",
    "AlreadyWorking",
    "Answer",
    "BadWorkflow",
    "CompensationFailed",
    "Effect",
    "EffectUnknown",
    "NotInTime",
    "NotInWorkflow",
    "People",
    "Question",
    "Queue",
    "Retries",
    "RetriesExhausted",
    "Run",
    "RunQuery",
    "RunState",
    "Saga",
    "Schedule",
    "Step",
    "StepBlocksLoop",
    "StepRun",
    "Unreadable",
    "Verdict",
    "Worker",
    "Workflow",
    "WorkflowDatabase",
    "WorkflowNotFound",
    "WorkflowNotRunning",
    "WorkflowStoreFailed",
    "WorkflowStoreUnfit",
    "Workflows",
    "apatched",
    "ask",
    "effect_key",
    "event",
    "patched",
    "queue",
    "retries",
    "run",
    "schedule",
    "sleep",
    "sleep_until",
    "step",
    "together",
    "workflow",
    "workflow_id",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value: object = getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("dbos", "psycopg", "sqlalchemy"):
            raise
        raise ExtraMissing("dbos", "workflows") from error
    globals()[name] = value
    return value
