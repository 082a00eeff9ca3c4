"""Backups of data directories: made beside a live server, checked, restored."""

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
from kingpost.decisions.backup.making import BackupDone, back_up
from kingpost.decisions.backup.manifest import BackedUp, BackupManifest, read_manifest
from kingpost.decisions.backup.restoring import (
    RESTORED_SETTINGS,
    check_backup,
    restore_backed_up,
    restore_backup,
)

__all__ = [
    "RESTORED_SETTINGS",
    "BackedUp",
    "BackupAhead",
    "BackupDamaged",
    "BackupDone",
    "BackupInUse",
    "BackupManifest",
    "BackupMissing",
    "BackupNewer",
    "BackupOfAnother",
    "DataDirectoryInUse",
    "DataDirectoryNotEmpty",
    "NotInBackup",
    "SourceDamaged",
    "back_up",
    "check_backup",
    "read_manifest",
    "restore_backed_up",
    "restore_backup",
]
