"""What can go wrong with sealed records."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "ArchiveDiffers",
    "ArchiveRefused",
    "ArchiveUnreachable",
    "BadQuery",
    "NewerManifest",
    "NotArchived",
    "QueryTooLarge",
    "QueryTookTooLong",
    "SealFailed",
    "SealInUse",
    "SealedDiffers",
]


class SealInUse(KingpostError):
    """Another process seals or archives this partition.

    Safe to retry: nothing was changed.
    """

    code = "seal_in_use"
    retry_safe = True

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        return (
            f"another process seals or archives {self.directory}, such as the observer beside "
            'a server; wait for it, or set seal = "off" there'
        )


class SealFailed(KingpostError):
    """A Parquet file could not be written.

    Safe to retry: the segment counts as not sealed.
    """

    code = "seal_failed"
    retry_safe = True

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be written ({self.reason}); see to the space and the "
            "permissions there, then seal again: it goes on with this segment"
        )


class NewerManifest(KingpostError):
    """A manifest of a later version, or one that is damaged."""

    code = "newer_manifest"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} is no manifest that this version reads ({self.reason}); upgrade "
            "Kingpost, or remove the file: its segment is then sealed anew"
        )


class SealedDiffers(KingpostError):
    """A segment or a sealed file is not what its manifest says."""

    code = "sealed_differs"

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path, self.expected, self.found = path, expected, found

    def __str__(self) -> str:
        return (
            f"{self.path} was sealed as {self.expected} and is {self.found} now; restore it from "
            "a backup or the archive (`kingpost archive --fetch`)"
        )


class BadQuery(KingpostError):
    """A query that cannot be answered as it stands."""

    code = "bad_query"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.reason}; expected one SELECT over records, inferences and reviews, which "
            "reads nothing else"
        )


class QueryTookTooLong(KingpostError):
    """A query that was stopped.

    Safe to retry, with more time.
    """

    code = "query_took_too_long"
    retry_safe = True

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return (
            f"the query was stopped after {self.timeout_s:g} s; ask for a shorter time "
            "(`WHERE decided_at >= …`), or give it more with --timeout"
        )


class QueryTooLarge(KingpostError):
    """A query that needs more memory than it may have."""

    code = "query_too_large"

    def __init__(self, memory_mb: int) -> None:
        super().__init__(memory_mb)
        self.memory_mb = memory_mb

    def __str__(self) -> str:
        return (
            f"the query needs more than {self.memory_mb} MiB; seal first (`kingpost seal`), ask "
            "for less, or give it more with --memory"
        )


class ArchiveUnreachable(KingpostError):
    """The object store did not answer, several times.

    Safe to retry: what was put stays, and the next run goes on after it.
    """

    code = "archive_unreachable"
    retry_safe = True

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.store, self.reason = store, reason

    def __str__(self) -> str:
        return (
            f"{self.store} cannot be reached ({self.reason}); check the network, the setting "
            "archive_endpoint and that the bucket exists, then try again: it goes on where it was"
        )


class ArchiveRefused(KingpostError):
    """The object store said no."""

    code = "archive_refused"

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.store, self.reason = store, reason

    def __str__(self) -> str:
        return (
            f"{self.store} refused ({self.reason}); it needs to be s3://bucket/prefix, with "
            "credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that may put and get there"
        )


class ArchiveDiffers(KingpostError):
    """An object is missing, or is not what was sealed here."""

    code = "archive_differs"

    def __init__(self, store: str, key: str) -> None:
        super().__init__(store, key)
        self.store, self.key = store, key

    def __str__(self) -> str:
        return (
            f"{self.store}/{self.key} is not what was sealed here; nothing was changed. Another "
            "installation may archive to the same place: give each a prefix of its own. Or it "
            "was altered: restore it there, or archive to a new prefix"
        )


class NotArchived(KingpostError):
    """A segment that cannot be fetched from this store."""

    code = "not_archived"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.reason}; see `kingpost archive --json`, and the setting "
            "archive_store"
        )
