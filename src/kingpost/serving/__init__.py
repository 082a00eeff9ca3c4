"""The API: decisions, events and records over HTTP."""

from kingpost.serving.app import ServingApp, build_app
from kingpost.serving.control_plane import TRACE_ID, FeatureNames
from kingpost.serving.errors import (
    BadAddress,
    BadBody,
    BadHeader,
    BadParameter,
    BadReason,
    BodyTimeout,
    BodyTooLarge,
    DecisionFailed,
    DecisionNotFound,
    EventNotFound,
    EventRetracted,
    FeatureNotFound,
    IncidentNotFound,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotConfigured,
    NotReady,
    Overloaded,
    PortInUse,
    RecordNotFound,
    RequestHeadTooLarge,
    RouteNotFound,
    StreamNotFound,
    TooManyEvents,
    UnsupportedMediaType,
    WrongTaskKind,
)
from kingpost.serving.feature_documents import (
    FeatureDocument,
    FeatureLineDocument,
    FeaturesDocument,
    feature_document,
    feature_line,
)
from kingpost.serving.feature_routes import drift_by_decision, drift_of, statistics_of
from kingpost.serving.observer import OBSERVED_MIGRATIONS, Observed, Observer
from kingpost.serving.observer_store import ObserverStore, ObserverStoreFailed
from kingpost.serving.openapi import describe_api
from kingpost.serving.problems import PROBLEMS, Problem
from kingpost.serving.rendering import render_answer, render_record
from kingpost.serving.review_desk import LONGEST_REASON, ReviewDesk, queues_for
from kingpost.serving.review_sources import CatalogueSources, Explain, ReviewSources
from kingpost.serving.server import serve
from kingpost.serving.settings import ServingSettings
from kingpost.serving.tasks_of import OPERATIONS, task_of_incident, task_of_review

__all__ = [
    "LONGEST_REASON",
    "OBSERVED_MIGRATIONS",
    "OPERATIONS",
    "PROBLEMS",
    "TRACE_ID",
    "BadAddress",
    "BadBody",
    "BadHeader",
    "BadParameter",
    "BadReason",
    "BodyTimeout",
    "BodyTooLarge",
    "CatalogueSources",
    "DecisionFailed",
    "DecisionNotFound",
    "EventNotFound",
    "EventRetracted",
    "Explain",
    "FeatureDocument",
    "FeatureLineDocument",
    "FeatureNames",
    "FeatureNotFound",
    "FeaturesDocument",
    "IncidentNotFound",
    "InternalError",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotConfigured",
    "NotReady",
    "Observed",
    "Observer",
    "ObserverStore",
    "ObserverStoreFailed",
    "Overloaded",
    "PortInUse",
    "Problem",
    "RecordNotFound",
    "RequestHeadTooLarge",
    "ReviewDesk",
    "ReviewSources",
    "RouteNotFound",
    "ServingApp",
    "ServingSettings",
    "StreamNotFound",
    "TooManyEvents",
    "UnsupportedMediaType",
    "WrongTaskKind",
    "build_app",
    "describe_api",
    "drift_by_decision",
    "drift_of",
    "feature_document",
    "feature_line",
    "queues_for",
    "render_answer",
    "render_record",
    "serve",
    "statistics_of",
    "task_of_incident",
    "task_of_review",
]
