"""Decisions: declared, bundled, approved, run, recorded and replayed."""

from kingpost.decisions.answer import Verdict, judge
from kingpost.decisions.application import Application, load_application
from kingpost.decisions.bundle import Bundle, approved_bundle, check_bundle, read_bundle
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
from kingpost.decisions.replay import (
    ReplayReport,
    Verification,
    replay_record,
    verify_records,
)
from kingpost.decisions.served import Scorer, ServedDecision
from kingpost.decisions.train import Trained, read_histories, train_decision
from kingpost.decisions.training import Learned, MistakeCosts, TrainingPlan, learn, training_set

__all__ = [
    "Application",
    "ApplicationError",
    "Ask",
    "Budget",
    "Bundle",
    "BundleMismatch",
    "DataDirectory",
    "Decision",
    "Engine",
    "EngineStopped",
    "EventConflict",
    "Gate",
    "IdempotencyKeyReused",
    "Ingested",
    "Learned",
    "MistakeCosts",
    "Model",
    "NoModel",
    "NotApproved",
    "Otherwise",
    "ReplayReport",
    "Reply",
    "Scorer",
    "ServedDecision",
    "Trained",
    "Trainer",
    "TrainingPlan",
    "Verdict",
    "Verification",
    "WrongDecision",
    "approved_bundle",
    "budget",
    "check_bundle",
    "decision",
    "fallback",
    "gate",
    "judge",
    "learn",
    "load_application",
    "model",
    "read_bundle",
    "read_histories",
    "refuse",
    "replay_record",
    "review",
    "train_decision",
    "training_set",
    "verify_records",
]
