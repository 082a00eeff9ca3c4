"""What can go wrong with the keys of data subjects and what is encrypted under them."""

from pathlib import Path

from kingpost.core import KingpostError

__all__ = [
    "ContentDamaged",
    "KeyStoreUnfit",
    "KeysNotKept",
    "KeysNotMoved",
    "MasterKeyUnusable",
    "SubjectKeyMissing",
]


class ContentDamaged(KingpostError):
    """Personal content that is not as it was encrypted, or lies beside other facts."""

    code = "content_damaged"

    def __init__(self, contract: str) -> None:
        super().__init__(contract)
        self.contract = contract

    def __str__(self) -> str:
        return (
            f"the personal content of a stored event of {self.contract!r} does not open under its "
            "subject's key: the journal or the key store was altered; restore both from one backup"
        )


class KeyStoreUnfit(KingpostError):
    """A setting `subject_key_store` that names no store of keys."""

    code = "key_store_unfit"

    def __str__(self) -> str:
        return (
            "subject_key_store must be a URL as postgresql://user:password@host:5432/database, "
            "or empty"
        )


class KeysNotKept(KingpostError):
    """The key of a new subject cannot be kept, so nothing can be stored of it.

    Safe to retry: nothing was written.
    """

    code = "keys_not_kept"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the key of a new data subject could not be kept ({self.reason}), so nothing was "
            "taken; free space on the disk of the data directory, then ask again"
        )


class KeysNotMoved(KingpostError):
    """Keys of subjects that lie in a file, where the settings name another store."""

    code = "keys_not_moved"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"{self.path} holds keys of data subjects, and subject_key_store names another store: "
            "stop the server and run `kingpost move-subject-keys`, or set it back; nothing was "
            "opened, since content would read as if nobody had its key"
        )


class MasterKeyUnusable(KingpostError):
    """The key that the keys of subjects are wrapped with is missing, wrong or unreadable."""

    code = "master_key_unusable"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be used as the master key of personal content ({self.problem}); "
            "put back the file that was made with this data directory: without it the content is "
            "lost, and nothing was changed"
        )


class SubjectKeyMissing(KingpostError):
    """Personal content whose key is not in the key store, and was not destroyed there."""

    code = "subject_key_missing"

    def __init__(self, contract: str) -> None:
        super().__init__(contract)
        self.contract = contract

    def __str__(self) -> str:
        return (
            f"the key of a subject of {self.contract!r} is not in the key store, so what depends on "
            "its content cannot be computed; put back the subject_keys files of the data directory"
        )
