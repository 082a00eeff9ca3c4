"""Models: trained, judged on later periods, described by a card, served as ONNX."""

from kingpost.models.card import render_card
from kingpost.models.card_facts import CardTable, DataSummary, ModelCard
from kingpost.models.card_html import card_page, card_style, render_card_html, render_card_page
from kingpost.models.dataset import Provenance, TrainingSet, model_input
from kingpost.models.embeddings import (
    EMBEDDING_MIGRATIONS,
    EmbeddingCache,
    EmbeddingCounts,
    EmbeddingSpace,
    EmbeddingStore,
    HeldEmbeddings,
    MemoryEmbeddings,
    SqliteEmbeddings,
)
from kingpost.models.errors import (
    BadEmbeddings,
    BadModel,
    BadSplit,
    BadTrainingSet,
    ExportDiffers,
    HistoryTooShort,
    NothingToCompare,
    OneClassOnly,
)
from kingpost.models.evaluation import Evaluation, Slice, evaluate
from kingpost.models.explain import Contributions, contributions
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
    CurvePoint,
    EntityPrecision,
    ReliabilityBin,
    average_precision,
    calibration,
    cheapest_threshold,
    cost_at,
    entity_precision,
    precision_recall_curve,
    roc_auc,
)
from kingpost.models.onnx import OnnxScorer, check_export
from kingpost.models.score_cache import CacheCounts, FoundScores, ScoreCache
from kingpost.models.search import LightGbmGrid, PastWeeks
from kingpost.models.trees import LightGbmParameters, lightgbm_scores

__all__ = [
    "EMBEDDING_MIGRATIONS",
    "BadEmbeddings",
    "BadModel",
    "BadSplit",
    "BadTrainingSet",
    "CacheCounts",
    "Calibration",
    "CardTable",
    "Choice",
    "Contributions",
    "CostOutcome",
    "Costs",
    "CurvePoint",
    "DataSummary",
    "EmbeddingCache",
    "EmbeddingCounts",
    "EmbeddingSpace",
    "EmbeddingStore",
    "EntityPrecision",
    "Evaluation",
    "ExportDiffers",
    "FittedModel",
    "Fold",
    "Folds",
    "FoundScores",
    "HeldEmbeddings",
    "HeldOut",
    "HistoryTooShort",
    "LightGbmGrid",
    "LightGbmParameters",
    "LightGbmTrainer",
    "MemoryEmbeddings",
    "ModelCard",
    "NothingToCompare",
    "OneClassOnly",
    "OnnxScorer",
    "OutOfTimeSplit",
    "PastWeeks",
    "Progress",
    "Provenance",
    "ReliabilityBin",
    "RowsToJudge",
    "ScoreCache",
    "Slice",
    "SqliteEmbeddings",
    "TrainingSet",
    "Trial",
    "UnknownEntities",
    "average_precision",
    "calibration",
    "card_page",
    "card_style",
    "cheapest_threshold",
    "check_export",
    "contributions",
    "cost_at",
    "entity_precision",
    "evaluate",
    "every_row",
    "lightgbm_scores",
    "model_input",
    "precision_recall_curve",
    "quiet",
    "render_card",
    "render_card_html",
    "render_card_page",
    "roc_auc",
    "train_lightgbm",
]
