"""A record as its page and its task show it: what was answered, from what, how it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import msgspec
import numpy as np

from kingpost.console.running import label_of
from kingpost.console.visit import Visit
from kingpost.core import KingpostError, id_text
from kingpost.decisions import Bundle, Explanation
from kingpost.monitoring import Profile
from kingpost.records import DecisionRecord, RecordLine
from kingpost.registry import Approval

__all__ = [
    "Explained",
    "FeatureLine",
    "RecordView",
    "StageShare",
    "explained",
    "record_view",
]

_HALF = 50.0
_LONGEST_VALUE = 400


class FeatureLine(NamedTuple):
    """A feature's value; `percentile` says where it lies in the reference, 0 to 1."""

    name: str
    value: float | None
    percentile: float | None

    @property
    def place(self) -> float:
        """The percentile in percent, for a mark."""
        return round((self.percentile or 0.0) * 100, 1)


class StageShare(NamedTuple):
    """Time spent in a stage; `left` and `width` in percent."""

    name: str
    took_us: int
    left: float
    width: float
    tone: int


class _Contribution(NamedTuple):
    """What a feature added; `left` and `width` of its bar in percent."""

    name: str
    value: float | None
    percentile: float | None
    contribution: float
    left: float
    width: float


@dataclass(frozen=True)
class Explained:
    """Why a score is what it is; `problem` says why that cannot be told."""

    explanation: Explanation | None
    lines: Sequence[_Contribution]
    problem: str = ""


@dataclass(frozen=True)
class RecordView:
    """All that is known of a record.

    Attributes:
        record: None when the journal does not have it any more.
        request: Names and values of the request's body; empty when it is not kept.
        model: Name and number of its version; None when the bundle cannot be read.
        approvals: Of its bundle, the oldest first.
    """

    id: str
    line: RecordLine
    record: DecisionRecord | None
    label: str
    bundle: Bundle | None
    model: tuple[str, int] | None
    approvals: Sequence[Approval]
    request: Sequence[tuple[str, str]]
    features: Sequence[FeatureLine]
    unavailable: Sequence[str]
    no_consent: Sequence[str]
    stages: Sequence[StageShare]
    total_us: int
    has_reference: bool
    can_explain: bool


def record_view(visit: Visit, line: RecordLine) -> RecordView:
    """Read all that is known of a record that the search found.

    Raises:
        KingpostError: The journal cannot be read.
    """
    sources = visit.sources
    record = sources.kept.record(line)
    bundle = sources.bundle_of(line.decision, line.bundle)
    profile = _profile(visit, line)
    stages, total_us = _stages(record)
    # those that counted then may not under the approvers of today
    approvals = [one.approval for one in sources.control.judged_approvals(line.decision)]
    return RecordView(
        id=id_text(line.id),
        line=line,
        record=record,
        label=label_of(visit, line.decision, bundle),
        bundle=bundle,
        model=(bundle.model_name, bundle.model_number) if bundle else None,
        approvals=[one for one in approvals if one.bundle == line.bundle.hex()],
        request=_fields(sources.kept.request(record)) if record else (),
        features=_features(record, bundle, profile) if record else (),
        unavailable=record.unavailable if record else (),
        no_consent=record.no_consent if record else (),
        stages=stages,
        total_us=total_us,
        has_reference=profile is not None,
        can_explain=bool(
            record and profile and sources.explain and line.score is not None and record.features
        ),
    )


def explained(visit: Visit, view: RecordView) -> Explained:
    """Explain a record's score, which takes tens of milliseconds."""
    if visit.sources.explain is None or view.record is None:
        return Explained(None, (), "Explanations are not part of this server.")
    try:
        found = visit.sources.explain(view.record)
    except KingpostError as error:
        return Explained(None, (), str(error))
    largest = max((abs(line.contribution) for line in found.lines), default=0.0) or 1.0
    lines: list[_Contribution] = []
    for line in found.lines:
        width = abs(line.contribution) / largest * _HALF
        left = _HALF if line.contribution >= 0 else _HALF - width
        lines.append(
            _Contribution(
                line.feature,
                line.value,
                line.percentile,
                line.contribution,
                round(left, 2),
                round(width, 2),
            )
        )
    return Explained(found, lines)


def _profile(visit: Visit, line: RecordLine) -> Profile | None:
    try:
        return visit.sources.profile_of(line.decision, line.bundle)
    except KingpostError:
        return None  # the page says that there is no reference


def _features(
    record: DecisionRecord, bundle: Bundle | None, profile: Profile | None
) -> Sequence[FeatureLine]:
    values: list[float] = np.frombuffer(record.features, "<f8").tolist()
    names: Sequence[str] = bundle.feature_names if bundle else ()
    if len(names) != len(values):
        names = [f"feature {at + 1}" for at in range(len(values))]
    lines: list[FeatureLine] = []
    for name, value in zip(names, values, strict=True):
        column = profile.column(name) if profile else None
        is_known = not isnan(value)
        lines.append(
            FeatureLine(
                name,
                value if is_known else None,
                column.percentile(value) if column and is_known else None,
            )
        )
    return lines


def _stages(record: DecisionRecord | None) -> tuple[Sequence[StageShare], int]:
    if record is None:
        return (), 0
    spent = record.stages
    parts = (
        ("queue", spent.queue_us, 4),
        ("features", spent.features_us, 3),
        ("model", spent.model_us, 1),
        ("gate", spent.gate_us, 2),
    )
    total = sum(took for _, took, _ in parts)
    left, shown = 0.0, list[StageShare]()
    for name, took, tone in parts:
        width = took / total * 100 if total else 0.0
        shown.append(StageShare(name, took, round(left, 2), round(width, 2), tone))
        left += width
    return shown, total


def _fields(body: bytes | None) -> Sequence[tuple[str, str]]:
    """Return the fields of a request's body, each value as JSON but for plain text."""
    if body is None:
        return ()
    try:
        decoded = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return (("body", body[:_LONGEST_VALUE].decode(errors="replace")),)
    return [(name, _plain(bytes(raw))) for name, raw in decoded.items()]


def _plain(raw: bytes) -> str:
    try:
        text = msgspec.json.decode(raw, type=str)
    except msgspec.MsgspecError:
        text = raw.decode(errors="replace")
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
