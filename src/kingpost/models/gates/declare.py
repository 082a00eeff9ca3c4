"""How evaluation gates are declared: what a model must show before a person may approve it.

    evaluation=kp.evaluation(
        kp.quality("average_precision", at_least=0.5),
        kp.fair("demographic_parity_difference", by="region", at_most=0.1),
        kp.better_than_champion("average_precision", by_at_least=0.0),
    )

The rule: a gate is passed when the whole interval of its number keeps the bound. Where the
interval reaches to both sides the gate is undecided, which is never taken for passed unless
the declaration says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.core import BadDuration, Place, caller_place, duration_us
from kingpost.models.errors import WrongGate
from kingpost.models.gates.rows import JudgedRows

__all__ = [
    "EvaluationGate",
    "EvaluationGates",
    "FairnessMeasure",
    "GateKind",
    "GateSpec",
    "GatesSpec",
    "QualityMeasure",
    "Side",
    "Undecided",
    "Worth",
    "better_than_champion",
    "business",
    "calibrated",
    "evaluation",
    "fair",
    "is_lower_better",
    "latency",
    "quality",
    "running_cost",
    "slice_quality",
]

QualityMeasure = Literal[
    "auc_roc", "average_precision", "precision", "recall", "false_positive_rate", "brier"
]
FairnessMeasure = Literal[
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
]
GateKind = Literal[
    "quality",
    "slice",
    "calibration",
    "fairness",
    "latency",
    "running_cost",
    "business",
    "champion",
]
Side = Literal["at_least", "at_most"]
Undecided = Literal["refused", "accepted"]
Worth = Callable[[JudgedRows], NDArray[np.float64]]
"""What each row was worth, in one unit of the user's: float64, shape (rows,)."""

_LOWER_IS_BETTER = ("false_positive_rate", "brier")


class GateSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gate asks for, as a bundle names it.

    Attributes:
        measure: What is measured; of a business gate the name of its function.
        bound: In the unit of the measure: milliseconds of a latency, USD of a million
            requests of a running cost.
        by: The field of the request or the feature that parts the rows.
        edges: Where a number is cut into groups; none where each value is one.
        cpu_hour_usd: What an hour of one core costs.
    """

    kind: GateKind
    measure: str
    side: Side
    bound: float
    by: str = ""
    edges: tuple[float, ...] = ()
    cpu_hour_usd: float = 0.0

    def __str__(self) -> str:
        side = self.side.replace("_", " ")
        match self.kind:
            case "latency":
                return f"{self.measure} of one score {side} {self.bound:g} ms"
            case "running_cost":
                return f"running cost of a million scores {side} {self.bound:g} USD"
            case "champion":
                return f"{self.measure} better than the champion's by more than {self.bound:g}"
            case _:
                parted = f" by {self.by}" if self.by else ""
                return f"{self.measure}{parted} {side} {self.bound:g}"


class GatesSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All gates of a decision, as a bundle names them.

    Attributes:
        confidence: How often the interval of a number holds; None where the number itself
            is compared.
        undecided: What an undecided gate means for the approval.
    """

    gates: tuple[GateSpec, ...]
    confidence: float | None
    undecided: Undecided


@dataclass(frozen=True)
class EvaluationGate:
    """A gate as declared.

    Attributes:
        worth: Of a business gate: what each row was worth. Its source is part of the
            application's.
        place: Where it is declared.
    """

    spec: GateSpec
    place: Place
    worth: Worth | None = None


@dataclass(frozen=True)
class EvaluationGates:
    """What a decision's model must show before it may be approved."""

    gates: tuple[EvaluationGate, ...]
    confidence: float | None
    undecided: Undecided

    @property
    def spec(self) -> GatesSpec:
        """What a bundle names of them."""
        return GatesSpec(
            gates=tuple(gate.spec for gate in self.gates),
            confidence=self.confidence,
            undecided=self.undecided,
        )


def evaluation(
    *gates: EvaluationGate, confidence: float | None = 0.95, undecided: Undecided = "refused"
) -> EvaluationGates:
    """Say what a model must show before it may be approved.

    Args:
        gates: As from `quality`, `slice_quality`, `calibrated`, `fair`, `latency`,
            `running_cost`, `business` and `better_than_champion`; all must be passed.
        confidence: How often the interval of a number holds: the whole interval must keep
            the bound. None compares the number itself.
        undecided: Whether a gate whose interval reaches to both sides of its bound, or that
            has too few rows, holds an approval up.

    Raises:
        WrongGate: There are no gates, one is there twice, or the confidence is none.
    """
    place = caller_place()
    if not gates:
        raise WrongGate("an evaluation without gates asks for nothing", "name one", place)
    seen: set[GateSpec] = set()
    for gate in gates:
        if gate.spec in seen:
            raise WrongGate(f"the gate {gate.spec} is there twice", "leave one out", gate.place)
        seen.add(gate.spec)
    if confidence is not None and not 0.5 <= confidence < 1:
        raise WrongGate(
            f"the confidence is {confidence:g}", "give 0.5 to less than 1, as 0.95", place
        )
    if undecided not in get_args(Undecided):
        raise WrongGate(f"undecided is {undecided!r}", "say 'refused' or 'accepted'", place)
    return EvaluationGates(tuple(gates), confidence, undecided)


def quality(
    measure: QualityMeasure, *, at_least: float | None = None, at_most: float | None = None
) -> EvaluationGate:
    """Bound a measure of quality on all rows.

    Args:
        measure: `auc_roc` and `average_precision` judge the order of the scores;
            `precision`, `recall` and `false_positive_rate` the answers at the bundle's
            threshold; `brier` the probabilities.

    Raises:
        WrongGate: There is no such measure, or not one bound.
    """
    place = caller_place()
    _check_measure(measure, get_args(QualityMeasure), place)
    side, bound = _side(measure, at_least, at_most, place)
    return EvaluationGate(GateSpec(kind="quality", measure=measure, side=side, bound=bound), place)


def slice_quality(
    measure: QualityMeasure,
    *,
    by: str,
    at_least: float | None = None,
    at_most: float | None = None,
    edges: tuple[float, ...] = (),
) -> EvaluationGate:
    """Bound the same in every part of the rows.

    Args:
        by: A field of the request, or a feature.
        edges: Where a number is cut into parts, ascending; without, each value is one.

    Raises:
        WrongGate: There is no such measure, not one bound, or the edges do not ascend.
    """
    place = caller_place()
    _check_measure(measure, get_args(QualityMeasure), place)
    side, bound = _side(measure, at_least, at_most, place)
    cut = _checked_edges(edges, place)
    spec = GateSpec(kind="slice", measure=measure, side=side, bound=bound, by=by, edges=cut)
    return EvaluationGate(spec, place)


def calibrated(*, at_most: float) -> EvaluationGate:
    """Bound the expected calibration error: how far scores lie from what was observed.

    Raises:
        WrongGate: The bound is no number.
    """
    place = caller_place()
    side, bound = _side("calibration_error", None, at_most, place)
    spec = GateSpec(kind="calibration", measure="calibration_error", side=side, bound=bound)
    return EvaluationGate(spec, place)


def fair(
    measure: FairnessMeasure,
    *,
    by: str,
    at_most: float | None = None,
    at_least: float | None = None,
    edges: tuple[float, ...] = (),
) -> EvaluationGate:
    """Bound how far groups are apart; a difference from above, a ratio from below.

    The measures are Fairlearn's: the share of positive answers (demographic parity), the
    share of them among positive rows (equal opportunity), that and the same among the others
    (equalised odds, whichever is further apart).

    Args:
        by: A field of the request, or a feature.
        edges: Where a number is cut into groups, ascending; without, each value is one.

    Raises:
        WrongGate: There is no such measure, not the one bound, or the edges do not ascend.
    """
    place = caller_place()
    _check_measure(measure, get_args(FairnessMeasure), place)
    side, bound = _side(measure, at_least, at_most, place)
    expected: Side = "at_least" if measure.endswith("_ratio") else "at_most"
    if side != expected:
        raise WrongGate(f"{measure} {side} {bound:g} asks for nothing", f"say {expected}=…", place)
    cut = _checked_edges(edges, place)
    spec = GateSpec(kind="fairness", measure=measure, side=side, bound=bound, by=by, edges=cut)
    return EvaluationGate(spec, place)


def latency(*, p99: str | timedelta) -> EvaluationGate:
    """Bound the 99th percentile of the time that the model takes for one score.

    Raises:
        WrongGate: The length is none.
    """
    place = caller_place()
    try:
        bound = duration_us(p99) / 1000
    except BadDuration as error:
        raise WrongGate(str(error), "write it so", place) from error
    spec = GateSpec(kind="latency", measure="p99", side="at_most", bound=bound)
    return EvaluationGate(spec, place)


def running_cost(*, at_most_usd: float, cpu_hour_usd: float) -> EvaluationGate:
    """Bound what the model's processor time costs for a million scores, one at a time.

    Args:
        cpu_hour_usd: What an hour of one core costs.

    Raises:
        WrongGate: A number is negative or none.
    """
    place = caller_place()
    for name, value in (("at_most_usd", at_most_usd), ("cpu_hour_usd", cpu_hour_usd)):
        if not 0 < value < math.inf:
            raise WrongGate(f"{name} is {value:g}", "give a number above 0", place)
    spec = GateSpec(
        kind="running_cost",
        measure="running_cost",
        side="at_most",
        bound=float(at_most_usd),
        cpu_hour_usd=float(cpu_hour_usd),
    )
    return EvaluationGate(spec, place)


def business(
    worth: Worth, *, at_least: float | None = None, at_most: float | None = None
) -> EvaluationGate:
    """Bound what an answer is worth on average, in a unit of your own.

    Args:
        worth: Takes `JudgedRows` and returns what each row was worth, float64, one per row.

    Raises:
        WrongGate: The function has no name, or there is not one bound.
    """
    place = caller_place()
    name = getattr(worth, "__name__", "")
    if not name.isidentifier():
        raise WrongGate("a business metric has no name", "give a function made with def", place)
    side, bound = _side(name, at_least, at_most, place)
    return EvaluationGate(
        GateSpec(kind="business", measure=name, side=side, bound=bound), place, worth
    )


def better_than_champion(measure: QualityMeasure, *, by_at_least: float = 0.0) -> EvaluationGate:
    """Ask for more than the champion gives on the same rows: a paired test.

    Where no champion runs yet the gate is passed.

    Args:
        by_at_least: The least gain that counts; the gain must be above it. A negative one
            asks for no more than not being much worse.

    Raises:
        WrongGate: There is no such measure, or the gain is no number.
    """
    place = caller_place()
    _check_measure(measure, get_args(QualityMeasure), place)
    side, bound = _side(measure, by_at_least, None, place)
    return EvaluationGate(GateSpec(kind="champion", measure=measure, side=side, bound=bound), place)


def is_lower_better(measure: str) -> bool:
    """Say whether a measure of quality is the better the lower it is."""
    return measure in _LOWER_IS_BETTER


def _check_measure(measure: str, known: tuple[str, ...], place: Place) -> None:
    if measure not in known:
        raise WrongGate(f"{measure!r} is no measure", f"use one of {', '.join(known)}", place)


def _side(
    measure: str, at_least: float | None, at_most: float | None, place: Place
) -> tuple[Side, float]:
    bound = at_most if at_least is None else at_least
    if bound is None or not math.isfinite(bound) or None not in (at_least, at_most):
        raise WrongGate(
            f"{measure} has no bound, two, or one that is no number",
            "say at_least=… or at_most=…",
            place,
        )
    return "at_most" if at_least is None else "at_least", float(bound)


def _checked_edges(edges: tuple[float, ...], place: Place) -> tuple[float, ...]:
    cut = tuple(map(float, edges))
    if not all(map(math.isfinite, cut)) or any(a >= b for a, b in pairwise(cut)):
        raise WrongGate(f"edges are {edges}", "give numbers that ascend", place)
    return cut
