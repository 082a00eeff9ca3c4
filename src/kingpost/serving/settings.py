"""The limits of the API. Each keeps one caller from taking what all callers share."""

from dataclasses import dataclass

__all__ = ["ServingSettings"]


@dataclass(frozen=True)
class ServingSettings:
    """What the API takes and how long it waits.

    Attributes:
        max_body_bytes: The largest request to a decision.
        body_timeout_s: How long a caller may take to send a body.
        max_waiting: Requests for decisions in the house; one more is sent away with 503.
        max_batch: The most requests decided together.
        max_events_bytes: The largest body of events.
        max_events: The most events in one body.
        max_event_uploads: Bodies of events taken at a time; others wait their turn.
        max_inference_bytes: The largest body of an inference; those larger than
            `max_body_bytes` take turns as events do.
    """

    max_body_bytes: int = 256 * 1024
    body_timeout_s: float = 10.0
    max_waiting: int = 4096
    max_batch: int = 64
    max_events_bytes: int = 8 * 1024 * 1024
    max_events: int = 10_000
    max_event_uploads: int = 8
    max_inference_bytes: int = 8 * 1024 * 1024
