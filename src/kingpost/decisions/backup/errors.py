"""What can go wrong with a backup."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "BackupAhead",
    "BackupDamaged",
    "BackupInUse",
    "BackupMissing",
    "BackupNewer",
    "BackupOfAnother",
    "DataDirectoryInUse",
    "DataDirectoryNotEmpty",
    "NotInBackup",
    "SourceDamaged",
]


class BackupAhead(KingpostError):
    """The backup holds more of a journal than there is now; it stays as it is.

    The end of the journal was lost, or the data directory is another one.
    """

    code = "backup_ahead"

    def __init__(self, partition: Path, end: int, held: int) -> None:
        super().__init__(partition, end, held)
        self.partition, self.end, self.held = partition, end, held

    def __str__(self) -> str:
        return (
            f"{self.partition} ends at offset {self.end}, and the backup holds it up to "
            f"{self.held}; the backup was not changed. Find out what became of the journal's end; "
            "if it is right as it is, make the backup into another directory"
        )


class BackupMissing(KingpostError):
    """The directory holds no backup."""

    code = "backup_missing"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return (
            f"{self.directory} holds no finished backup (there is no manifest.json); name the "
            "directory that `kingpost backup` was given"
        )


class BackupNewer(KingpostError):
    """A backup that a later version of Kingpost made."""

    code = "backup_newer"

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(path, found, known)
        self.path, self.found, self.known = path, found, known

    def __str__(self) -> str:
        return (
            f"{self.path} has format {self.found}, this version of Kingpost reads up to "
            f"{self.known}; install the version that made it, or a later one"
        )


class BackupDamaged(KingpostError):
    """A file of a backup is not as it was written; nothing was restored from it."""

    code = "backup_damaged"

    def __init__(self, path: Path, name: str, problem: str) -> None:
        super().__init__(path, name, problem)
        self.path, self.name, self.problem = path, name, problem

    def __str__(self) -> str:
        return (
            f"the backup's copy of {self.name} ({self.path}) cannot be used: {self.problem}; "
            "nothing was restored. Use another backup, or make this one anew"
        )


class BackupInUse(KingpostError):
    """Another process makes a backup into the same directory.

    Safe to retry: nothing was changed.
    """

    code = "backup_in_use"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return f"another process makes a backup into {self.directory}; wait until it has ended"


class SourceDamaged(KingpostError):
    """A file of the data directory is damaged; the backup before stays as it is."""

    code = "source_damaged"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged ({self.problem}), so no backup was made of it; the one made "
            "before is as it was: kingpost restore --only puts the file back from it"
        )


class DataDirectoryNotEmpty(KingpostError):
    """A backup is restored into an empty directory only."""

    code = "data_directory_not_empty"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root

    def __str__(self) -> str:
        return (
            f"{self.root} is not empty, and nothing in it was changed; move it away, or name "
            "another directory with --data-dir"
        )


class DataDirectoryInUse(KingpostError):
    """A file cannot be put back while a server has the data directory.

    Safe to retry: nothing was changed.
    """

    code = "data_directory_in_use"
    retry_safe = True

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.root = root

    def __str__(self) -> str:
        return f"a server has {self.root}; stop it before a file of it is put back"


class NotInBackup(KingpostError):
    """The backup holds no file of that name."""

    code = "not_in_backup"

    def __init__(self, name: str, directory: Path) -> None:
        super().__init__(name, directory)
        self.name, self.directory = name, directory

    def __str__(self) -> str:
        return (
            f"the backup in {self.directory} holds no {self.name!r}; give a path below the data "
            "directory, as journal/data/00000000000000000000.log"
        )


class BackupOfAnother(KingpostError):
    """The backup is of another data directory, so its file does not belong there."""

    code = "backup_of_another"

    def __init__(self, path: Path, directory: Path) -> None:
        super().__init__(path, directory)
        self.path, self.directory = path, directory

    def __str__(self) -> str:
        return (
            f"the segment in the backup {self.directory} is of another journal than {self.path}, "
            "so it was not put in its place; name the backup of this data directory"
        )
