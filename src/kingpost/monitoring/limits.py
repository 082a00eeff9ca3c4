"""What a decision promises beside the shape of its data: its time."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of one decision, microseconds; None is no limit."""

    total_us: int | None = None
    features_us: int | None = None
    model_us: int | None = None
