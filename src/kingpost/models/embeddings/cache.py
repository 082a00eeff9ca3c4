"""Embeddings of texts, images or anything else in bytes, each computed once by a model.

    cache = EmbeddingCache(SqliteEmbeddings(connection, most_bytes=1 << 30))
    vectors = cache.vectors(model_digest, texts, embed, tenant="acme")

The rule: a vector is found by the digest of the model, the SHA-256 of the content and the
tenant, and by nothing less; the content itself is not kept. A cache that cannot be read or
written costs time and never an answer.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kingpost.models.embeddings.store import EmbeddingSpace, EmbeddingStore
from kingpost.models.errors import BadEmbeddings
from kingpost.storage import StorageBusy, StorageFailed, StorageFull

__all__ = ["EmbeddingCache", "EmbeddingCounts"]

Content = TypeVar("Content", str, bytes)
_FAILURES = (StorageBusy, StorageFailed, StorageFull)
_FLOAT = np.dtype("<f4")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class EmbeddingCounts:
    """What a cache has done.

    Attributes:
        hits: Contents whose vector was kept.
        shared: Contents that were embedded as an equal one beside them.
        misses: Contents that the model embedded.
        outgrown: Vectors that went because there was no room.
        failures: Times the store could not be read or written.
    """

    hits: int = 0
    shared: int = 0
    misses: int = 0
    outgrown: int = 0
    failures: int = 0


class EmbeddingCache:
    """Keeps embeddings in a store; as many threads as the store may use it.

    Attributes:
        counts: What it has done so far.
    """

    def __init__(self, store: EmbeddingStore) -> None:
        self._store = store
        self.counts = EmbeddingCounts()

    def vectors(
        self,
        model: bytes,
        contents: Sequence[Content],
        embed: Callable[[Sequence[Content]], NDArray[np.float32]],
        *,
        tenant: str,
    ) -> NDArray[np.float32]:
        """Return a vector per content, float32, shape (contents, dimension).

        Args:
            model: The digest of the model, of all that its vectors depend on.
            embed: Gives a vector per content, float32, shape (contents, dimension); called
                once with those that are not kept, each once, or not at all.

        Raises:
            BadEmbeddings: What `embed` gave has another type, shape or dimension.
        """
        if not contents:
            return np.empty((0, 0), np.float32)
        space, digests = EmbeddingSpace(tenant, model), [_digest(one) for one in contents]
        wanted = dict(zip(digests, contents, strict=True))
        found = dict(self._get(space, list(wanted)))
        missing = {digest: one for digest, one in wanted.items() if digest not in found}
        counts = self.counts
        counts.misses += len(missing)
        counts.hits += sum(digest not in missing for digest in digests)
        counts.shared += sum(digest in missing for digest in digests) - len(missing)
        if missing:
            made = _checked(embed(list(missing.values())), len(missing))
            added = {digest: row.tobytes() for digest, row in zip(missing, made, strict=True)}
            found |= added
            self._put(space, added)
        sizes = {len(vector) for vector in found.values()}
        if len(sizes) > 1:
            dimensions = " and ".join(str(size // _FLOAT.itemsize) for size in sorted(sizes))
            raise BadEmbeddings(f"vectors of one model have {dimensions} numbers")
        whole = b"".join([found[digest] for digest in digests])
        return np.frombuffer(whole, _FLOAT).astype(np.float32).reshape(len(contents), -1)

    def drop_model(self, model: bytes) -> int:
        """Forget all vectors of a model; return how many.

        Raises:
            StorageBusy, StorageFull, StorageFailed: Nothing was forgotten.
        """
        return self._store.drop_model(model)

    def forget(self, contents: Sequence[str | bytes], *, tenant: str) -> int:
        """Forget the vectors of some contents, of every model; return how many.

        Raises:
            StorageBusy, StorageFull, StorageFailed: Nothing was forgotten.
        """
        return self._store.forget(tenant, list({_digest(one) for one in contents}))

    def _get(self, space: EmbeddingSpace, digests: Sequence[bytes]) -> Mapping[bytes, bytes]:
        try:
            return self._store.get(space, digests)
        except _FAILURES as error:
            self._note(error)
            return {}

    def _put(self, space: EmbeddingSpace, vectors: Mapping[bytes, bytes]) -> None:
        try:
            self.counts.outgrown += self._store.put(space, vectors)
        except _FAILURES as error:
            self._note(error)

    def _note(self, error: StorageBusy | StorageFailed | StorageFull) -> None:
        self.counts.failures += 1
        _log.warning("embedding_cache_failed", extra={"reason": error.code})


def _digest(content: str | bytes) -> bytes:
    """Return what a content is found by; a text is another content than its bytes."""
    if isinstance(content, str):
        return sha256(b"text\0" + content.encode(errors="surrogatepass")).digest()
    return sha256(b"bytes\0" + content).digest()


def _checked(made: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    if made.dtype != np.float32 or made.ndim != 2 or len(made) != rows or not made.shape[1]:
        raise BadEmbeddings(f"{rows} contents were embedded as {made.dtype} of shape {made.shape}")
    return np.ascontiguousarray(made, _FLOAT)
