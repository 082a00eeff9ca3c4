"""Monitors over the records: drift, failures, time, overrides, quality; incidents and alerts."""

from kingpost.monitoring.alarm_book import Alarmed, AlarmTerms
from kingpost.monitoring.counts import STAGES, StageName
from kingpost.monitoring.errors import (
    BadAlertSetting,
    BadProfile,
    MonitorStoreFailed,
    NewerProfile,
    NewerSummary,
)
from kingpost.monitoring.freshness import Freshness, FreshnessWatch
from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.letters import TaskEvent
from kingpost.monitoring.limits import Limits
from kingpost.monitoring.live import LIVE_BUCKET_US, LIVE_KEPT_US, LiveBucket
from kingpost.monitoring.notify import AlertSettings, Notifier
from kingpost.monitoring.observations import (
    NO_ANSWER,
    OUTCOMES,
    LabelledDecision,
    Observations,
    ReviewedDecision,
)
from kingpost.monitoring.profile import (
    ColumnKind,
    ColumnProfile,
    Profile,
    decode_profile,
    encode_profile,
)
from kingpost.monitoring.reference import build_profile
from kingpost.monitoring.release_watch import FailedRelease, ReleaseWatch
from kingpost.monitoring.slo import (
    BURN_RULES,
    Burn,
    BurnRule,
    ErrorBudget,
    Objective,
    SloTally,
    budget_of,
    burn_of,
    merged,
)
from kingpost.monitoring.slo_status import SloStatus, slo_statuses
from kingpost.monitoring.status import Monitor, MonitorStatus
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.store_memory import MemoryMonitors
from kingpost.monitoring.store_sqlite import MONITOR_MIGRATIONS, SqliteMonitors
from kingpost.monitoring.summary import Resolution, Summary
from kingpost.monitoring.watch import Watch
from kingpost.monitoring.window import HOUR_US, MINUTE_US, WINDOWS, Window

__all__ = [
    "BURN_RULES",
    "HOUR_US",
    "LIVE_BUCKET_US",
    "LIVE_KEPT_US",
    "MINUTE_US",
    "MONITOR_MIGRATIONS",
    "NO_ANSWER",
    "OUTCOMES",
    "RUNBOOKS",
    "STAGES",
    "WINDOWS",
    "AlarmTerms",
    "Alarmed",
    "AlertSettings",
    "BadAlertSetting",
    "BadProfile",
    "Burn",
    "BurnRule",
    "ColumnKind",
    "ColumnProfile",
    "ErrorBudget",
    "FailedRelease",
    "Freshness",
    "FreshnessWatch",
    "Incident",
    "LabelledDecision",
    "Limits",
    "LiveBucket",
    "MemoryMonitors",
    "Monitor",
    "MonitorStatus",
    "MonitorStore",
    "MonitorStoreFailed",
    "NewerProfile",
    "NewerSummary",
    "Notifier",
    "Objective",
    "Observations",
    "Profile",
    "ReleaseWatch",
    "Resolution",
    "ReviewedDecision",
    "SloStatus",
    "SloTally",
    "SqliteMonitors",
    "StageName",
    "Summary",
    "TaskEvent",
    "Watch",
    "Window",
    "budget_of",
    "build_profile",
    "burn_of",
    "decode_profile",
    "encode_profile",
    "incident_id",
    "merged",
    "slo_statuses",
]
