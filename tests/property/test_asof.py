"""As-of joins find the row that the plain definition names, in whatever order rows come."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kingpost.features import KeyedTimes, rows_as_of


class Row(NamedTuple):
    key: str
    time: int
    known: int


ROWS = st.lists(
    st.builds(Row, st.sampled_from("abc"), st.integers(-20, 20), st.integers(-20, 20)), max_size=30
)


def keyed(rows: Sequence[Row], *, known: bool) -> KeyedTimes:
    return KeyedTimes(
        [np.array([row.key for row in rows], object)],
        np.array([row.time for row in rows], np.int64),
        np.array([row.known for row in rows], np.int64) if known else None,
    )


def by_definition(table: Sequence[Row], request: Row, age: int | None, *, known: bool) -> int:
    """The last of the latest rows that are the key's, true, known and young enough."""
    found = -1
    for place, row in enumerate(table):
        if row.key != request.key or row.time > request.time:
            continue
        if (known and row.known > request.time) or (age and request.time - row.time >= age):
            continue
        if found < 0 or row.time >= table[found].time:
            found = place
    return found


@given(
    table=ROWS,
    requests=ROWS,
    age=st.none() | st.integers(1, 25),
    known=st.booleans(),
    threads=st.sampled_from([1, 2]),
)
def test_every_request_gets_the_row_of_the_definition(
    table: list[Row], requests: list[Row], age: int | None, known: bool, threads: int
) -> None:
    rows = rows_as_of(
        keyed(table, known=known), keyed(requests, known=False), max_age_us=age, threads=threads
    )

    assert rows.tolist() == [by_definition(table, one, age, known=known) for one in requests]
