"""The API: decisions, events and records over HTTP."""

from kingpost.serving.app import ServingApp, build_app
from kingpost.serving.control_plane import FeatureNames
from kingpost.serving.errors import (
    BadAddress,
    BadHeader,
    BodyTimeout,
    BodyTooLarge,
    DecisionFailed,
    DecisionNotFound,
    InternalError,
    MalformedRequest,
    MethodNotAllowed,
    NotReady,
    Overloaded,
    PortInUse,
    RecordNotFound,
    RequestHeadTooLarge,
    RouteNotFound,
    StreamNotFound,
    TooManyEvents,
    UnsupportedMediaType,
)
from kingpost.serving.openapi import describe_api
from kingpost.serving.problems import PROBLEMS, Problem
from kingpost.serving.rendering import render_answer, render_record
from kingpost.serving.server import serve
from kingpost.serving.settings import ServingSettings

__all__ = [
    "PROBLEMS",
    "BadAddress",
    "BadHeader",
    "BodyTimeout",
    "BodyTooLarge",
    "DecisionFailed",
    "DecisionNotFound",
    "FeatureNames",
    "InternalError",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotReady",
    "Overloaded",
    "PortInUse",
    "Problem",
    "RecordNotFound",
    "RequestHeadTooLarge",
    "RouteNotFound",
    "ServingApp",
    "ServingSettings",
    "StreamNotFound",
    "TooManyEvents",
    "UnsupportedMediaType",
    "build_app",
    "describe_api",
    "render_answer",
    "render_record",
    "serve",
]
