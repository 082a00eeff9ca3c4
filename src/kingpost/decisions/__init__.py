"""Decisions: declared, bundled, approved, run, recorded and replayed."""

from kingpost.decisions.answer import Verdict, judge
from kingpost.decisions.application import Application, load_application
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import (
    Budget,
    Decision,
    Gate,
    Model,
    Otherwise,
    Trainer,
    budget,
    decision,
    fallback,
    gate,
    model,
    refuse,
    review,
)
from kingpost.decisions.engine import Ask, Engine, Ingested, Reply
from kingpost.decisions.errors import (
    ApplicationError,
    BundleMismatch,
    EngineStopped,
    EventConflict,
    IdempotencyKeyReused,
    NoModel,
    NotApproved,
    WrongDecision,
)
from kingpost.decisions.served import Scorer, ServedDecision

__all__ = [
    "Application",
    "ApplicationError",
    "Ask",
    "Budget",
    "BundleMismatch",
    "DataDirectory",
    "Decision",
    "Engine",
    "EngineStopped",
    "EventConflict",
    "Gate",
    "IdempotencyKeyReused",
    "Ingested",
    "Model",
    "NoModel",
    "NotApproved",
    "Otherwise",
    "Reply",
    "Scorer",
    "ServedDecision",
    "Trainer",
    "Verdict",
    "WrongDecision",
    "budget",
    "decision",
    "fallback",
    "gate",
    "judge",
    "load_application",
    "model",
    "refuse",
    "review",
]
