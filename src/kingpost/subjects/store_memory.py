"""Keys of data subjects in memory, for as long as the process lives."""

from collections.abc import Sequence

from kingpost.subjects.store import WrappedKey

__all__ = ["MemorySubjectKeys"]


class MemorySubjectKeys:
    """A `KeyStore` that forgets."""

    def __init__(self) -> None:
        self.check = b""
        self._keys: dict[bytes, WrappedKey] = {}

    def begin(self, check: bytes) -> None:
        self.check = check

    def add(self, keys: Sequence[WrappedKey]) -> None:
        self._keys.update({key.id: key for key in keys})

    def get(self, identifier: bytes) -> WrappedKey | None:
        return self._keys.get(identifier)

    def newest(self, subject: bytes) -> WrappedKey | None:
        return max(self._of(subject), key=lambda key: key.since, default=None)

    def rewind(self, offset: int) -> None:
        early = [key for key in self._keys.values() if key.since > offset]
        self._keys.update({key.id: key._replace(since=offset) for key in early})

    def destroy(self, subject: bytes, until: int) -> int:
        gone = [key for key in self._of(subject) if key.since <= until]
        self._keys.update({key.id: key._replace(wrapped=b"") for key in gone})
        return len(gone)

    def close(self) -> None:
        pass

    def _of(self, subject: bytes) -> list[WrappedKey]:
        return [key for key in self._keys.values() if key.subject == subject and key.wrapped]
