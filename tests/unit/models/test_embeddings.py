"""Embeddings are computed once by a model, for a tenant; one contract over every store."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.models import (
    EMBEDDING_MIGRATIONS,
    BadEmbeddings,
    EmbeddingCache,
    EmbeddingSpace,
    EmbeddingStore,
    MemoryEmbeddings,
    SqliteEmbeddings,
)
from kingpost.models.embeddings.store import ENTRY_BYTES
from kingpost.storage import migrate, open_database

FIRST, SECOND = b"1" * 32, b"2" * 32
SPACE = EmbeddingSpace("acme", FIRST)
VECTOR = bytes(8)
ENTRY = ENTRY_BYTES + len(VECTOR)
Open = Callable[[int], EmbeddingStore]


def opened(path: Path) -> sqlite3.Connection:
    connection = open_database(path)
    migrate(connection, "embeddings", EMBEDDING_MIGRATIONS)
    return connection


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    if request.param == "memory":
        yield MemoryEmbeddings
        return
    connection = opened(tmp_path / "embeddings.sqlite")
    yield lambda most_bytes: SqliteEmbeddings(connection, most_bytes)
    connection.close()


@pytest.fixture
def store(open_store: Open) -> EmbeddingStore:
    return open_store(1 << 20)


class Embedder:
    """Embeds by the length and the first letter."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        rows = [(len(text), ord(text[:1] or " ") / 7) for text in texts]
        return np.array(rows, np.float32)


def test_vectors_come_back_as_they_were_kept(store: EmbeddingStore) -> None:
    kept = {b"%032d" % at: bytes([at] * 8) for at in range(3)}

    assert store.put(SPACE, kept) == 0
    assert store.get(SPACE, [*kept, b"x" * 32]) == kept
    assert store.get(SPACE, []) == {}
    assert store.held() == (3, 3 * ENTRY)


def test_a_vector_that_is_there_stays(store: EmbeddingStore) -> None:
    store.put(SPACE, {b"a": b"1" * 8})
    store.put(SPACE, {b"a": b"2" * 8, b"b": b"2" * 8})

    assert store.get(SPACE, [b"a"]) == {b"a": b"1" * 8}
    assert store.held() == (2, 2 * ENTRY)


def test_another_model_and_another_tenant_find_nothing(store: EmbeddingStore) -> None:
    store.put(SPACE, {b"a": VECTOR})

    assert store.get(EmbeddingSpace("acme", SECOND), [b"a"]) == {}
    assert store.get(EmbeddingSpace("other", FIRST), [b"a"]) == {}


def test_what_was_unused_for_longest_goes_first(open_store: Open) -> None:
    store = open_store(3 * ENTRY)
    for name in (b"a", b"b", b"c"):
        store.put(SPACE, {name: VECTOR})
    store.get(SPACE, [b"a"])

    assert store.put(SPACE, {b"d": VECTOR, b"e": VECTOR}) == 2
    assert set(store.get(SPACE, [b"a", b"b", b"c", b"d", b"e"])) == {b"a", b"d", b"e"}
    assert store.held() == (3, 3 * ENTRY)


def test_more_than_there_is_room_for_leaves_what_fits(open_store: Open) -> None:
    store = open_store(2 * ENTRY + 1)

    assert store.put(SPACE, {b"%d" % at: VECTOR for at in range(1200)}) == 1198
    assert store.held() == (2, 2 * ENTRY)


def test_a_model_is_forgotten_with_all_its_vectors(store: EmbeddingStore) -> None:
    other = EmbeddingSpace("other", FIRST)
    store.put(SPACE, {b"a": VECTOR})
    store.put(other, {b"b": VECTOR})
    store.put(EmbeddingSpace("acme", SECOND), {b"a": VECTOR})

    assert store.drop_model(FIRST) == 2
    assert store.drop_model(FIRST) == 0
    assert store.get(SPACE, [b"a"]) == store.get(other, [b"b"]) == {}
    assert store.held() == (1, ENTRY)


def test_contents_of_a_tenant_are_forgotten_in_every_model(store: EmbeddingStore) -> None:
    for space in (SPACE, EmbeddingSpace("acme", SECOND), EmbeddingSpace("other", FIRST)):
        store.put(space, {b"a": VECTOR, b"b": VECTOR})

    assert store.forget("acme", [b"a", b"x"]) == 2
    assert set(store.get(SPACE, [b"a", b"b"])) == {b"b"}
    assert len(store.get(EmbeddingSpace("other", FIRST), [b"a", b"b"])) == 2


def test_only_what_is_missing_is_embedded_and_each_once(store: EmbeddingStore) -> None:
    cache, embed = EmbeddingCache(store), Embedder()
    texts = ["bread", "milk", "bread", ""]

    first = cache.vectors(FIRST, texts, embed, tenant="acme")
    second = cache.vectors(FIRST, ["tea", "milk"], embed, tenant="acme")

    assert embed.asked == [["bread", "milk", ""], ["tea"]]
    assert first.dtype == np.float32
    assert first.tobytes() == Embedder()(texts).tobytes()
    assert second.tobytes() == Embedder()(["tea", "milk"]).tobytes()
    counts = cache.counts
    assert (counts.hits, counts.shared, counts.misses) == (1, 1, 4)


def test_nothing_is_embedded_where_all_is_kept_or_nothing_asked(store: EmbeddingStore) -> None:
    cache, embed = EmbeddingCache(store), Embedder()
    cache.vectors(FIRST, ["tea"], embed, tenant="acme")

    assert cache.vectors(FIRST, ["tea"], embed, tenant="acme").shape == (1, 2)
    assert cache.vectors(FIRST, [], embed, tenant="acme").shape == (0, 0)
    assert len(embed.asked) == 1


def test_a_text_and_its_bytes_are_two_contents(store: EmbeddingStore) -> None:
    cache = EmbeddingCache(store)
    cache.vectors(FIRST, ["tea"], Embedder(), tenant="acme")

    found = cache.vectors(FIRST, [b"tea"], lambda _: np.ones((1, 2), np.float32), tenant="acme")

    assert found.tolist() == [[1, 1]]


def test_a_cache_forgets_what_it_is_told_to(store: EmbeddingStore) -> None:
    cache, embed = EmbeddingCache(store), Embedder()
    cache.vectors(FIRST, ["ann", "bob", "cid"], embed, tenant="acme")

    assert cache.forget(["ann", "nobody"], tenant="acme") == 1
    assert cache.drop_model(FIRST) == 2


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (np.ones((2, 3), np.float32), r"1 contents were embedded as float32 of shape \(2, 3\)"),
        (np.ones((1, 3), np.float64), "float64"),
        (np.ones(1, np.float32), r"shape \(1,\)"),
        (np.ones((1, 0), np.float32), r"shape \(1, 0\)"),
    ],
)
def test_what_is_no_embedding_is_refused(
    store: EmbeddingStore, made: NDArray[np.float32], told: str
) -> None:
    with pytest.raises(BadEmbeddings, match=told):
        EmbeddingCache(store).vectors(FIRST, ["tea"], lambda _: made, tenant="acme")


def test_a_model_that_changes_under_one_digest_is_noticed(store: EmbeddingStore) -> None:
    cache = EmbeddingCache(store)
    cache.vectors(FIRST, ["tea"], Embedder(), tenant="acme")

    with pytest.raises(BadEmbeddings, match="have 2 and 3 numbers"):
        cache.vectors(FIRST, ["tea", "milk"], lambda _: np.ones((1, 3), np.float32), tenant="acme")


def test_a_store_that_fails_costs_time_and_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = opened(tmp_path / "embeddings.sqlite")
    cache, embed = EmbeddingCache(SqliteEmbeddings(connection, 1 << 20)), Embedder()
    connection.close()

    found = cache.vectors(FIRST, ["secret text"], embed, tenant="acme")

    assert found.tobytes() == Embedder()(["secret text"]).tobytes()
    assert cache.counts.failures == 2
    assert [one.message for one in caplog.records] == ["embedding_cache_failed"] * 2
    assert "secret" not in caplog.text


def test_two_processes_may_use_one_file(tmp_path: Path) -> None:
    first, second = (opened(tmp_path / "embeddings.sqlite") for _ in range(2))
    SqliteEmbeddings(first, 1 << 20).put(SPACE, {b"a": VECTOR})

    assert SqliteEmbeddings(second, 1 << 20).get(SPACE, [b"a"]) == {b"a": VECTOR}
    first.close()
    second.close()
