"""Where a command finds the data of an installation, by its settings."""

from pathlib import Path

from kingpost.core import Settings, SystemDisk
from kingpost.decisions import DataDirectory

__all__ = ["data_directory"]


def data_directory(settings: Settings) -> DataDirectory:
    """Return the data directory that the settings name.

    Raises:
        PartitionRenamed: Its journal lies under another partition's name.
    """
    where = DataDirectory(
        settings.data_dir,
        settings.partition,
        settings.partition_directories,
        Path(settings.control_dir) if settings.control_dir else None,
    )
    where.check_partition(disk=SystemDisk())
    return where
