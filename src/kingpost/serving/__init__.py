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
from kingpost.serving.observer import OBSERVED_MIGRATIONS, Observed, Observer
from kingpost.serving.observer_store import ObserverStore, ObserverStoreFailed
from kingpost.serving.openapi import describe_api
from kingpost.serving.problems import PROBLEMS, Problem
from kingpost.serving.rendering import render_answer, render_record
from kingpost.serving.review_desk import LONGEST_REASON, ReviewDesk, queues_for
from kingpost.serving.review_sources import Explain, ReviewSources
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
    "DecisionFailed",
    "DecisionNotFound",
    "EventNotFound",
    "EventRetracted",
    "Explain",
    "FeatureNames",
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
    "queues_for",
    "render_answer",
    "render_record",
    "serve",
    "task_of_incident",
    "task_of_review",
]
