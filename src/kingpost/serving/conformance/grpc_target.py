"""The gRPC side of a server that is checked, asked by gRPC's own client."""

from importlib import import_module
from typing import Any, NamedTuple

from kingpost.core import ExtraMissing
from kingpost.serving.conformance.grpc_messages import messages
from kingpost.serving.conformance.target import TargetUnreachable

__all__ = ["GrpcAnswered", "GrpcTarget"]

_SERVICE = "/inference.GRPCInferenceService/"
_TIMEOUT_S = 30.0


class GrpcAnswered(NamedTuple):
    """An answer over gRPC: a message with the status `OK`, or another status and its words."""

    status: str
    message: Any
    said: str = ""


class GrpcTarget:
    """The service of one server.

    Args:
        address: Host and port.
        key: Sent as a bearer token; empty sends none.

    Raises:
        ExtraMissing: The extra `grpc` is not installed.
    """

    def __init__(self, address: str, *, key: str = "") -> None:
        try:
            self._grpc: Any = import_module("grpc")
        except ImportError as error:
            raise ExtraMissing("grpcio", "grpc") from error
        self.address = address
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        self._channel = self._grpc.insecure_channel(address)
        self.has_answered = False

    def close(self) -> None:
        """Close its connection."""
        self._channel.close()

    def ask(self, method: str, message: Any, answer: str) -> GrpcAnswered:
        """Call a method.

        Args:
            message: A message, or bytes to send as they are.
            answer: The name of the message that it answers with.

        Raises:
            TargetUnreachable: Nobody has ever answered there.
        """
        call = self._channel.unary_unary(
            _SERVICE + method,
            request_serializer=_bytes_of,
            response_deserializer=messages()[answer].FromString,
        )
        try:
            found = call(message, metadata=self._metadata, timeout=_TIMEOUT_S)
        except self._grpc.RpcError as error:
            status = str(error.code().name)
            if status == "UNAVAILABLE" and not self.has_answered:
                raise TargetUnreachable(self.address, str(error.details())) from error
            self.has_answered = True
            return GrpcAnswered(status, None, str(error.details()))
        self.has_answered = True
        return GrpcAnswered("OK", found)


def _bytes_of(message: Any) -> bytes:
    if isinstance(message, bytes):
        return message
    written: bytes = message.SerializeToString()
    return written
