"""Usage and reviews in SQLite.

The connection is handed in, with the tables already at the format that `COST_MIGRATIONS`
lead to. No call begins a transaction: the observer joins them with what else it writes.
"""

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from kingpost.monitoring.costs.usage import GivenReview, Tokens, Usage, UsagePlace
from kingpost.monitoring.errors import MonitorStoreFailed
from kingpost.monitoring.observations import OUTCOMES

__all__ = ["COST_MIGRATIONS", "SqliteCosts"]

_OUTCOMES = tuple(outcome.value for outcome in OUTCOMES)
_REST = ("shadows", "compute_us", "size_bytes", "approved", "overridden", "corrected")
_COUNTS = (*_OUTCOMES, *_REST)

COST_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE usage_days (
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        day INTEGER NOT NULL,
        decided INTEGER NOT NULL,
        fallback INTEGER NOT NULL,
        review INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        shadows INTEGER NOT NULL,
        compute_us INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        approved INTEGER NOT NULL,
        overridden INTEGER NOT NULL,
        corrected INTEGER NOT NULL,
        PRIMARY KEY (day, tenant, decision)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE usage_tokens (
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        day INTEGER NOT NULL,
        model TEXT NOT NULL,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        PRIMARY KEY (day, tenant, decision, model)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE usage_reviews (
        offset INTEGER NOT NULL,
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        record BLOB NOT NULL,
        reviewer TEXT NOT NULL,
        verdict TEXT NOT NULL,
        positive INTEGER NOT NULL,
        asked INTEGER NOT NULL,
        PRIMARY KEY (tenant, record, reviewer)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX usage_review_times ON usage_reviews (at_us)",
)
"""One statement each; format n is what the first n of them made."""

_ADD_DAY = (
    f"INSERT INTO usage_days (tenant, decision, day, {', '.join(_COUNTS)}) "
    f"VALUES (?, ?, ?, {', '.join('?' * len(_COUNTS))}) "
    "ON CONFLICT (day, tenant, decision) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)
)
_ADD_TOKENS = (
    "INSERT INTO usage_tokens VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (day, tenant, decision, model) DO UPDATE SET "
    "input_tokens = input_tokens + excluded.input_tokens, "
    "output_tokens = output_tokens + excluded.output_tokens"
)
_OF = "day >= ? AND day < ? AND (?3 IS NULL OR tenant = ?3) ORDER BY day, tenant, decision"


class SqliteCosts:
    """A `CostStore` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, usage: Mapping[UsagePlace, Usage]) -> None:
        with _translated():
            self._connection.executemany(
                _ADD_DAY,
                [
                    (*place, *one.outcomes, *(getattr(one, name) for name in _REST))
                    for place, one in usage.items()
                ],
            )
            self._connection.executemany(
                _ADD_TOKENS,
                [
                    (*place, model, *tokens)
                    for place, one in usage.items()
                    for model, tokens in one.tokens.items()
                ],
            )

    def usage(
        self, since_day: int, until_day: int, *, tenant: str | None = None
    ) -> Mapping[UsagePlace, Usage]:
        asked = [since_day, until_day, tenant]
        with _translated():
            days = self._connection.execute(
                f"SELECT tenant, decision, day, {', '.join(_COUNTS)} FROM usage_days WHERE {_OF}",
                asked,
            ).fetchall()
            tokens = self._connection.execute(
                "SELECT tenant, decision, day, model, input_tokens, output_tokens "
                f"FROM usage_tokens WHERE {_OF}, model",
                asked,
            ).fetchall()
        found = {UsagePlace(*row[:3]): _usage(row[3:]) for row in days}
        for owner, decision, day, model, read, written in tokens:
            found[UsagePlace(owner, decision, day)].tokens[model] = Tokens(read, written)
        return found

    def newest_day(self) -> int | None:
        with _translated():
            (day,) = self._connection.execute("SELECT max(day) FROM usage_days").fetchone()
        return day

    def add_reviews(self, reviews: Sequence[GivenReview]) -> None:
        with _translated():
            self._connection.executemany(
                "INSERT OR REPLACE INTO usage_reviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", reviews
            )

    def reviews(
        self, since_us: int, until_us: int, *, tenant: str | None = None
    ) -> Sequence[GivenReview]:
        with _translated():
            rows = self._connection.execute(
                "SELECT * FROM usage_reviews WHERE at_us >= ? AND at_us < ? "
                "AND (?3 IS NULL OR tenant = ?3) ORDER BY offset",
                [since_us, until_us, tenant],
            ).fetchall()
        return [GivenReview(*row)._replace(positive=row[7] == 1, asked=row[8] == 1) for row in rows]


def _usage(counts: Sequence[int]) -> Usage:
    rest = dict(zip(_REST, counts[len(_OUTCOMES) :], strict=True))
    return Usage(
        outcomes=list(counts[: len(_OUTCOMES)]),
        shadows=rest["shadows"],
        compute_us=rest["compute_us"],
        size_bytes=rest["size_bytes"],
        approved=rest["approved"],
        overridden=rest["overridden"],
        corrected=rest["corrected"],
    )


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise MonitorStoreFailed(str(error)) from error
