"""The tables of jobs, as both databases make them."""

from collections.abc import Sequence

__all__ = ["INDEXES", "made_table"]


def made_table(place: str, number: str, binary: str, end: str = "") -> str:
    """Return what makes the table.

    Args:
        place: The type of its key; `number` and `binary` those of its values.
        end: What stands behind it.
    """
    return f"""
    CREATE TABLE kingpost_jobs (
        place {place},
        id TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        decision TEXT NOT NULL,
        principal TEXT NOT NULL,
        trace_id TEXT NOT NULL,
        session TEXT NOT NULL,
        body {binary} NOT NULL,
        digest TEXT NOT NULL,
        priority INTEGER NOT NULL,
        key TEXT,
        webhook TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        reason TEXT NOT NULL,
        record TEXT NOT NULL,
        answer {binary} NOT NULL,
        is_cancelled INTEGER NOT NULL,
        created_us {number} NOT NULL,
        started_us {number} NOT NULL,
        due_us {number} NOT NULL,
        ended_us {number} NOT NULL,
        version INTEGER NOT NULL,
        leased_by TEXT NOT NULL,
        UNIQUE (tenant, key)
    ) {end}
    """


INDEXES: Sequence[str] = (
    """
    CREATE INDEX kingpost_jobs_open ON kingpost_jobs (priority, due_us, place)
    WHERE state IN ('queued', 'running')
    """,
    """
    CREATE INDEX kingpost_jobs_ended ON kingpost_jobs (ended_us)
    WHERE state IN ('done', 'dead', 'cancelled')
    """,
    """
    CREATE INDEX kingpost_jobs_counted ON kingpost_jobs (decision, state, created_us)
    WHERE state IN ('queued', 'running', 'dead')
    """,
    "CREATE INDEX kingpost_jobs_listed ON kingpost_jobs (tenant, state, place)",
)
