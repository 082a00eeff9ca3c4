"""Records in brief, in SQLite.

The connection is handed in, with the tables already at the format that `RECORD_MIGRATIONS`
lead to. What is called within a transaction belongs to it.

Written once and read by place, so every index but one grows at its end. Texts (event keys,
sessions, traces) come in no order: one index over all records would touch a page of its own
for each. So theirs is cut into pieces by the offset, each small enough to be written
cheaply, and a search looks into every piece. It holds hashes; the line itself is compared.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from operator import attrgetter
from typing import NamedTuple, cast

import msgspec
from msgspec.structs import replace

from kingpost.core import parse_id
from kingpost.records.errors import RecordSearchFailed
from kingpost.records.review import Review
from kingpost.records.search import JoinedLabel, KnownLabel, RecordLine, RecordQuery
from kingpost.records.selection import (
    RUNS,
    SCOPE,
    Value,
    alone,
    event_range,
    filters,
    listing,
    values_of,
)
from kingpost.records.tables import (
    CODE_OF,
    JOINS,
    OUTCOMES,
    RECORD_MIGRATIONS,
    REVIEWS,
    WHOLE_LINE,
    is_true,
    line_of,
)
from kingpost.storage import transaction

__all__ = ["RECORD_MIGRATIONS", "SqliteRecords"]

_PIECE_BITS = 18
"""A piece holds the texts of so many offsets: of 131,072 records and their requests."""

_KINDS = _EVENT_KEY, _SESSION, _TRACE = b"key", b"session", b"trace"
_HASHES_AT_ONCE = 20_000
_PIECES = """
    WITH RECURSIVE pieces (piece) AS (
        SELECT max(piece) FROM record_texts
        UNION ALL
        SELECT (SELECT max(piece) FROM record_texts WHERE piece < pieces.piece)
        FROM pieces WHERE pieces.piece IS NOT NULL
    )
"""
_ADD = (
    "INSERT OR IGNORE INTO record_lines (offset, id, scope, run, event_key, session, trace_id, "
    "event_time_us, at_us, outcome, positive, score, confidence, principal, "
    "took_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_Row = tuple[str | int | float | bytes | None, ...]


class _Known(NamedTuple):
    """What a label is told of a record."""

    event_key: str
    offset: int
    record: bytes
    run: int
    event_time_us: int
    outcome: int
    positive: int | None
    label: int | None

    def joined(
        self, label: KnownLabel, bundles: Mapping[int, bytes], before: KnownLabel | None
    ) -> JoinedLabel:
        """Join a label; `before` is the one that came in the same call, if any did."""
        return JoinedLabel(
            label,
            self.record,
            bundles[self.run],
            self.event_time_us,
            OUTCOMES[self.outcome],
            is_true(self.positive),
            is_true(self.label) if before is None else before.positive,
        )


class SqliteRecords:
    """A `RecordSearch` in a database file; for the thread that opened the connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, lines: Sequence[RecordLine]) -> None:
        if not lines:
            return
        with _translated(), self._together():
            scopes: dict[tuple[str, str], int] = {}
            prefixes: dict[int, list[bytes]] = {}
            runs: dict[tuple[bytes, bytes], int] = {}
            askers: dict[str, int] = {}
            rows: dict[int, list[_Row]] = {}
            texts: list[tuple[int, int, int, int]] = []
            for line in lines:
                owner = (line.tenant, line.decision)
                scope = scopes.get(owner)
                if scope is None:
                    scope = scopes[owner] = self._scope(*owner)
                    prefixes[scope] = [_prefix(scope, kind) for kind in _KINDS]
                    rows[scope] = []
                ran = (line.bundle, line.model)
                run = runs.get(ran) or runs.setdefault(ran, self._run(*ran))
                asker = askers.get(line.principal)
                if asker is None:
                    asker = askers[line.principal] = self._asker(line.principal)
                offset, time_us = line.offset, line.event_time_us
                rows[scope].append(
                    (
                        offset,
                        line.id,
                        scope,
                        run,
                        line.event_key,
                        line.session,
                        line.trace_id,
                        time_us,
                        line.at_us,
                        CODE_OF[line.outcome],
                        line.positive,
                        line.score,
                        line.confidence,
                        asker,
                        line.took_us,
                    )
                )
                piece = offset >> _PIECE_BITS
                of_key, of_session, of_trace = prefixes[scope]
                texts.append((piece, _hash(of_key, line.event_key), time_us, offset))
                if line.session:
                    texts.append((piece, _hash(of_session, line.session), time_us, offset))
                if line.trace_id:
                    texts.append((piece, _hash(of_trace, line.trace_id), time_us, offset))
            for scope, added in rows.items():
                self._add(scope, added)
            texts.sort()  # neighbours lie on one page
            self._connection.executemany(
                "INSERT OR IGNORE INTO record_texts VALUES (?, ?, ?, ?)", texts
            )

    def label(
        self, tenant: str, decision: str, labels: Sequence[KnownLabel]
    ) -> Sequence[JoinedLabel]:
        with _translated(), self._together():
            scope = self._connection.execute(
                "SELECT id FROM record_scopes WHERE tenant = ? AND decision = ?",
                [tenant, decision],
            ).fetchone()
            if scope is None:
                return []
            joined: list[JoinedLabel] = []
            told: dict[int, KnownLabel] = {}
            found, bundles = self._by_key(scope[0], {label.event_key for label in labels})
            for label in labels:
                for known in found.get(label.event_key, ()):
                    if known.offset < label.offset:
                        joined.append(known.joined(label, bundles, told.get(known.offset)))
                        told[known.offset] = label
            self._connection.executemany(
                "UPDATE record_lines SET label = ?, label_known_us = ? WHERE offset = ?",
                [(label.positive, label.known_us, offset) for offset, label in told.items()],
            )
            return joined

    def review(self, tenant: str, reviews: Sequence[Review]) -> Sequence[RecordLine]:
        known: list[RecordLine] = []
        with _translated(), self._together():
            for review in reviews:
                line = self._get(tenant, review.record)
                if line is None:
                    continue
                told = replace(
                    line,
                    review=review.verdict,
                    review_positive=review.positive,
                    reviewed_by=review.by,
                    review_reason=review.reason,
                    reviewed_us=review.at_us,
                )
                known.append(told)
                self._connection.execute(
                    "UPDATE record_lines SET review = ?, review_positive = ?, reviewed_by = ?, "
                    "review_reason = ?, reviewed_us = ? WHERE offset = ?",
                    [
                        REVIEWS.index(told.review),
                        told.review_positive,
                        told.reviewed_by,
                        told.review_reason,
                        told.reviewed_us,
                        told.offset,
                    ],
                )
        return known

    def remove(self, ranges: Sequence[tuple[int, int]]) -> int:
        if not ranges:
            return 0
        with _translated():
            self._connection.execute("PRAGMA secure_delete = ON")
        total = 0
        with _translated(), self._together():
            for one in ranges:
                counts = self._connection.execute(
                    "SELECT count(*), scope FROM record_lines WHERE offset >= ? AND offset < ? "
                    "GROUP BY scope",
                    one,
                ).fetchall()
                if counts:
                    self._connection.executemany(
                        "UPDATE record_scopes SET records = records - ? WHERE id = ?", counts
                    )
                    self._connection.execute(
                        "DELETE FROM record_lines WHERE offset >= ? AND offset < ?", one
                    )
                    total += sum(count for count, _ in counts)
            if total:
                self._connection.execute(
                    "DELETE FROM record_texts WHERE piece BETWEEN ? AND ? "
                    "AND offset NOT IN (SELECT offset FROM record_lines)",
                    [ranges[0][0] >> _PIECE_BITS, ranges[-1][1] >> _PIECE_BITS],
                )
        return total

    def get(self, tenant: str, identifier: bytes) -> RecordLine | None:
        with _translated():
            return self._get(tenant, identifier)

    def find(self, query: RecordQuery) -> Sequence[RecordLine]:
        with _translated():
            if not query.text:
                return self._lines(*listing(query, self._runs(query)))
            identifier = parse_id(query.text)
            if identifier is not None and (line := self._get(query.tenant, identifier)):
                # an id is nobody's key; the filters count all the same
                return self._lines(*alone(query, line.offset))
            return self._with_text(query)

    def count(self, tenant: str, decision: str) -> int:
        with _translated():
            row = self._connection.execute(
                "SELECT records FROM record_scopes WHERE tenant = ? AND decision = ?",
                [tenant, decision],
            ).fetchone()
        return row[0] if row else 0

    def decisions(self, tenant: str) -> Sequence[str]:
        with _translated():
            rows = self._connection.execute(
                "SELECT decision FROM record_scopes WHERE tenant = ? ORDER BY decision", [tenant]
            ).fetchall()
        return [row[0] for row in rows]

    def last_at(self, tenant: str) -> int | None:
        with _translated():
            row = self._connection.execute(
                "SELECT max(last_at_us) FROM record_scopes WHERE tenant = ?", [tenant]
            ).fetchone()
        return row[0]

    def _add(self, scope: int, rows: Sequence[_Row]) -> None:
        added = self._connection.executemany(_ADD, rows).rowcount
        self._connection.execute(
            "UPDATE record_scopes SET records = records + ?, last_at_us = max(last_at_us, ?) "
            "WHERE id = ?",
            [added, max(cast("int", row[8]) for row in rows), scope],
        )

    def _scope(self, tenant: str, decision: str) -> int:
        return self._number("record_scopes", ("tenant", "decision"), (tenant, decision), ", 0, 0")

    def _runs(self, query: RecordQuery) -> list[int]:
        if not query.model:
            return []
        rows = self._connection.execute(RUNS, {"model": query.model}).fetchall()
        return [row[0] for row in rows]

    def _asker(self, principal: str) -> int:
        find = "SELECT id FROM record_principals WHERE principal = ?"
        row = self._connection.execute(find, [principal]).fetchone()
        if row is None:
            self._connection.execute("INSERT INTO record_principals VALUES (NULL, ?)", [principal])
            row = self._connection.execute(find, [principal]).fetchone()
        return row[0]

    def _run(self, bundle: bytes, model: bytes) -> int:
        return self._number("record_runs", ("bundle", "model"), (bundle, model))

    def _number(
        self, table: str, names: tuple[str, str], values: tuple[Value, Value], rest: str = ""
    ) -> int:
        find = f"SELECT id FROM {table} WHERE {names[0]} = ? AND {names[1]} = ?"
        row = self._connection.execute(find, values).fetchone()
        if row is None:
            self._connection.execute(f"INSERT INTO {table} VALUES (NULL, ?, ?{rest})", values)
            row = self._connection.execute(find, values).fetchone()
        return row[0]

    def _get(self, tenant: str, identifier: bytes) -> RecordLine | None:
        row = self._connection.execute(
            f"SELECT {WHOLE_LINE} FROM record_lines lines {JOINS} "
            "WHERE lines.id = ? AND scopes.tenant = ?",
            [identifier, tenant],
        ).fetchone()
        return None if row is None else line_of(row)

    def _lines(self, select: str, values: dict[str, Value]) -> list[RecordLine]:
        """Return the lines whose offsets a statement selects, those of the newest events first."""
        rows = self._connection.execute(
            f"SELECT {WHOLE_LINE} FROM ({select}) chosen "
            f"CROSS JOIN record_lines lines ON lines.offset = chosen.offset {JOINS} "
            "ORDER BY lines.event_time_us DESC, lines.offset DESC LIMIT :limit",
            values,
        ).fetchall()
        return [line_of(row) for row in rows]

    def _with_text(self, query: RecordQuery) -> list[RecordLine]:
        values = values_of(query)
        scope = self._connection.execute(f"SELECT {SCOPE}", values).fetchone()[0]
        if scope is None:
            return []
        select = (
            "SELECT texts.offset FROM record_texts texts "
            "CROSS JOIN record_lines lines ON lines.offset = texts.offset "
            f"WHERE texts.piece = :piece AND texts.hash = :hash AND {event_range(query, 'texts')} "
            "AND :text IN (lines.event_key, lines.session, lines.trace_id) "
            f"AND lines.scope = {SCOPE} AND {filters(query)} "
            "ORDER BY texts.event_time_us DESC, texts.offset DESC LIMIT :limit"
        )
        found: dict[int, RecordLine] = {}
        for piece in self._pieces():
            for kind in _KINDS:
                values |= {"piece": piece, "hash": _hash(_prefix(scope, kind), query.text)}
                found |= {line.offset: line for line in self._lines(select, values)}
        lines = sorted(found.values(), key=lambda line: line.place, reverse=True)
        return lines[: query.limit]

    def _pieces(self) -> list[int]:
        rows = self._connection.execute(
            f"{_PIECES} SELECT piece FROM pieces WHERE piece IS NOT NULL"
        ).fetchall()
        return [row[0] for row in rows]

    def _by_key(
        self, scope: int, keys: set[str]
    ) -> tuple[dict[str, list[_Known]], dict[int, bytes]]:
        """Find the records of some event keys, each key's in order, and the bundles by run."""
        prefix = _prefix(scope, _EVENT_KEY)
        hashes = sorted([_hash(prefix, key) for key in keys])
        runs = dict(self._connection.execute("SELECT id, bundle FROM record_runs"))
        found: dict[str, list[_Known]] = {}
        for some in _cut(hashes, _HASHES_AT_ONCE):
            rows = self._connection.execute(
                f"{_PIECES} SELECT lines.event_key, lines.offset, lines.id, lines.run, "
                "lines.event_time_us, lines.outcome, lines.positive, lines.label "
                "FROM pieces CROSS JOIN json_each(?1) wanted "
                "CROSS JOIN record_texts texts "
                "ON texts.piece = pieces.piece AND texts.hash = wanted.value "
                "CROSS JOIN record_lines lines ON lines.offset = texts.offset "
                "WHERE lines.scope = ?2",
                [msgspec.json.encode(some).decode(), scope],
            )
            for known in map(_Known._make, rows):
                found.setdefault(known.event_key, []).append(known)
        for same in found.values():
            same.sort(key=attrgetter("offset"))
        return found, runs

    @contextmanager
    def _together(self) -> Generator[None, None, None]:
        if self._connection.in_transaction:
            yield
        else:
            with transaction(self._connection):
                yield


def _prefix(scope: int, kind: bytes) -> bytes:
    """Begin the texts of a kind; a session of many records slows no search for an event key."""
    return b"%d%b:" % (scope, kind)


def _hash(prefix: bytes, text: str) -> int:
    return int.from_bytes(blake2b(prefix + text.encode(), digest_size=8).digest(), signed=True)


def _cut(values: list[int], most: int) -> Iterator[list[int]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]


@contextmanager
def _translated() -> Generator[None, None, None]:
    try:
        yield
    except sqlite3.Error as error:
        raise RecordSearchFailed(str(error)) from error
