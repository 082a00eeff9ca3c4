"""Where a command finds the data of an installation, by its settings."""

from collections.abc import Mapping
from pathlib import Path

from kingpost.core import Settings, SystemDisk
from kingpost.decisions import DataDirectory, LogName, LogSettings
from kingpost.registry import Approvers

__all__ = ["approvers_of", "data_directory"]


def data_directory(settings: Settings) -> DataDirectory:
    """Return the data directory that the settings name.

    Raises:
        PartitionRenamed: Its journal lies under another partition's name.
        BadApprovers: The setting `approvers` cannot be read.
    """
    where = DataDirectory(
        settings.data_dir,
        settings.partition,
        settings.partition_directories,
        Path(settings.control_dir) if settings.control_dir else None,
        approvers_of(settings),
        _logs(settings),
        settings.subject_key_store,
    )
    where.check_partition(disk=SystemDisk())
    return where


def approvers_of(settings: Settings) -> Approvers | None:
    """Return whose approvals count; None for everybody's.

    Raises:
        BadApprovers: The setting `approvers` cannot be read.
    """
    if not settings.approvers:
        return None
    return Approvers.read(settings.approvers, may_own=settings.own_approvals == "allowed")


def _logs(settings: Settings) -> Mapping[LogName, LogSettings]:
    return {
        "records": LogSettings(settings.tree_origin, _path(settings.tree_key)),
        "control": LogSettings(
            settings.control_origin,
            _path(settings.control_key),
            _path(settings.control_checkpoint),
        ),
    }


def _path(text: str) -> Path | None:
    return Path(text) if text else None
