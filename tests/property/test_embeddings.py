"""With a cache in front embeddings are the model's own, bit for bit, in every store."""

from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kingpost.models import (
    EMBEDDING_MIGRATIONS,
    EmbeddingCache,
    MemoryEmbeddings,
    SqliteEmbeddings,
)
from kingpost.models.embeddings.store import ENTRY_BYTES
from kingpost.storage import migrate, open_database

texts = st.lists(st.sampled_from(["", "a", "b", "ä", "\ud800", "a\0", "c", "d"]), max_size=6)
turns = st.lists(
    st.tuples(st.sampled_from(["x", "y"]), st.sampled_from([b"1", b"2"]), texts, st.booleans()),
    max_size=10,
)


def embedded(model: bytes, contents: Sequence[str]) -> NDArray[np.float32]:
    rows = [
        np.frombuffer(sha256(model + one.encode(errors="surrogatepass")).digest(), "<u2")
        for one in contents
    ]
    return np.array(rows, np.float32).reshape(len(contents), 16)


@given(turns=turns, room=st.integers(1, 5))
def test_a_vector_has_the_same_bits_with_and_without_a_cache(
    turns: list[tuple[str, bytes, list[str], bool]], room: int
) -> None:
    most_bytes = room * (ENTRY_BYTES + 64)
    with TemporaryDirectory() as name, closing(open_database(Path(name) / "e.sqlite")) as file:
        migrate(file, "embeddings", EMBEDDING_MIGRATIONS)
        stores = (MemoryEmbeddings(most_bytes), SqliteEmbeddings(file, most_bytes))
        caches = [EmbeddingCache(store) for store in stores]
        for tenant, model, contents, drops in turns:
            for cache in caches:
                found = cache.vectors(
                    model, contents, lambda some, of=model: embedded(of, some), tenant=tenant
                )
                assert not contents or found.tobytes() == embedded(model, contents).tobytes()
            if drops:
                for cache in caches:
                    cache.drop_model(model)
            for store in stores:
                assert store.held().size_bytes <= most_bytes
        assert all(cache.counts.failures == 0 for cache in caches)
        rows: list[int] = [
            length for (length,) in file.execute("SELECT length(vector) FROM embeddings")
        ]
        assert stores[1].held() == (len(rows), sum(rows) + ENTRY_BYTES * len(rows))
