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
from kingpost.decisions.backfill import (
    Backfilled,
    BackfillJob,
    backfill_parts,
    read_past_requests,
    write_features,
)
from kingpost.decisions.batch import BatchJob, BatchScored, score_batch
from kingpost.decisions.bundle import Bundle, approved_bundle, check_bundle, read_bundle
from kingpost.decisions.caching import Cache, cache
from kingpost.decisions.catalogue import (
    Catalogue,
    CataloguedFeature,
    DeclaredFeature,
    FeatureVersion,
    TrainedWith,
    catalogue_reader,
    read_catalogue,
    record_features,
)
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
    ErasureFailed,
    EventConflict,
    EventUnreadable,
    ExportExists,
    IdempotencyKeyReused,
    NoModel,
    NotApproved,
    NotExplainable,
    NotImported,
    NoTrainer,
    PartitionNotHere,
    PartitionRenamed,
    ReleaseRefused,
    SnapshotInProgress,
    WrongDecision,
)
from kingpost.decisions.evidence import EvidenceFiles, SeenSoFar
from kingpost.decisions.explain import Explainer, Explanation, ExplanationLine, explain_record
from kingpost.decisions.export import Exported, ExportSelection, export_records
from kingpost.decisions.exposing import Exposure, Pattern, Shown, exposed, exposure, shown_of
from kingpost.decisions.feature_figures import (
    DriftState,
    FeatureStatistics,
    Spread,
    drift_states,
    feature_statistics,
)
from kingpost.decisions.find import FoundRecord, find_record
from kingpost.decisions.inferences import find_inference, find_inferences
from kingpost.decisions.lightening import Lightening
from kingpost.decisions.loading import BundleLoader, running_bundle
from kingpost.decisions.recorded import RecordedRequests, recorded_requests
from kingpost.decisions.recovery import Snapshotted, take_snapshot
from kingpost.decisions.reference import profile_of
from kingpost.decisions.registering import (
    ModelSource,
    Registered,
    RegistrationPlan,
    function_source,
    imported_source,
    optimised_source,
    register_source,
)
from kingpost.decisions.release_judge import Judgement, ReleaseJudge, Seen
from kingpost.decisions.releasing import Releases
from kingpost.decisions.replay import (
    ReplayReport,
    Verification,
    replay_record,
    verify_records,
)
from kingpost.decisions.rollout import Adopt, Load, Rollout
from kingpost.decisions.routing import Assignment, Route, VersionCounts
from kingpost.decisions.scorers import ReadyModel, ready_model
from kingpost.decisions.served import Scorer, ServedDecision
from kingpost.decisions.shadows import Shadows
from kingpost.decisions.shared_windows import STORE_REASONS, SharedWindows
from kingpost.decisions.snapshot import latest_offset
from kingpost.decisions.subjects import Subjects, open_subjects, opened_subjects
from kingpost.decisions.tenant_state import consents_of
from kingpost.decisions.train import (
    TenantHistories,
    Trained,
    read_all_histories,
    read_histories,
    train_decision,
)
from kingpost.decisions.training import Learned, MistakeCosts, TrainingPlan, learn, training_set
from kingpost.decisions.windows import ProcessWindows, Windows

__all__ = [
    "STORE_REASONS",
    "Adopt",
    "Application",
    "ApplicationError",
    "Ask",
    "Assignment",
    "BackfillJob",
    "Backfilled",
    "BatchJob",
    "BatchScored",
    "Budget",
    "Bundle",
    "BundleLoader",
    "BundleMismatch",
    "Cache",
    "Catalogue",
    "CataloguedFeature",
    "Change",
    "DataDirectory",
    "Decision",
    "DeclaredFeature",
    "DriftState",
    "Engine",
    "EngineStopped",
    "ErasureFailed",
    "EventConflict",
    "EventUnreadable",
    "EvidenceFiles",
    "Explainer",
    "Explanation",
    "ExplanationLine",
    "ExportExists",
    "ExportSelection",
    "Exported",
    "Exposure",
    "FeatureStatistics",
    "FeatureVersion",
    "FoundRecord",
    "Gate",
    "IdempotencyKeyReused",
    "Ingested",
    "Judgement",
    "Learned",
    "Lightening",
    "Load",
    "MistakeCosts",
    "Model",
    "ModelSource",
    "NoModel",
    "NoTrainer",
    "NotApproved",
    "NotExplainable",
    "NotImported",
    "Otherwise",
    "PartitionNotHere",
    "PartitionRenamed",
    "Pattern",
    "PlacedRule",
    "ProcessWindows",
    "ReadyModel",
    "RecordedRequests",
    "Registered",
    "RegistrationPlan",
    "ReleaseJudge",
    "ReleaseRefused",
    "Releases",
    "ReplayReport",
    "Reply",
    "Rollout",
    "Route",
    "Rule",
    "Scorer",
    "Seen",
    "SeenSoFar",
    "ServedDecision",
    "Shadows",
    "SharedWindows",
    "Shown",
    "SnapshotInProgress",
    "Snapshotted",
    "Spread",
    "Subjects",
    "TenantHistories",
    "Trained",
    "TrainedWith",
    "Trainer",
    "TrainingPlan",
    "Verdict",
    "Verification",
    "VersionCounts",
    "Windows",
    "WrongDecision",
    "approved_bundle",
    "backfill_parts",
    "budget",
    "cache",
    "catalogue_reader",
    "check_bundle",
    "consents_of",
    "decision",
    "drift_states",
    "explain_record",
    "export_records",
    "exposed",
    "exposure",
    "fallback",
    "feature_statistics",
    "find_inference",
    "find_inferences",
    "find_record",
    "function_source",
    "gate",
    "imported_source",
    "judge",
    "latest_offset",
    "learn",
    "load_application",
    "matching_rule",
    "model",
    "open_subjects",
    "opened_subjects",
    "optimised_source",
    "otherwise_of",
    "placed_rules",
    "profile_of",
    "read_all_histories",
    "read_bundle",
    "read_catalogue",
    "read_histories",
    "read_past_requests",
    "ready_model",
    "record_features",
    "recorded_requests",
    "refuse",
    "register_source",
    "replay_record",
    "review",
    "rule",
    "running_bundle",
    "score_batch",
    "shown_of",
    "take_snapshot",
    "train_decision",
    "training_set",
    "verify_records",
    "write_features",
]
