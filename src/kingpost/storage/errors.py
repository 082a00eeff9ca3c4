"""What can go wrong with a database or a file of columns."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "ColumnsDamaged",
    "ColumnsNewer",
    "DatabaseNewer",
    "DatabaseUnreadable",
    "StorageBusy",
    "StorageFailed",
    "StorageFull",
]


class ColumnsDamaged(KingpostError):
    """A file of columns that is not as it was written."""

    code = "columns_damaged"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path} cannot be used ({self.problem}): remove it, what it held is made anew"


class ColumnsNewer(KingpostError):
    """A file of columns that a later version of Kingpost wrote."""

    code = "columns_newer"

    def __init__(self, path: Path, found: int, known: int) -> None:
        super().__init__(path, found, known)
        self.path, self.found, self.known = path, found, known

    def __str__(self) -> str:
        return (
            f"{self.path} has format {self.found}, this version of Kingpost reads up to "
            f"{self.known}: install the version that wrote it, or a later one; or remove the "
            "file, what it held is made anew"
        )


class DatabaseUnreadable(KingpostError):
    """The file cannot be opened as a database."""

    code = "database_unreadable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be opened as a database ({self.reason}); nothing was changed: "
            "check the path and its permissions, or restore the file from a backup"
        )


class DatabaseNewer(KingpostError):
    """Tables that a later version of Kingpost wrote."""

    code = "database_newer"

    def __init__(self, owner: str, found: int, known: int) -> None:
        super().__init__(owner, found, known)
        self.owner, self.found, self.known = owner, found, known

    def __str__(self) -> str:
        return (
            f"the tables of {self.owner!r} have format {self.found}, this version of Kingpost "
            f"reads up to {self.known}; nothing was changed: install the version that wrote them, "
            "or a later one"
        )


class StorageFull(KingpostError):
    """The disk had no room for a change.

    Safe to retry: nothing was changed.
    """

    code = "storage_full"
    retry_safe = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"no space left on the disk of {self.name}; nothing was changed: free some space"


class StorageBusy(KingpostError):
    """Another process was writing for too long.

    Safe to retry: nothing was changed.
    """

    code = "storage_busy"
    retry_safe = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.name} is being written by another process; nothing was changed: try again"


class StorageFailed(KingpostError):
    """A database could not be read or written."""

    code = "storage_failed"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return (
            f"{self.name} cannot be read or written ({self.reason}); nothing was changed: check "
            "the disk and the file's permissions, or restore the file from a backup"
        )
