"""Judging a model by its decision's gates: each number, its interval, its verdict.

The rules: every number that is resampled is resampled by the same draws, so a gain on the
champion is that of pairs; the same rows give the same numbers, but for what was timed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadGroups
from kingpost.models.fitted import Progress, quiet
from kingpost.models.gates.declare import EvaluationGate, EvaluationGates, GateSpec, is_lower_better
from kingpost.models.gates.fairness import GroupRate, disparity
from kingpost.models.gates.quality import (
    Weighted,
    quality_interval,
    too_few,
    weighted_mean,
    weighted_measure,
)
from kingpost.models.gates.results import GateResult, Verdict
from kingpost.models.gates.rows import Group, JudgedRows, groups_of
from kingpost.models.gates.timing import Timings
from kingpost.stats import (
    RESAMPLES,
    drawn_weights,
    normal_quantile,
    percentile_interval,
    quantile_interval,
)

__all__ = ["Champion", "judge_gates"]

_STRADDLES = "the interval reaches to both sides of the bound: more rows would tell"
_TOLD_EVERY = 50


class Champion(NamedTuple):
    """What runs now, on the rows that are judged.

    Attributes:
        score: Its scores of the same rows, float64, shape (rows,); None where there is nothing
            to compare.
        note: What to know of the comparison, or why there is none.
        passes: Whether the gate is passed where there is none.
    """

    score: NDArray[np.float64] | None
    threshold: float
    note: str = ""
    passes: bool = False


@dataclass(frozen=True, eq=False)
class _Finding:
    """What was found for one gate in one part of the rows, before its verdict.

    Attributes:
        resampled: The measure by weights of the part's rows, where its interval is drawn.
        strict: The bound itself does not pass.
        settled: A verdict that no number changes.
    """

    spec: GateSpec
    rows: int
    positives: int
    value: float | None
    interval: tuple[float, float] | None = None
    resampled: Weighted | None = None
    group: str = ""
    few: str = ""
    why: str = ""
    strict: bool = False
    settled: Verdict | None = None
    rates: tuple[GroupRate, ...] = ()


def judge_gates(
    gates: EvaluationGates,
    rows: JudgedRows,
    *,
    champion: Champion | None = None,
    timings: Timings | None = None,
    progress: Progress = quiet,
) -> tuple[GateResult, ...]:
    """Judge a model by its scores of rows that it had not learned from.

    Args:
        champion: What runs now; None where nothing does.
        timings: What single scores took; without them gates on time are undecided.
        progress: Told of the resamples drawn.

    Raises:
        BadGroups: A gate parts rows that cannot be parted so, or its function does not give
            a number per row.
    """
    parts: dict[tuple[str, tuple[float, ...]], tuple[Group, ...]] = {}
    for gate in gates.gates:
        key = gate.spec.by, gate.spec.edges
        if gate.spec.by and key not in parts:
            parts[key] = groups_of(rows, *key)
    judge = _Judge(rows, parts, gates.confidence, champion, timings)
    findings = [one for gate in gates.gates for one in judge.findings(gate)]
    drawn = (
        {}
        if gates.confidence is None
        else _drawn(findings, rows, parts, gates.confidence, progress)
    )
    return tuple(_result(one, drawn.get(at, one.interval)) for at, one in enumerate(findings))


@dataclass(frozen=True, eq=False)
class _Judge:
    rows: JudgedRows
    parts: Mapping[tuple[str, tuple[float, ...]], Sequence[Group]]
    confidence: float | None
    champion: Champion | None
    timings: Timings | None

    def findings(self, gate: EvaluationGate) -> Iterator[_Finding]:
        spec = gate.spec
        match spec.kind:
            case "quality" | "calibration":
                yield self._measured(spec, self.rows, "")
            case "slice":
                for group in self.parts[spec.by, spec.edges]:
                    yield self._measured(spec, self.rows.take(group.rows), group.name)
            case "fairness":
                yield self._disparity(spec)
            case "latency" | "running_cost":
                yield self._timed(spec)
            case "business":
                yield self._worth(gate)
            case "champion":
                yield self._gain(spec)

    def _measured(self, spec: GateSpec, rows: JudgedRows, group: str) -> _Finding:
        resampled = weighted_measure(spec.measure, rows)
        interval = None
        if self.confidence is not None:
            interval = quality_interval(spec.measure, rows, normal_quantile(self.confidence))
        return _Finding(
            spec=spec,
            rows=len(rows),
            positives=int(np.count_nonzero(rows.label)),
            value=_defined(resampled(np.ones(len(rows)))),
            interval=interval,
            resampled=resampled if interval is None else None,
            group=group,
            few=too_few(spec.measure, rows),
        )

    def _disparity(self, spec: GateSpec) -> _Finding:
        groups = self.parts[spec.by, spec.edges]
        found = disparity(spec.measure, self.rows, groups, self.confidence)
        return self._of_all(
            spec, found.value, interval=found.interval, few=found.too_few, rates=found.rates
        )

    def _timed(self, spec: GateSpec) -> _Finding:
        if self.timings is None:
            return self._of_all(spec, None, why="nothing was timed")
        if spec.kind == "running_cost":
            return self._of_all(spec, self.timings.cpu_s * 1e6 / 3600 * spec.cpu_hour_usd)
        z = normal_quantile(self.confidence or 0.95)
        value, low, high = quantile_interval(self.timings.call_ms, 0.99, z=z)
        return self._of_all(spec, value, interval=None if self.confidence is None else (low, high))

    def _worth(self, gate: EvaluationGate) -> _Finding:
        assert gate.worth is not None  # as `business` declares it
        worth = np.asarray(gate.worth(self.rows), np.float64)
        if worth.shape != (len(self.rows),) or not np.all(np.isfinite(worth)):
            raise BadGroups(
                gate.spec.measure,
                f"gave {worth.shape} values for {len(self.rows)} rows, or one that is no number",
                "return what each row was worth",
            )
        return self._of_all(gate.spec, float(worth.mean()), resampled=weighted_mean(worth))

    def _gain(self, spec: GateSpec) -> _Finding:
        champion = self.champion
        if champion is None:
            return self._of_all(spec, None, why="no champion runs yet", settled="passed")
        if champion.score is None:
            settled: Verdict = "passed" if champion.passes else "undecided"
            return self._of_all(spec, None, why=champion.note, settled=settled)
        rows = self.rows
        other = JudgedRows(
            rows.feature_names,
            rows.x,
            rows.requests,
            rows.label,
            champion.score,
            champion.threshold,
        )
        resampled = _gain(
            weighted_measure(spec.measure, rows), weighted_measure(spec.measure, other)
        )
        sign = -1.0 if is_lower_better(spec.measure) else 1.0
        return self._of_all(
            spec,
            _defined(resampled(np.ones(len(rows))) * sign),
            resampled=lambda weights: resampled(weights) * sign,
            few=too_few(spec.measure, rows) or too_few(spec.measure, other),
            why=champion.note,
            strict=True,
        )

    def _of_all(
        self,
        spec: GateSpec,
        value: float | None,
        *,
        interval: tuple[float, float] | None = None,
        resampled: Weighted | None = None,
        few: str = "",
        why: str = "",
        strict: bool = False,
        settled: Verdict | None = None,
        rates: tuple[GroupRate, ...] = (),
    ) -> _Finding:
        return _Finding(
            spec=spec,
            rows=len(self.rows),
            positives=int(np.count_nonzero(self.rows.label)),
            value=value,
            interval=interval,
            resampled=resampled,
            few=few,
            why=why,
            strict=strict,
            settled=settled,
            rates=rates,
        )


def _gain(one: Weighted, champion: Weighted) -> Weighted:
    return lambda weights: one(weights) - champion(weights)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _drawn(
    findings: Sequence[_Finding],
    rows: JudgedRows,
    parts: Mapping[tuple[str, tuple[float, ...]], Sequence[Group]],
    confidence: float,
    progress: Progress,
) -> dict[int, tuple[float, float]]:
    """Draw the intervals of what has no formula, by the place of its finding.

    Measures of the same part of the rows share their draws.
    """
    by_part: dict[tuple[str, str, tuple[float, ...]], list[int]] = {}
    for at, one in enumerate(findings):
        if one.resampled is not None and one.value is not None:
            cut = one.spec.edges if one.group else ()
            by_part.setdefault((one.group, one.spec.by if one.group else "", cut), []).append(at)
    intervals: dict[int, tuple[float, float]] = {}
    total = len(by_part) * RESAMPLES
    for number, places in enumerate(by_part.values()):
        found: dict[int, list[float]] = {at: [] for at in places}
        for draw, weights in enumerate(drawn_weights(findings[places[0]].rows)):
            for at in places:
                measure = findings[at].resampled
                if measure is not None:
                    found[at].append(measure(weights))
            if draw % _TOLD_EVERY == 0:
                progress("gates", number * RESAMPLES + draw, total)
        intervals |= {
            at: percentile_interval(values, confidence=confidence) for at, values in found.items()
        }
    progress("gates", total, total)
    return intervals


def _result(one: _Finding, interval: tuple[float, float] | None) -> GateResult:
    verdict, why = _decided(one, interval)
    low, high = interval or (None, None)
    return GateResult(
        gate=str(one.spec),
        kind=one.spec.kind,
        measure=one.spec.measure,
        group=one.group,
        rows=one.rows,
        positives=one.positives,
        value=one.value,
        low=low,
        high=high,
        side=one.spec.side,
        bound=one.spec.bound,
        verdict=verdict,
        why=why,
        rates=one.rates,
    )


def _decided(one: _Finding, interval: tuple[float, float] | None) -> tuple[Verdict, str]:
    if one.settled is not None:
        return one.settled, one.why
    if one.value is None:
        return "undecided", one.why or f"not defined on these rows: {one.few or 'one kind only'}"
    low, high = interval or (one.value, one.value)
    if one.spec.side == "at_most":
        low, high, bound = -high, -low, -one.spec.bound
    else:
        bound = one.spec.bound
    if high < bound or (one.strict and high == bound):
        verdict: Verdict = "failed"
    elif one.few:
        return "undecided", f"too few: {one.few}"
    elif low > bound or (low == bound and not one.strict):
        verdict = "passed"
    else:
        return "undecided", "; ".join(filter(None, (_STRADDLES, one.why)))
    return verdict, one.why
