"""The catalogue: which features there are, and where each comes from and goes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kingpost.console.errors import PageNotFound
from kingpost.console.visit import Console, Visit
from kingpost.decisions import (
    Catalogue,
    CataloguedFeature,
    DeclaredFeature,
    DriftState,
    FeatureStatistics,
    FeatureVersion,
)
from kingpost.serving import drift_by_decision, drift_of, statistics_of

__all__ = ["catalogue_routes"]

_KINDS = ("field", "function", "window", "look-up")
_FIELDS = ("text", "kind", "stream", "owner", "tag", "decision")


class _Line(NamedTuple):
    feature: DeclaredFeature
    drift: Mapping[str, DriftState]


@dataclass(frozen=True)
class _List:
    asked: Mapping[str, str]
    kinds: Sequence[str]
    streams: Sequence[str]
    owners: Sequence[str]
    tags: Sequence[str]
    decisions: Sequence[str]
    found: Sequence[_Line]
    total: int
    is_narrowed: bool


class _Version(NamedTuple):
    """A version, with its definition as people read it."""

    version: FeatureVersion
    definition: str


@dataclass(frozen=True)
class _Feature:
    feature: CataloguedFeature
    known: frozenset[str]
    versions: Sequence[_Version]
    statistics: Sequence[FeatureStatistics]


def catalogue_routes(console: Console) -> Sequence[Route]:
    """Return the list of features and the page of one."""

    def features(request: Request) -> Response:
        visit = console.visit(request)
        return visit.page("features.html", _list(visit), title="Features", section="features")

    def feature(request: Request) -> Response:
        visit = console.visit(request)
        view = _view(visit, request.path_params["feature"])
        return visit.page(
            "catalogued.html", view, title=f"Feature {view.feature.name}", section="features"
        )

    return [Route("/features", features), Route("/features/{feature}", feature)]


def _read(visit: Visit) -> Catalogue:
    catalogue = visit.sources.desk.sources.catalogue
    return Catalogue({}) if catalogue is None else catalogue.read()


def _bundles(visit: Visit) -> Mapping[str, bytes]:
    return {name: one.bundle for name, one in visit.sources.served.items()}


def _list(visit: Visit) -> _List:
    catalogue = _read(visit)
    asked = {name: visit.asked(name) for name in _FIELDS}
    drift = drift_by_decision(_bundles(visit), visit.sources.desk.sources, visit.tenant)
    declared = catalogue.declared
    return _List(
        asked=asked,
        kinds=_KINDS,
        streams=sorted({read.stream for one in declared for read in one.entry.reads}),
        owners=sorted({one.entry.about.owner for one in declared} - {""}),
        tags=sorted({tag for one in declared for tag in one.entry.about.tags}),
        decisions=sorted({name for one in declared for name in one.decisions}),
        found=[_Line(one, drift_of(one, drift)) for one in catalogue.find(**asked)],
        total=len(declared),
        is_narrowed=any(asked.values()),
    )


def _view(visit: Visit, name: str) -> _Feature:
    catalogue = _read(visit)
    feature = catalogue.named(name)
    if feature is None:
        raise PageNotFound("feature")
    statistics = statistics_of(
        feature, _bundles(visit), visit.sources.desk.sources, visit.tenant, visit.now_us
    )
    return _Feature(
        feature,
        frozenset(catalogue.features),
        [_Version(one, _written(one.definition)) for one in feature.versions],
        statistics,
    )


def _written(definition: Mapping[str, object]) -> str:
    """Write a definition as indented JSON; the source of a function as it is, below it."""
    rest = {name: value for name, value in definition.items() if name != "function"}
    text = msgspec.json.format(msgspec.json.encode(rest), indent=2).decode()
    source = definition.get("function")
    return text if source is None else f"{text}\n\n{source}".rstrip()
