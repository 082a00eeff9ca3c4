"""gRPC over HTTP/2: a server of unary calls on the event loop of the rest of the API."""

from kingpost.serving.grpc.call import Call, Method, TakesMessage
from kingpost.serving.grpc.errors import (
    BrokenConnection,
    BrokenStream,
    Http2Error,
    TooManyHeaders,
)
from kingpost.serving.grpc.health import health_methods
from kingpost.serving.grpc.limits import GrpcLimits
from kingpost.serving.grpc.server import GrpcServer
from kingpost.serving.grpc.status import Status

__all__ = [
    "BrokenConnection",
    "BrokenStream",
    "Call",
    "GrpcLimits",
    "GrpcServer",
    "Http2Error",
    "Method",
    "Status",
    "TakesMessage",
    "TooManyHeaders",
    "health_methods",
]
