"""The catalogue of an application's features: what is declared, who uses it, what it was.

The rule: lineage is read, never kept twice. Decisions say which features they take; when a
bundle is made the control log gets the versions of its features, under the digest that
model versions and bundles name; the rest is a join of the two. So a version that was ever
bundled stays in the history with the models trained with it, whatever is declared now.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from kingpost.decisions.bundle import read_bundle
from kingpost.decisions.declare import Decision
from kingpost.features import FeatureEntry, catalogue_of
from kingpost.registry import (
    Approval,
    FeatureDefinition,
    ModelVersion,
    NewerDocument,
    RegisteredBundle,
    RegisteredFeatures,
)

__all__ = [
    "Catalogue",
    "CataloguedFeature",
    "DeclaredFeature",
    "FeatureVersion",
    "TrainedWith",
    "catalogue_reader",
    "read_catalogue",
    "record_features",
]


class TrainedWith(NamedTuple):
    """A model version that learned from a version of a feature.

    Attributes:
        runs: The decisions whose approved bundle has this model.
    """

    model: str
    number: int
    runs: tuple[str, ...]


@dataclass(frozen=True)
class FeatureVersion:
    """One version that a feature has had.

    Attributes:
        version: SHA-256 of the definition, in hex.
        definition: All that the value depends on.
        first_bundled_us: When a bundle first had it; None while none has.
        decisions: Those that have a bundle with it, or declare it now.
        is_declared: Whether it is what the application declares now.
    """

    version: str
    definition: Mapping[str, object]
    first_bundled_us: int | None
    decisions: tuple[str, ...]
    models: tuple[TrainedWith, ...]
    is_declared: bool


@dataclass(frozen=True)
class DeclaredFeature:
    """A feature as it is declared now, and who uses it.

    Attributes:
        entry: What it is.
        decisions: Those that take it.
        models: Versions that were trained with exactly this version of it.
        earlier: How many other versions of this name there were or are.
    """

    entry: FeatureEntry
    decisions: tuple[str, ...]
    models: tuple[TrainedWith, ...]
    earlier: int


@dataclass(frozen=True)
class CataloguedFeature:
    """A name in the catalogue.

    Attributes:
        declared: What it means now: one definition, several where decisions differ, none
            once nothing declares it.
        versions: Every version known, those declared first, then the newest.
    """

    name: str
    declared: tuple[DeclaredFeature, ...]
    versions: tuple[FeatureVersion, ...]


class Catalogue:
    """Every feature of an application, by its name.

    Attributes:
        features: Those declared, then those that only history knows.
    """

    def __init__(self, features: Mapping[str, CataloguedFeature]) -> None:
        self.features = features

    @property
    def declared(self) -> tuple[DeclaredFeature, ...]:
        """Return what is declared, in the order of the declarations."""
        return tuple(one for feature in self.features.values() for one in feature.declared)

    def named(self, name: str) -> CataloguedFeature | None:
        """Return a feature by its name; by that of one number of a vector, the vector."""
        found = self.features.get(name)
        if found is not None:
            return found
        vector, _, number = name.rpartition("_")
        whole = self.features.get(vector)
        if whole is None or not number.isdecimal():
            return None
        has_it = any(int(number) < one.entry.dimension for one in whole.declared)
        return whole if has_it else None

    def find(
        self,
        *,
        text: str = "",
        kind: str = "",
        stream: str = "",
        owner: str = "",
        tag: str = "",
        decision: str = "",
    ) -> tuple[DeclaredFeature, ...]:
        """Return what is declared and is like that; what is empty is not asked for.

        Args:
            text: Part of the name, the description, the owner, a tag or a field it reads.
        """
        wanted = text.casefold().split()
        return tuple(
            one
            for one in self.declared
            if (not kind or one.entry.kind == kind)
            and (not stream or any(read.stream == stream for read in one.entry.reads))
            and (not owner or one.entry.about.owner == owner)
            and (not tag or tag in one.entry.about.tags)
            and (not decision or decision in one.decisions)
            and all(word in _searched(one.entry) for word in wanted)
        )


class Registered(Protocol):
    """Where features, models and bundles are read, as from a `ControlLog`."""

    def features(self, decision: str) -> tuple[RegisteredFeatures, ...]:
        """Return the versions of a decision's features, oldest first."""
        ...

    def models(self, name: str) -> tuple[ModelVersion, ...]:
        """Return the versions of a model, oldest first."""
        ...

    def bundles(self, decision: str) -> tuple[RegisteredBundle, ...]:
        """Return the bundles of a decision, oldest first."""
        ...

    def approvals(self, decision: str) -> tuple[Approval, ...]:
        """Return the approvals of a decision, oldest first."""
        ...


class Recorder(Protocol):
    """Where the versions of features are written, as a `ControlLog`."""

    def register_features(
        self, decision: str, digest: str, features: Sequence[FeatureDefinition]
    ) -> RegisteredFeatures:
        """Add the versions of a decision's features; adding the same again changes nothing."""
        ...


def record_features(control: Recorder, decision: Decision) -> RegisteredFeatures:
    """Write down the versions of a decision's features, as when a bundle is made of it.

    Raises:
        JournalInUse, JournalFull, JournalFailed, NewerDocument: See `ControlLog`.
    """
    return control.register_features(
        decision.name,
        decision.features.digest,
        [
            FeatureDefinition(name=one.name, version=one.version, definition=one.definition)
            for one in catalogue_of(decision.features)
        ],
    )


def catalogue_reader(
    decisions: Mapping[str, Decision], control: Registered
) -> Callable[[], Catalogue]:
    """Return what reads the catalogue anew each time: declarations stay, bundles come.

    What it returns may be called in any thread, and raises `NewerDocument` when a later
    version of Kingpost wrote part of the control log.
    """
    entries = {name: catalogue_of(one.features) for name, one in decisions.items()}

    def read() -> Catalogue:
        names: dict[str, _Name] = {}
        for decision, found in entries.items():
            for entry in found:
                digest = decisions[decision].features.digest
                names.setdefault(entry.name, _Name()).declare(decision, digest, entry)
        for decision in decisions:
            for document in control.features(decision):
                for one in document.features:
                    names.setdefault(one.name, _Name()).bundle(decision, document, one)
        trained = _trained(decisions, control)
        return Catalogue({name: one.joined(name, trained) for name, one in names.items()})

    return read


def read_catalogue(decisions: Mapping[str, Decision], control: Registered) -> Catalogue:
    """Join what decisions declare to what was bundled and trained.

    Raises:
        NewerDocument: A later version of Kingpost wrote part of the control log.
    """
    return catalogue_reader(decisions, control)()


_Trained = Mapping[str, Sequence[TrainedWith]]
"""Model versions by the digest of the feature set they learned from."""


@dataclass
class _Version:
    """One version of a name, while it is gathered; lists of decisions and digests once each."""

    definition: Mapping[str, object]
    entry: FeatureEntry | None = None
    since_us: int | None = None
    declared_by: list[str] = field(default_factory=list[str])
    decisions: dict[str, None] = field(default_factory=dict[str, None])
    digests: dict[str, None] = field(default_factory=dict[str, None])

    def models(self, trained: _Trained) -> tuple[TrainedWith, ...]:
        return tuple(sorted({one for digest in self.digests for one in trained.get(digest, ())}))


class _Name:
    """All versions of one name, while they are gathered."""

    def __init__(self) -> None:
        self._versions: dict[str, _Version] = {}

    def declare(self, decision: str, digest: str, entry: FeatureEntry) -> None:
        version = self._versions.setdefault(entry.version, _Version(entry.definition))
        version.entry = version.entry or entry
        version.declared_by.append(decision)
        version.decisions[decision] = version.digests[digest] = None

    def bundle(self, decision: str, document: RegisteredFeatures, one: FeatureDefinition) -> None:
        version = self._versions.setdefault(one.version, _Version(one.definition))
        version.decisions[decision] = version.digests[document.digest] = None
        if version.since_us is None or document.at_us < version.since_us:
            version.since_us = document.at_us

    def joined(self, name: str, trained: _Trained) -> CataloguedFeature:
        known = sorted(
            self._versions.items(), key=lambda one: (one[1].entry is None, -(one[1].since_us or 0))
        )
        return CataloguedFeature(
            name,
            tuple(
                DeclaredFeature(
                    one.entry, tuple(one.declared_by), one.models(trained), len(known) - 1
                )
                for _, one in known
                if one.entry is not None
            ),
            tuple(
                FeatureVersion(
                    version,
                    one.definition,
                    one.since_us,
                    tuple(one.decisions),
                    one.models(trained),
                    one.entry is not None,
                )
                for version, one in known
            ),
        )


def _trained(decisions: Mapping[str, Decision], control: Registered) -> _Trained:
    runs: dict[tuple[str, int], list[str]] = {}
    names = {one.model.name: None for one in decisions.values()}
    for decision in decisions:
        bundles = {one.digest: one for one in control.bundles(decision)}
        approvals = control.approvals(decision)
        approved = bundles.get(approvals[-1].bundle) if approvals else None
        if approved is None:
            continue
        try:
            bundle = read_bundle(approved)
        except NewerDocument:
            continue  # a later Kingpost's; which model it has cannot be told
        runs.setdefault((bundle.model_name, bundle.model_number), []).append(decision)
        names[bundle.model_name] = None
    found: dict[str, list[TrainedWith]] = {}
    for name in names:
        for one in control.models(name):
            ran = tuple(runs.get((one.name, one.number), ()))
            found.setdefault(one.features, []).append(TrainedWith(one.name, one.number, ran))
    return found


def _searched(entry: FeatureEntry) -> str:
    about = entry.about
    return " ".join(
        (
            entry.name,
            about.description,
            about.owner,
            *about.tags,
            *(f"{read.stream}.{read.field}" for read in entry.reads),
        )
    ).casefold()
