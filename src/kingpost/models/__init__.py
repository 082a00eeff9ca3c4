"""Models: trained, judged on later periods, described by a card, served as ONNX."""

from kingpost.models.card import CardTable, DataSummary, ModelCard, render_card
from kingpost.models.dataset import Provenance, TrainingSet, model_input
from kingpost.models.errors import (
    BadModel,
    BadSplit,
    BadTrainingSet,
    ExportDiffers,
    ExtraMissing,
    HistoryTooShort,
    OneClassOnly,
)
from kingpost.models.evaluation import Evaluation, Slice, evaluate
from kingpost.models.fitted import Choice, FittedModel, HeldOut, Progress, Trial, quiet
from kingpost.models.folds import (
    Fold,
    Folds,
    OutOfTimeSplit,
    RowsToJudge,
    UnknownEntities,
    every_row,
)
from kingpost.models.lightgbm import LightGbmTrainer, train_lightgbm
from kingpost.models.measures import (
    Calibration,
    CostOutcome,
    Costs,
    EntityPrecision,
    ReliabilityBin,
    average_precision,
    calibration,
    cheapest_threshold,
    cost_at,
    entity_precision,
    roc_auc,
)
from kingpost.models.onnx import OnnxScorer, check_export
from kingpost.models.search import LightGbmGrid, PastWeeks
from kingpost.models.trees import LightGbmParameters, lightgbm_scores

__all__ = [
    "BadModel",
    "BadSplit",
    "BadTrainingSet",
    "Calibration",
    "CardTable",
    "Choice",
    "CostOutcome",
    "Costs",
    "DataSummary",
    "EntityPrecision",
    "Evaluation",
    "ExportDiffers",
    "ExtraMissing",
    "FittedModel",
    "Fold",
    "Folds",
    "HeldOut",
    "HistoryTooShort",
    "LightGbmGrid",
    "LightGbmParameters",
    "LightGbmTrainer",
    "ModelCard",
    "OneClassOnly",
    "OnnxScorer",
    "OutOfTimeSplit",
    "PastWeeks",
    "Progress",
    "Provenance",
    "ReliabilityBin",
    "RowsToJudge",
    "Slice",
    "TrainingSet",
    "Trial",
    "UnknownEntities",
    "average_precision",
    "calibration",
    "cheapest_threshold",
    "check_export",
    "cost_at",
    "entity_precision",
    "evaluate",
    "every_row",
    "lightgbm_scores",
    "model_input",
    "quiet",
    "render_card",
    "roc_auc",
    "train_lightgbm",
]
