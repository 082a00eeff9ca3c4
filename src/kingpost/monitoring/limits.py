"""What a decision promises beside the shape of its data: its time, and whom it alarms."""

from dataclasses import dataclass

from kingpost.monitoring.alarm_book import AlarmTerms

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of one decision, microseconds, None is no limit; and how it alarms, if it does."""

    total_us: int | None = None
    features_us: int | None = None
    model_us: int | None = None
    alarm: AlarmTerms | None = None
