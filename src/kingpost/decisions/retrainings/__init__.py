"""Training a decision's model anew by itself: declared, in stages, and in the control log."""

from kingpost.decisions.retrainings.declare import LearnFrom, Retraining, retraining
from kingpost.decisions.retrainings.errors import (
    RetrainingEnded,
    RetrainingGoesOn,
    RetrainingStopped,
    UnknownRetraining,
)
from kingpost.decisions.retrainings.runs import (
    ask_for_run,
    open_run,
    retraining_workflow,
    run_due,
    run_of_incident,
    stop_run,
)
from kingpost.decisions.retrainings.stages import RetrainingHouse, RetrainingStages, find_run

__all__ = [
    "LearnFrom",
    "Retraining",
    "RetrainingEnded",
    "RetrainingGoesOn",
    "RetrainingHouse",
    "RetrainingStages",
    "RetrainingStopped",
    "UnknownRetraining",
    "ask_for_run",
    "find_run",
    "open_run",
    "retraining",
    "retraining_workflow",
    "run_due",
    "run_of_incident",
    "stop_run",
]
