"""A call as its caller writes it, and the request that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec

from kingpost.calls.errors import BadCall
from kingpost.calls.exchange import CallRequest
from kingpost.calls.service import Duration, Service

__all__ = ["Call", "request_of"]

_BREAKS = ("\r", "\n", "\0")


@dataclass(frozen=True)
class Call:
    """What a service is asked to do.

    Attributes:
        path: Put behind the service's `base_url`; begins with a slash, or is empty.
        params: The query.
        json: Sent as JSON in the place of `body`; None sends `body`.
        idempotency_key: What the receiver knows the call by; made anew when empty and the
            service knows keys. Give the same one when the same thing is asked again.
        at_most_once: The receiver knows no keys here: it is sent again only where nothing of it
            was sent.
        deadline: Shorter than the service's, for this call.
        traceparent: W3C trace context, passed on.
        correlation_id: Passed on as `x-correlation-id`.
    """

    method: str
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes = field(default=b"", repr=False)
    json: object = field(default=None, repr=False)
    idempotency_key: str = ""
    at_most_once: bool = False
    deadline: Duration | None = None
    traceparent: str = ""
    correlation_id: str = ""


def request_of(service: Service, call: Call, key: str) -> CallRequest:
    """Write a call as the request that is sent, without what proves who calls.

    Args:
        key: The idempotency key; none when empty.

    Raises:
        BadCall: It cannot be written.
    """
    if call.path and not call.path.startswith("/"):
        raise BadCall(service.name, "its path does not begin with a slash")
    if not call.path.isprintable() or " " in call.path or "#" in call.path:
        raise BadCall(service.name, "its path has characters that are not written as %XX")
    headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "kingpost"}
    headers |= {name.lower(): value for name, value in call.headers.items()}
    body = call.body
    if call.json is not None:
        body = _json(service, call.json)
        headers.setdefault("content-type", "application/json")
    passed_on = {
        "traceparent": call.traceparent,
        "x-correlation-id": call.correlation_id,
        service.idempotency.lower(): key,
    }
    headers |= {name: value for name, value in passed_on.items() if name and value}
    for name, value in headers.items():
        if any(one in value for one in _BREAKS) or not value.isascii():
            raise BadCall(service.name, f"its header {name!r} has a line end or no ASCII text")
    return CallRequest(call.method.upper(), _url(service, call), headers, body)


def _url(service: Service, call: Call) -> str:
    url = service.base_url.rstrip("/") + call.path if call.path else service.base_url
    if not call.params:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(call.params)}"


def _json(service: Service, value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise BadCall(service.name, "its `json` cannot be written as JSON") from error
