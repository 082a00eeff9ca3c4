"""The access log: one line per request of the sample, as fields of a log record."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from kingpost.contracts import EPOCH
from kingpost.serving.seen.request import SeenRequest

__all__ = ["ACCESS_LOGGER", "AccessLog"]

ACCESS_LOGGER = __name__
"""The logger of its lines; whoever writes them says how, and to where."""

_log = logging.getLogger(__name__)


class AccessLog:
    """A `TakesSeen` that writes lines."""

    def take(self, seen: Sequence[SeenRequest]) -> bool:
        for one in seen:
            _log.info("request", extra=_fields(one))
        return True

    def close(self) -> None:
        """It holds nothing."""


def _fields(seen: SeenRequest) -> dict[str, str | int | float | bool]:
    at = (EPOCH + timedelta(microseconds=seen.ended_us)).isoformat(timespec="milliseconds")
    fields: dict[str, str | int | float | bool] = {
        "at": at.replace("+00:00", "Z"),
        "method": seen.method,
        "route": seen.route,
        "status": seen.status,
        "code": seen.code,
        "duration_ms": (seen.ended_us - seen.arrived_us) / 1000,
        "trace_id": seen.trace_id,
        "record": seen.on_record,
    }
    record = seen.record
    if record is not None:
        fields |= {
            "decision": record.decision,
            "outcome": record.outcome.value,
            "bundle": record.bundle.hex()[:12],
            "role": record.role.value,
            "is_cached": record.is_cached,
            "is_repeat": seen.is_repeat,
        }
    return fields
