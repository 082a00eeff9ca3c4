"""`grpc.health.v1.Health`: the standard way to ask whether a server takes calls.

Only `Check`; `Watch`, which answers for as long as the caller likes, is not served, and
callers that find it missing ask by `Check`, as the standard says.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from kingpost.serving.grpc.call import Call, Method
from kingpost.serving.grpc.status import Status

__all__ = ["health_methods"]

_SERVICE = b"\x0a"
"""The one field of a request: the name of a service, the first field, a text."""
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"


def health_methods(
    is_ready: Callable[[], bool], services: Collection[str]
) -> Mapping[bytes, Method]:
    """Return the methods of the health service.

    Args:
        is_ready: Whether the server takes calls.
        services: The names that may be asked for; without a name, the server is.
    """

    def check(call: Call, message: bytes) -> None:
        service = _service(message)
        if service is None:
            call.fail(Status.INVALID_ARGUMENT, "this is no HealthCheckRequest")
        elif service and service not in services:
            call.fail(Status.NOT_FOUND, "no such service is served here")
        else:
            call.answer(_SERVING if is_ready() else _NOT_SERVING)

    return {b"/grpc.health.v1.Health/Check": lambda call: partial(check, call)}


def _service(message: bytes) -> str | None:
    """Return the name in a request; None when it cannot be read."""
    if not message:
        return ""
    if (
        message[:1] != _SERVICE
        or len(message) < 2
        or message[1] != len(message) - 2
        or message[1] > 127
    ):
        return None
    try:
        return message[2:].decode()
    except UnicodeDecodeError:
        return None
