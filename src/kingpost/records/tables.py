"""The tables of the search, and how a line lies in them."""

from collections.abc import Sequence
from typing import cast

from kingpost.records.record import Outcome
from kingpost.records.review import ReviewVerdict
from kingpost.records.search import RecordLine

__all__ = [
    "CODE_OF",
    "JOINS",
    "MISTAKEN",
    "OUTCOMES",
    "RECORD_MIGRATIONS",
    "REVIEWS",
    "WHOLE_LINE",
    "is_true",
    "line_of",
]

MISTAKEN = "label IS NOT NULL AND label <> coalesce(review_positive, positive)"

RECORD_MIGRATIONS: Sequence[str] = (
    """
    CREATE TABLE record_scopes (
        id INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        records INTEGER NOT NULL,
        last_at_us INTEGER NOT NULL,
        UNIQUE (tenant, decision)
    ) STRICT
    """,
    """
    CREATE TABLE record_runs (
        id INTEGER PRIMARY KEY,
        bundle BLOB NOT NULL,
        model BLOB NOT NULL,
        UNIQUE (bundle, model)
    ) STRICT
    """,
    """
    CREATE TABLE record_lines (
        offset INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        scope INTEGER NOT NULL,
        run INTEGER NOT NULL,
        event_key TEXT NOT NULL,
        session TEXT,
        trace_id TEXT NOT NULL,
        event_time_us INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        positive INTEGER,
        score REAL,
        confidence REAL,
        label INTEGER,
        label_known_us INTEGER,
        review INTEGER NOT NULL DEFAULT 0,
        review_positive INTEGER,
        reviewed_by TEXT NOT NULL DEFAULT '',
        review_reason TEXT NOT NULL DEFAULT '',
        reviewed_us INTEGER
    ) STRICT
    """,
    "CREATE UNIQUE INDEX record_ids ON record_lines (id)",
    "CREATE INDEX record_times ON record_lines (scope, event_time_us)",
    "CREATE INDEX record_states ON record_lines (scope, outcome, review, event_time_us)",
    f"CREATE INDEX record_mistakes ON record_lines (scope, event_time_us) WHERE {MISTAKEN}",
    """
    CREATE TABLE record_texts (
        piece INTEGER,
        hash INTEGER,
        event_time_us INTEGER,
        offset INTEGER,
        PRIMARY KEY (piece, hash, event_time_us, offset)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE record_principals (id INTEGER PRIMARY KEY, principal TEXT UNIQUE) STRICT",
    "INSERT INTO record_principals VALUES (0, '')",
    "ALTER TABLE record_lines ADD COLUMN principal INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX record_askers ON record_lines (scope, principal, event_time_us)",
    "CREATE INDEX record_models ON record_lines (scope, run, event_time_us)",
    "ALTER TABLE record_lines ADD COLUMN took_us INTEGER NOT NULL DEFAULT 0",
)
"""One statement each; format n is what the first n of them made."""

OUTCOMES = tuple(Outcome)
CODE_OF = {outcome: code for code, outcome in enumerate(OUTCOMES)}
REVIEWS: tuple[ReviewVerdict | None, ...] = (None, "approved", "overridden")

_NAMES = RecordLine.__struct_fields__
WHOLE_LINE = ", ".join(
    f"scopes.{name}"
    if name in ("tenant", "decision")
    else f"runs.{name}"
    if name in ("bundle", "model")
    else f"principals.{name}"
    if name == "principal"
    else f"lines.{name}"
    for name in _NAMES
)
JOINS = (
    "JOIN record_scopes scopes ON scopes.id = lines.scope "
    "JOIN record_runs runs ON runs.id = lines.run "
    "JOIN record_principals principals ON principals.id = lines.principal"
)


def line_of(row: Sequence[object]) -> RecordLine:
    """Read a row of `WHOLE_LINE`."""
    values = dict(zip(_NAMES, row, strict=True))
    values["outcome"] = OUTCOMES[cast("int", values["outcome"])]
    values["review"] = REVIEWS[cast("int", values["review"])]
    for name in ("positive", "label", "review_positive"):
        values[name] = is_true(cast("int | None", values[name]))
    if values["confidence"] is None:
        values["confidence"] = float("nan")  # SQLite knows no such number
    return RecordLine(**values)  # pyright: ignore[reportArgumentType]  typed by the table


def is_true(value: int | None) -> bool | None:
    """Read a boolean; None where there is none."""
    return None if value is None else value == 1
