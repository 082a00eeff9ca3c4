"""An S3-shaped object store (extra `s3`): put, read back, and the faults in between.

The rule: an object counts when its bytes were read back and have the digest of what was
meant. Faults of the network are tried again; what the store says no to is not.
"""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from kingpost.core import ExtraMissing
from kingpost.decisions.sealed.errors import ArchiveRefused, ArchiveUnreachable

__all__ = ["ObjectStore"]

MULTIPART_BYTES = 16 * 1024 * 1024
_PART_BYTES = 8 * 1024 * 1024
_TRIES = 5
_FIRST_PAUSE_S = 0.2
_TIMEOUT = "60s"
Found = TypeVar("Found")


class ObjectStore:
    """The objects below a prefix of a bucket.

    Credentials and the region come from the usual variables (`AWS_ACCESS_KEY_ID`, …), or from
    the machine's role.

    Args:
        url: As `s3://bucket/prefix`.
        endpoint: Where a store other than Amazon's is reached; empty for Amazon's.
        first_pause_s: How long to wait before the second try; twice as long each time.

    Raises:
        ExtraMissing: The library is not installed.
        ArchiveRefused: The URL is none of a bucket.
    """

    def __init__(
        self, url: str, endpoint: str = "", *, first_pause_s: float = _FIRST_PAUSE_S
    ) -> None:
        try:
            import obstore
            from obstore.exceptions import BaseError
            from obstore.store import S3Store
        except ImportError as error:
            raise ExtraMissing("obstore", "s3") from error
        self.url, self._api, self._first_pause_s = url.rstrip("/"), obstore, first_pause_s
        self._errors = (BaseError, OSError)
        plain = endpoint.startswith("http://")
        try:
            self._store = S3Store.from_url(
                url,
                **({"endpoint": endpoint} if endpoint else {}),
                client_options={"allow_http": plain, "timeout": _TIMEOUT},
                # a cut connection is seen here, and the whole object is put again
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
            )
        except (BaseError, ValueError) as error:
            raise ArchiveRefused(self.url, str(error)) from error

    def put(self, key: str, body: bytes) -> None:
        """Put an object whose key has its digest in it, a large one in parts; check it.

        Raises:
            ArchiveUnreachable: The store did not answer, or lost bytes, several times.
            ArchiveRefused: It said no.
        """
        wanted = hashlib.sha256(body).hexdigest()
        is_large = len(body) >= MULTIPART_BYTES

        def put() -> None:
            if self._digest(key) == wanted:
                return  # a run that was killed has put it
            self._api.put(self._store, key, body, use_multipart=is_large, chunk_size=_PART_BYTES)
            if self._digest(key) != wanted:
                raise ConnectionError(f"{key} was put and read back with other bytes")

        self._tried(put)

    def create(self, key: str, body: bytes) -> bytes:
        """Put an object unless there is one; return what is there then.

        Raises:
            ArchiveUnreachable, ArchiveRefused: As in `put`.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def create() -> bytes:
            try:
                self._api.put(self._store, key, body, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                pass  # by a run that was killed, by another one, or by a try before this
            return bytes(self._api.get(self._store, key).bytes())

        return self._tried(create)

    def get(self, key: str) -> bytes | None:
        """Read an object; None when there is none.

        Raises:
            ArchiveUnreachable, ArchiveRefused: As in `put`.
        """

        def get() -> bytes | None:
            try:
                return bytes(self._api.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

        return self._tried(get)

    def digest(self, key: str) -> str | None:
        """Read an object and return its SHA-256, in hex; None when there is none.

        Raises:
            ArchiveUnreachable, ArchiveRefused: As in `put`.
        """
        return self._tried(lambda: self._digest(key))

    def delete(self, key: str) -> None:
        """Remove an object, if there is one.

        A bucket that keeps versions keeps this one, until a rule of its own lets it go.

        Raises:
            ArchiveUnreachable, ArchiveRefused: As in `put`.
        """

        def delete() -> None:
            try:
                self._api.delete(self._store, key)
            except FileNotFoundError:
                return
            if self._digest(key) is not None:
                raise ConnectionError(f"{key} was deleted and is still there")

        self._tried(delete)

    def _digest(self, key: str) -> str | None:
        state = hashlib.sha256()
        try:
            for piece in self._api.get(self._store, key).stream():
                state.update(piece)
        except FileNotFoundError:
            return None
        return state.hexdigest()

    def _tried(self, work: Callable[[], Found]) -> Found:
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        pause_s = self._first_pause_s
        for tries in range(1, _TRIES + 1):
            try:
                return work()
            except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
                raise ArchiveRefused(self.url, _first_line(error)) from error
            except self._errors as error:
                if tries == _TRIES or isinstance(error, FileNotFoundError):
                    raise ArchiveUnreachable(self.url, _first_line(error)) from error
            time.sleep(pause_s)
            pause_s *= 2
        raise AssertionError  # the last try returned or raised


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].strip()
