"""What can go wrong between a source of events and the journal."""

from kingpost.core import KingpostError

__all__ = [
    "SchemaMismatch",
    "TooManyBadRows",
    "UnknownStream",
    "UnreadableQuarantine",
    "UnreadableSource",
]


class UnreadableSource(KingpostError):
    """A file or a query that cannot be read, or not to its end.

    Rows that were read before are kept. Ingesting the mended source again is safe: what
    is already held counts as a duplicate.
    """

    code = "unreadable_source"

    def __init__(self, source: str, problem: str, mend: str) -> None:
        super().__init__(source, problem, mend)
        self.source, self.problem, self.mend = source, problem, mend

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}; {self.mend}"


class SchemaMismatch(KingpostError):
    """The columns of a source do not fit the contract; no row of it was taken."""

    code = "schema_mismatch"

    def __init__(self, source: str, field: str, expected: str, found: str, mend: str) -> None:
        super().__init__(source, field, expected, found, mend)
        self.source, self.field = source, field
        self.expected, self.found, self.mend = expected, found, mend

    def __str__(self) -> str:
        return (
            f"{self.source}: field {self.field!r}: expected {self.expected}, "
            f"found {self.found}; {self.mend}"
        )


class TooManyBadRows(KingpostError):
    """Most rows of a source break the contract: the source has changed, not some rows.

    The rows counted last were not taken, neither as events nor into the quarantine.
    """

    code = "too_many_bad_rows"

    def __init__(self, source: str, bad: int, rows: int, reason: str) -> None:
        super().__init__(source, bad, rows, reason)
        self.source, self.bad, self.rows, self.reason = source, bad, rows, reason

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.bad:,} of {self.rows:,} rows break the contract, most often "
            f"{self.reason}; mend the source, its mapping, the zone of its times or the contract, "
            "then ingest it again"
        )


class UnknownStream(KingpostError):
    """A stream that the journal was not opened for, so its contract was not checked."""

    code = "unknown_stream"

    def __init__(self, stream: str, known: tuple[str, ...]) -> None:
        super().__init__(stream, known)
        self.stream, self.known = stream, known

    def __str__(self) -> str:
        return f"no stream is called {self.stream!r}; this intake knows {', '.join(self.known)}"


class UnreadableQuarantine(KingpostError):
    """A quarantined row in a format that this version does not know."""

    code = "unreadable_quarantine"

    def __init__(self, offset: int, problem: str) -> None:
        super().__init__(offset, problem)
        self.offset, self.problem = offset, problem

    def __str__(self) -> str:
        return f"the quarantined row at offset {self.offset}: {self.problem}; upgrade Kingpost"
