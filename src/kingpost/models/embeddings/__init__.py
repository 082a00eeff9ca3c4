"""Embeddings that were computed before, found again by model and content."""

from kingpost.models.embeddings.cache import EmbeddingCache, EmbeddingCounts
from kingpost.models.embeddings.store import EmbeddingSpace, EmbeddingStore, HeldEmbeddings
from kingpost.models.embeddings.store_memory import MemoryEmbeddings
from kingpost.models.embeddings.store_sqlite import EMBEDDING_MIGRATIONS, SqliteEmbeddings

__all__ = [
    "EMBEDDING_MIGRATIONS",
    "EmbeddingCache",
    "EmbeddingCounts",
    "EmbeddingSpace",
    "EmbeddingStore",
    "HeldEmbeddings",
    "MemoryEmbeddings",
    "SqliteEmbeddings",
]
