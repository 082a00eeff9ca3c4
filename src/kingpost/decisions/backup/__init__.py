"""Backups of data directories: made beside a live server, checked, restored."""

from kingpost.decisions.backup.back_up import BackupDone, back_up
from kingpost.decisions.backup.errors import (
    BackupAhead,
    BackupDamaged,
    BackupInUse,
    BackupMissing,
    BackupNewer,
    BackupOfAnother,
    DataDirectoryInUse,
    DataDirectoryNotEmpty,
    NotInBackup,
    SourceDamaged,
)
from kingpost.decisions.backup.manifest import BackedUp, Manifest, read_manifest
from kingpost.decisions.backup.restore import (
    RESTORED_SETTINGS,
    check_backup,
    restore,
    restore_file,
)

__all__ = [
    "RESTORED_SETTINGS",
    "BackedUp",
    "BackupAhead",
    "BackupDamaged",
    "BackupDone",
    "BackupInUse",
    "BackupMissing",
    "BackupNewer",
    "BackupOfAnother",
    "DataDirectoryInUse",
    "DataDirectoryNotEmpty",
    "Manifest",
    "NotInBackup",
    "SourceDamaged",
    "back_up",
    "check_backup",
    "read_manifest",
    "restore",
    "restore_file",
]
