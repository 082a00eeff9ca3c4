"""The routes of the catalogue: which features there are, and all that is known of one.

The rule: what is declared is the same for everybody who may read records; what the
monitors found is that of the caller's tenant. Both are read in a thread of the pool.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from kingpost.access import Principal
from kingpost.core import Clock
from kingpost.decisions import (
    CataloguedFeature,
    DeclaredFeature,
    DriftState,
    FeatureStatistics,
    ServedDecision,
    drift_states,
    feature_statistics,
)
from kingpost.serving.errors import FeatureNotFound, NotConfigured
from kingpost.serving.feature_documents import (
    FeatureDocument,
    FeaturesDocument,
    FeaturesQuery,
    feature_document,
    feature_line,
)
from kingpost.serving.parameters import read_parameters
from kingpost.serving.review_sources import CatalogueSources, ReviewSources

__all__ = ["FeatureRoutes", "drift_by_decision", "drift_of", "statistics_of"]

_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode
Drift = Mapping[str, Mapping[str, DriftState]]
"""Decision to feature to what the monitors say."""


class FeatureRoutes:
    """Adds the routes to an application.

    Args:
        sources: None when this server was started without them.
        let_in: Says who asks.
    """

    def __init__(
        self,
        served: Mapping[str, ServedDecision],
        sources: ReviewSources | None,
        let_in: Callable[[Request], Principal],
        clock: Clock,
    ) -> None:
        self._bundles = {name: one.bundle for name, one in served.items()}
        self._sources = sources
        self._let_in, self._clock = let_in, clock

    def add_to(self, api: FastAPI) -> None:
        """Add them."""
        api.get("/v1/features")(self.list_features)
        api.get("/v1/features/{name}")(self.read_feature)

    async def list_features(self, request: Request) -> Response:
        principal = self._enter(request)
        asked = read_parameters(request, FeaturesQuery)
        return _response(await run_in_threadpool(self._list, principal.tenant, asked))

    async def read_feature(self, request: Request, name: str) -> Response:
        principal = self._enter(request)
        return _response(await run_in_threadpool(self._read, principal.tenant, name))

    def _enter(self, request: Request) -> Principal:
        principal = self._let_in(request)
        principal.require("records")
        return principal

    def _list(self, tenant: str, asked: FeaturesQuery) -> FeaturesDocument:
        sources, catalogue = self._opened()
        found = catalogue.read().find(**msgspec.structs.asdict(asked))
        drift = drift_by_decision(self._bundles, sources, tenant)
        return FeaturesDocument([feature_line(one, drift_of(one, drift)) for one in found])

    def _read(self, tenant: str, name: str) -> FeatureDocument:
        sources, catalogue = self._opened()
        feature = catalogue.read().named(name)
        if feature is None:
            raise FeatureNotFound
        now_us = self._clock.now_us()
        return feature_document(
            feature, statistics_of(feature, self._bundles, sources, tenant, now_us)
        )

    def _opened(self) -> tuple[ReviewSources, CatalogueSources]:
        sources = self._sources
        if sources is None or sources.catalogue is None:
            raise NotConfigured("the catalogue of features")
        return sources, sources.catalogue


def drift_by_decision(bundles: Mapping[str, bytes], sources: ReviewSources, tenant: str) -> Drift:
    """Read what the drift monitors say of every feature.

    Args:
        bundles: Decision to the digest of the bundle that it is looked at in.
    """
    monitors = sources.monitors()
    return {
        name: drift_states(bundle, monitors.statuses(tenant, name))
        for name, bundle in bundles.items()
    }


def drift_of(one: DeclaredFeature, drift: Drift) -> Mapping[str, DriftState]:
    """Return what the monitors say of one feature, per decision that takes it."""
    name = one.entry.name
    return {
        decision: drift[decision][name]
        for decision in one.decisions
        if name in drift.get(decision, {})
    }


def statistics_of(
    feature: CataloguedFeature,
    bundles: Mapping[str, bytes],
    sources: ReviewSources,
    tenant: str,
    now_us: int,
) -> Sequence[FeatureStatistics]:
    """Read what is known of a feature in every decision that takes it.

    Args:
        bundles: Decision to the digest of the bundle that it is looked at in; of others
            nothing is known.
    """
    profile_of = None if sources.catalogue is None else sources.catalogue.profile_of
    decisions = [name for one in feature.declared for name in one.decisions if name in bundles]
    return [
        feature_statistics(
            feature.name,
            name,
            bundles[name],
            profile_of(name, bundles[name]) if profile_of else None,
            tenant=tenant,
            monitors=sources.monitors(),
            records=sources.records(),
            now_us=now_us,
        )
        for name in decisions
    ]


def _response(document: msgspec.Struct) -> Response:
    return Response(_encode(document), headers=_HEADERS)
