"""What can go wrong when a database is opened."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = ["DatabaseNewer", "DatabaseUnreadable"]


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
