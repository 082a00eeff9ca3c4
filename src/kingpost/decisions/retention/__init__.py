"""How long records and events are kept, and removing what is over its time."""

from kingpost.decisions.retention.errors import RetentionTooShort, UnknownRetention
from kingpost.decisions.retention.policy import Kept, RetentionPolicy
from kingpost.decisions.retention.running import (
    Forgets,
    RetentionPlan,
    apply_retention,
    noted_removals,
    plan_retention,
)

__all__ = [
    "Forgets",
    "Kept",
    "RetentionPlan",
    "RetentionPolicy",
    "RetentionTooShort",
    "UnknownRetention",
    "apply_retention",
    "noted_removals",
    "plan_retention",
]
