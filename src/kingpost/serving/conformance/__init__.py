"""Conformance: whether a server speaks the Open Inference Protocol v2; any server."""

from kingpost.serving.conformance.error_checks import ERROR_CHECKS
from kingpost.serving.conformance.grpc_checks import grpc_checks
from kingpost.serving.conformance.grpc_target import GrpcTarget
from kingpost.serving.conformance.infer_checks import INFER_CHECKS
from kingpost.serving.conformance.server_checks import SERVER_CHECKS
from kingpost.serving.conformance.suite import Check, CheckResult, run_checks
from kingpost.serving.conformance.target import (
    NoModelToAsk,
    Target,
    TargetUnreachable,
    find_model,
)

__all__ = [
    "ERROR_CHECKS",
    "INFER_CHECKS",
    "SERVER_CHECKS",
    "Check",
    "CheckResult",
    "GrpcTarget",
    "NoModelToAsk",
    "Target",
    "TargetUnreachable",
    "find_model",
    "grpc_checks",
    "run_checks",
]
