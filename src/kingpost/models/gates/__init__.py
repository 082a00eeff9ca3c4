"""Evaluation gates: what a model must show before it may be approved, and whether it does."""

from kingpost.models.gates.card import gated_card, gated_card_html
from kingpost.models.gates.declare import (
    EvaluationGate,
    EvaluationGates,
    GateSpec,
    GatesSpec,
    better_than_champion,
    business,
    calibrated,
    evaluation,
    fair,
    latency,
    quality,
    running_cost,
    slice_quality,
)
from kingpost.models.gates.fairness import GroupRate
from kingpost.models.gates.judging import Champion, judge_gates
from kingpost.models.gates.results import (
    GateResult,
    GateResults,
    Verdict,
    encode_results,
    gates_section,
    read_results,
)
from kingpost.models.gates.rows import JudgedRows
from kingpost.models.gates.timing import Timings, time_scores

__all__ = [
    "Champion",
    "EvaluationGate",
    "EvaluationGates",
    "GateResult",
    "GateResults",
    "GateSpec",
    "GatesSpec",
    "GroupRate",
    "JudgedRows",
    "Timings",
    "Verdict",
    "better_than_champion",
    "business",
    "calibrated",
    "encode_results",
    "evaluation",
    "fair",
    "gated_card",
    "gated_card_html",
    "gates_section",
    "judge_gates",
    "latency",
    "quality",
    "read_results",
    "running_cost",
    "slice_quality",
    "time_scores",
]
