"""What every floor stands on: errors, ids, time, the disk. Standard library only."""

from kingpost.core.clock import Clock, SystemClock
from kingpost.core.config import (
    SECRET_SETTINGS,
    BadSetting,
    CheckedSettings,
    Settings,
    check_settings,
    read_settings,
)
from kingpost.core.disk import Disk, DiskFile, DiskLock, SystemDisk
from kingpost.core.durations import BadDuration, duration_text, duration_us
from kingpost.core.errors import KingpostError
from kingpost.core.extras import ExtraMissing
from kingpost.core.ids import TimeOrderedIds, id_text, parse_id
from kingpost.core.places import Place, caller_place
from kingpost.core.rates import BadRate, Rate, rate_of

__all__ = [
    "SECRET_SETTINGS",
    "BadDuration",
    "BadRate",
    "BadSetting",
    "CheckedSettings",
    "Clock",
    "Disk",
    "DiskFile",
    "DiskLock",
    "ExtraMissing",
    "KingpostError",
    "Place",
    "Rate",
    "Settings",
    "SystemClock",
    "SystemDisk",
    "TimeOrderedIds",
    "caller_place",
    "check_settings",
    "duration_text",
    "duration_us",
    "id_text",
    "parse_id",
    "rate_of",
    "read_settings",
]
