"""The catalogue of features as JSON, for the API and for `kingpost features --json`.

The rule: nothing of the machine is in it; where a declaration stands is said by its file's
name and line.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kingpost.contracts import Instant
from kingpost.decisions import (
    CataloguedFeature,
    DeclaredFeature,
    DriftState,
    FeatureStatistics,
    FeatureVersion,
    Spread,
    TrainedWith,
)
from kingpost.features import FeatureKind, ValueType

__all__ = [
    "FeatureDocument",
    "FeatureLineDocument",
    "FeaturesDocument",
    "FeaturesQuery",
    "feature_document",
    "feature_line",
    "version_document",
]

_Text = Annotated[str, Meta(max_length=255)]


class FeaturesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which features.

    Attributes:
        text: Words that are all in the name, the description, the owner, a tag or the
            fields that it reads.
        stream: Only those that read it.
    """

    text: _Text = ""
    kind: Literal["", "field", "function", "window", "look-up"] = ""
    stream: _Text = ""
    owner: _Text = ""
    tag: _Text = ""
    decision: _Text = ""


class TrainedWithDocument(msgspec.Struct):
    """A model version that learned from a version of a feature; `runs` names decisions."""

    model: str
    number: int
    runs: tuple[str, ...]


class FeatureLineDocument(msgspec.Struct):
    """A feature as it is declared now.

    Attributes:
        version: SHA-256 over all that the value depends on.
        exact: The value has no error of a sketch and does not depend on the order of events.
        default: The value of an empty window; null for what is missing without one.
        retention: How long windows hold events of the stream; empty where they hold all.
        purposes: What must be consented to, else there is no value.
        drift: What the monitors say, per decision; one that is not judged is not there.
        earlier_versions: Versions of this name beside this one.
    """

    name: str
    version: str
    kind: FeatureKind
    summary: str
    type: ValueType
    stream: str
    key: tuple[str, ...]
    window: str
    delay: str
    retention: str
    aggregate: str
    field: str
    exact: bool
    default: float | None
    owner: str
    description: str
    tags: tuple[str, ...]
    decisions: tuple[str, ...]
    models: tuple[TrainedWithDocument, ...]
    reads: tuple[str, ...]
    takes: tuple[str, ...]
    feeds: tuple[str, ...]
    purposes: tuple[str, ...]
    declared_at: str
    earlier_versions: int
    drift: dict[str, DriftState]


class FeaturesDocument(msgspec.Struct):
    """The features that were asked for, in the order of their declarations."""

    features: list[FeatureLineDocument]


class FeatureVersionDocument(msgspec.Struct):
    """A version that a feature has or had; `first_bundled` is null while no bundle has it."""

    version: str
    declared: bool
    first_bundled: str | None
    decisions: tuple[str, ...]
    models: tuple[TrainedWithDocument, ...]
    definition: msgspec.Raw


class SpreadDocument(msgspec.Struct):
    """Values on one side; the median is by bins, the mean exact or null."""

    rows: int
    missing_share: float | None
    median: float | None
    mean: float | None


class FeatureStatisticsDocument(msgspec.Struct):
    """A feature of a decision, as trained and in the last 24 hours of its stream.

    Attributes:
        fresh_until: When the newest event of the request's stream happened.
        psi, limit, window: The index that is highest beside its limit; null when not judged.
    """

    decision: str
    bundle: str
    state: DriftState
    psi: float | None
    limit: float | None
    window: str
    reference: SpreadDocument | None
    period: str
    live: SpreadDocument | None
    fresh_until: str | None


class FeatureDocument(msgspec.Struct):
    """All that is known of a name.

    Attributes:
        declared: One definition; several where decisions differ, none when it is history.
        versions: Those declared first, then the newest.
    """

    name: str
    declared: list[FeatureLineDocument]
    versions: list[FeatureVersionDocument]
    statistics: list[FeatureStatisticsDocument]


def feature_line(one: DeclaredFeature, drift: Mapping[str, DriftState]) -> FeatureLineDocument:
    """Return a declared feature as a document.

    Args:
        drift: What the monitors say of it, per decision.
    """
    entry = one.entry
    return FeatureLineDocument(
        name=entry.name,
        version=entry.version,
        kind=entry.kind,
        summary=entry.summary,
        type=entry.value_type,
        stream=entry.stream,
        key=entry.key,
        window=entry.window,
        delay=entry.delay,
        retention=entry.retention,
        aggregate=entry.aggregate,
        field=entry.field,
        exact=entry.is_exact,
        default=entry.default,
        owner=entry.about.owner,
        description=entry.about.description,
        tags=entry.about.tags,
        decisions=one.decisions,
        models=_models(one.models),
        reads=tuple(f"{read.stream}.{read.field}" for read in entry.reads),
        takes=entry.takes,
        feeds=entry.feeds,
        purposes=entry.purposes,
        declared_at=f"{PurePath(entry.place.file).name}:{entry.place.line}",
        earlier_versions=one.earlier,
        drift=dict(drift),
    )


def feature_document(
    feature: CataloguedFeature, statistics: Sequence[FeatureStatistics]
) -> FeatureDocument:
    """Return all that is known of a feature as a document."""
    drift: dict[str, DriftState] = {
        one.decision: one.state for one in statistics if one.state != "not_judged"
    }
    return FeatureDocument(
        feature.name,
        [
            feature_line(one, {name: drift[name] for name in one.decisions if name in drift})
            for one in feature.declared
        ],
        [version_document(one) for one in feature.versions],
        [_statistics(one) for one in statistics],
    )


def version_document(one: FeatureVersion) -> FeatureVersionDocument:
    """Return a version as a document."""
    return FeatureVersionDocument(
        version=one.version,
        declared=one.is_declared,
        first_bundled=_moment(one.first_bundled_us),
        decisions=one.decisions,
        models=_models(one.models),
        definition=msgspec.Raw(msgspec.json.encode(one.definition)),
    )


def _statistics(one: FeatureStatistics) -> FeatureStatisticsDocument:
    return FeatureStatisticsDocument(
        decision=one.decision,
        bundle=one.bundle,
        state=one.state,
        psi=one.psi,
        limit=one.limit,
        window=one.window,
        reference=_spread(one.reference),
        period=one.period,
        live=_spread(one.live),
        fresh_until=_moment(one.last_event_us),
    )


def _spread(one: Spread | None) -> SpreadDocument | None:
    if one is None:
        return None
    return SpreadDocument(one.rows, one.missing_share, one.median, one.mean)


def _models(models: Sequence[TrainedWith]) -> tuple[TrainedWithDocument, ...]:
    return tuple(TrainedWithDocument(one.model, one.number, one.runs) for one in models)


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else Instant(at_us).isoformat()
