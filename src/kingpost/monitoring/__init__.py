"""Monitors over the records: drift, failures, time, overrides, quality; incidents and alerts.

Drift of tables, beside any records, is measured by `compare` with what `build_reference` made.
"""

from kingpost.monitoring.affected import affected_query
from kingpost.monitoring.alarm_book import Alarmed, AlarmTerms
from kingpost.monitoring.counts import STAGES, StageName
from kingpost.monitoring.drift import (
    ArrowStream,
    BatchTable,
    CategoryColumn,
    ColumnDrift,
    ColumnType,
    DriftCounts,
    DriftReference,
    DriftReport,
    DriftTest,
    Levels,
    Measures,
    NumberColumn,
    StoredTable,
    Table,
    VectorScale,
    WatchedColumn,
    build_reference,
    compare,
    decode_reference,
    encode_reference,
    open_table,
)
from kingpost.monitoring.errors import (
    BadAlertSetting,
    BadProfile,
    BadTable,
    IncidentLogFailed,
    MonitorStoreFailed,
    NewerProfile,
    NewerSummary,
)
from kingpost.monitoring.freshness import Freshness, FreshnessWatch
from kingpost.monitoring.incident import RUNBOOKS, Incident, incident_id
from kingpost.monitoring.incident_log import (
    INCIDENT_LOG_MIGRATIONS,
    IncidentLog,
    LogLine,
    LogLineKind,
)
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
)
from kingpost.monitoring.slo_status import SloStatus, slo_statuses
from kingpost.monitoring.status import Monitor, MonitorStatus
from kingpost.monitoring.store import MonitorStore
from kingpost.monitoring.store_memory import MemoryMonitors
from kingpost.monitoring.store_sqlite import MONITOR_MIGRATIONS, SqliteMonitors
from kingpost.monitoring.summary import Resolution, Summary
from kingpost.monitoring.timeline import TimelineKind, TimelineLine, timeline_of
from kingpost.monitoring.watch import Watch
from kingpost.monitoring.window import HOUR_US, MINUTE_US, WINDOWS, Window

__all__ = [
    "BURN_RULES",
    "HOUR_US",
    "INCIDENT_LOG_MIGRATIONS",
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
    "ArrowStream",
    "BadAlertSetting",
    "BadProfile",
    "BadTable",
    "BatchTable",
    "Burn",
    "BurnRule",
    "CategoryColumn",
    "ColumnDrift",
    "ColumnKind",
    "ColumnProfile",
    "ColumnType",
    "DriftCounts",
    "DriftReference",
    "DriftReport",
    "DriftTest",
    "ErrorBudget",
    "FailedRelease",
    "Freshness",
    "FreshnessWatch",
    "Incident",
    "IncidentLog",
    "IncidentLogFailed",
    "LabelledDecision",
    "Levels",
    "Limits",
    "LiveBucket",
    "LogLine",
    "LogLineKind",
    "Measures",
    "MemoryMonitors",
    "Monitor",
    "MonitorStatus",
    "MonitorStore",
    "MonitorStoreFailed",
    "NewerProfile",
    "NewerSummary",
    "Notifier",
    "NumberColumn",
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
    "StoredTable",
    "Summary",
    "Table",
    "TaskEvent",
    "TimelineKind",
    "TimelineLine",
    "VectorScale",
    "Watch",
    "WatchedColumn",
    "Window",
    "affected_query",
    "budget_of",
    "build_profile",
    "build_reference",
    "burn_of",
    "compare",
    "decode_profile",
    "decode_reference",
    "encode_profile",
    "encode_reference",
    "incident_id",
    "open_table",
    "slo_statuses",
    "timeline_of",
]
