"""Decisions: declared, bundled, approved, run, recorded and replayed."""

from kingpost.decisions.answer import (
    PlacedRule,
    Verdict,
    judge,
    matching_rule,
    otherwise_of,
    placed_rules,
)
from kingpost.decisions.application import Application, load_application
from kingpost.decisions.ask import Ask, Change, Ingested, Reply
from kingpost.decisions.bundle import Bundle, approved_bundle, check_bundle, read_bundle
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import (
    Budget,
    Decision,
    Gate,
    Model,
    Otherwise,
    Rule,
    Trainer,
    budget,
    decision,
    fallback,
    gate,
    model,
    refuse,
    review,
    rule,
)
from kingpost.decisions.engine import Engine
from kingpost.decisions.errors import (
    ApplicationError,
    BundleMismatch,
    EngineStopped,
    EventConflict,
    EventUnreadable,
    IdempotencyKeyReused,
    NoModel,
    NotApproved,
    NotExplainable,
    WrongDecision,
)
from kingpost.decisions.explain import Explainer, Explanation, ExplanationLine, explain_record
from kingpost.decisions.find import FoundRecord, find_record
from kingpost.decisions.reference import profile_of
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
    "Change",
    "DataDirectory",
    "Decision",
    "Engine",
    "EngineStopped",
    "EventConflict",
    "EventUnreadable",
    "Explainer",
    "Explanation",
    "ExplanationLine",
    "FoundRecord",
    "Gate",
    "IdempotencyKeyReused",
    "Ingested",
    "Learned",
    "MistakeCosts",
    "Model",
    "NoModel",
    "NotApproved",
    "NotExplainable",
    "Otherwise",
    "PlacedRule",
    "ReplayReport",
    "Reply",
    "Rule",
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
    "explain_record",
    "fallback",
    "find_record",
    "gate",
    "judge",
    "learn",
    "load_application",
    "matching_rule",
    "model",
    "otherwise_of",
    "placed_rules",
    "profile_of",
    "read_bundle",
    "read_histories",
    "refuse",
    "replay_record",
    "review",
    "rule",
    "train_decision",
    "training_set",
    "verify_records",
]
