"""What the connections of a gRPC server share."""

from collections.abc import Mapping

from kingpost.serving.grpc.call import Method
from kingpost.serving.grpc.limits import GrpcLimits

__all__ = ["House"]


class House:
    """The methods, the limits, and what is used of them.

    Attributes:
        methods: By the paths of their calls, `/package.Service/Method`.
        held: Bytes of messages that are not whole.
        is_draining: Whether no connection is taken any more.
    """

    def __init__(self, methods: Mapping[bytes, Method], limits: GrpcLimits) -> None:
        self.methods, self.limits = methods, limits
        self.held = 0
        self.is_draining = False
