"""What a decision promises beside the shape of its data: its time, its alarms, its objectives."""

from dataclasses import dataclass

from kingpost.monitoring.alarm_book import AlarmTerms
from kingpost.monitoring.slo import Objective

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of one decision, microseconds, None is no limit; how it alarms; its objectives."""

    total_us: int | None = None
    features_us: int | None = None
    model_us: int | None = None
    alarm: AlarmTerms | None = None
    objectives: tuple[Objective, ...] = ()
