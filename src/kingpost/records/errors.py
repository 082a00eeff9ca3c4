"""What can go wrong with the search of records."""

from kingpost.core import KingpostError

__all__ = ["RecordSearchFailed"]


class RecordSearchFailed(KingpostError):
    """The search's tables could not be read or written.

    Safe to retry: nothing was changed.
    """

    code = "record_search_failed"
    retry_safe = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the search of records cannot be reached ({self.reason}); check the disk and the "
            "permissions of observed.sqlite, then try again. The records are safe in the journal"
        )
