"""The search in SQLite answers as the one in memory does, whatever is asked."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kingpost.records import (
    RECORD_MIGRATIONS,
    KnownLabel,
    MemoryRecords,
    Outcome,
    RecordLine,
    RecordQuery,
    RecordSearch,
    Review,
    SqliteRecords,
)
from kingpost.storage import migrate, open_database

TENANTS = st.sampled_from(["acme", "umbrella"])
DECISIONS = st.sampled_from(["fraud", "churn"])
TEXTS = st.sampled_from(["a", "b", "c"])
TIMES = st.integers(0, 8)
NUMBERS = st.integers(0, 15)

PRINCIPALS = st.sampled_from(["", "key-1", "key-2"])
made = st.builds(
    RecordLine,
    id=st.just(b""),
    offset=st.just(0),
    tenant=TENANTS,
    decision=DECISIONS,
    bundle=st.sampled_from([b"b" * 32, b"c" * 32]),
    model=st.sampled_from([b"m" * 32, b"n" * 32]),
    principal=PRINCIPALS,
    event_key=TEXTS,
    session=st.none() | TEXTS,
    trace_id=TEXTS,
    event_time_us=TIMES,
    at_us=TIMES,
    outcome=st.sampled_from(list(Outcome)),
    positive=st.none() | st.booleans(),
    score=st.none() | st.floats(0, 1),
    confidence=st.floats(0.5, 1),
)
labels = st.lists(st.builds(KnownLabel, TEXTS, st.booleans(), TIMES, st.integers(0, 10_000_000)))
reviews = st.lists(
    st.builds(
        Review,
        format=st.just(1),
        record=NUMBERS.map(lambda number: number.to_bytes(16)),
        decision=DECISIONS,
        verdict=st.sampled_from(["approved", "overridden"]),
        positive=st.booleans(),
        reason=TEXTS,
        by=TEXTS,
        at_us=TIMES,
        task=TEXTS,
    )
)
queries = st.builds(
    RecordQuery,
    tenant=TENANTS,
    decision=DECISIONS,
    text=st.just("") | TEXTS | NUMBERS.map(lambda number: str(UUID(int=number))),
    outcome=st.none() | st.sampled_from(list(Outcome)),
    review=st.sampled_from([None, "none", "approved", "overridden"]),
    model=st.sampled_from([b"", b"", b"b" * 32, b"m" * 32, b"n" * 32, b"x" * 32]),
    principal=st.just("") | PRINCIPALS | st.just("nobody"),
    mistaken=st.booleans(),
    since_us=st.none() | TIMES,
    until_us=st.none() | TIMES,
    before=st.none() | st.tuples(TIMES, st.integers(0, 10_000_000)),
    limit=st.integers(1, 5),
)


def changed(
    search: RecordSearch,
    lines: Sequence[RecordLine],
    known: Sequence[tuple[str, str, list[KnownLabel]]],
    said: Sequence[tuple[str, list[Review]]],
) -> list[object]:
    search.add(lines[::2])
    search.add(lines)
    told: list[object] = []
    for tenant, decision, some in known:
        told.append(list(search.label(tenant, decision, some)))
    for tenant, reviewed in said:
        told.append(list(search.review(tenant, reviewed)))
    for tenant in ("acme", "umbrella"):
        told.append((list(search.decisions(tenant)), search.last_at(tenant)))
        told.append([search.count(tenant, decision) for decision in ("fraud", "churn")])
    return told


@settings(max_examples=80)
@given(
    lines=st.lists(made, max_size=16),
    spread=st.sampled_from([1, 1000, 600_000]),
    known=st.lists(st.tuples(TENANTS, DECISIONS, labels), max_size=3),
    said=st.lists(st.tuples(TENANTS, reviews), max_size=2),
    asked=st.lists(queries, min_size=1, max_size=12),
)
def test_both_searches_say_the_same(
    lines: list[RecordLine],
    spread: int,
    known: list[tuple[str, str, list[KnownLabel]]],
    said: list[tuple[str, list[Review]]],
    asked: list[RecordQuery],
) -> None:
    numbered = [
        replace(line, id=at.to_bytes(16), offset=at * spread) for at, line in enumerate(lines)
    ]
    with TemporaryDirectory() as directory:
        connection = open_database(Path(directory) / "observed.sqlite")
        connection.execute("PRAGMA synchronous = OFF")  # no power is lost here
        migrate(connection, "records", RECORD_MIGRATIONS)
        memory, sqlite = MemoryRecords(), SqliteRecords(connection)

        assert changed(sqlite, numbered, known, said) == changed(memory, numbered, known, said)
        for query in asked:
            assert list(sqlite.find(query)) == list(memory.find(query))
        for line in numbered:
            assert sqlite.get("acme", line.id) == memory.get("acme", line.id)
        connection.close()
