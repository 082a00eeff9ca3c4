"""Jobs in SQL; SQLite and PostgreSQL bring an `SqlDatabase` each.

Each change says what must still hold, so that of two workers one gets it. Taking a job moves
the time at which it is due to the end of the lease: a worker that dies gives it back by
doing nothing, and whoever takes a job that is still running counts a lost lease.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from kingpost.calls import (
    Claimed,
    DeadLetter,
    OutboxMessage,
    RouteBacklog,
    SqlDatabase,
    SqlDeadLetters,
    SqlOutbox,
    SqlRow,
    SqlValue,
)
from kingpost.jobs.errors import JobEnded, JobKeyReused, JobNotDead, JobNotFound
from kingpost.jobs.job import Job, JobBacklog, JobQuery, JobState, NewJob, Settlement
from kingpost.jobs.messages import ended_message
from kingpost.jobs.store import Submitted

__all__ = ["SqlJobs"]


_COLUMNS = (
    "place, id, tenant, decision, principal, trace_id, session, body, digest, priority, webhook, "
    "state, attempts, lost, reason, record, answer, is_cancelled, created_us, started_us, due_us, "
    "ended_us, version"
)
_SUBMIT = (
    "INSERT INTO kingpost_jobs (id, tenant, decision, principal, trace_id, session, body, digest, "
    "priority, key, webhook, state, attempts, lost, reason, record, answer, is_cancelled, "
    "created_us, started_us, due_us, ended_us, version, leased_by) VALUES (%(id)s, %(tenant)s, "
    "%(decision)s, %(principal)s, %(trace_id)s, %(session)s, %(body)s, %(digest)s, %(priority)s, "
    "%(key)s, %(webhook)s, 'queued', 0, 0, '', '', %(empty)s, 0, %(now)s, 0, %(now)s, 0, 1, '') "
    f"ON CONFLICT (tenant, key) DO NOTHING RETURNING {_COLUMNS}"
)
_SELECT = f"SELECT {_COLUMNS} FROM kingpost_jobs "
_ONE = "tenant = %(tenant)s AND id = %(id)s"
_OPEN = "state IN ('queued', 'running')"
_CLAIM = (
    "UPDATE kingpost_jobs SET state = 'running', leased_by = %(by)s, due_us = %(until)s, "
    "lost = lost + CASE WHEN state = 'running' THEN 1 ELSE 0 END, "
    "started_us = CASE WHEN started_us = 0 THEN %(now)s ELSE started_us END, "
    "version = version + 1 WHERE place IN ("
    f"SELECT place FROM kingpost_jobs WHERE {_OPEN} AND due_us <= %(now)s "
    "ORDER BY priority, due_us, place LIMIT %(limit)s {lock}) "
    f"RETURNING {_COLUMNS}"
)
_RENEW = (
    "UPDATE kingpost_jobs SET due_us = %(until)s WHERE state = 'running' "
    "AND leased_by = %(by)s AND id = %(id)s RETURNING place"
)
_NO_MORE = "%(state)s = 'queued' AND is_cancelled = 1"
_SETTLE = (
    f"UPDATE kingpost_jobs SET state = CASE WHEN {_NO_MORE} THEN 'cancelled' ELSE %(state)s END, "
    f"body = CASE WHEN %(state)s = 'done' OR {_NO_MORE} THEN %(empty)s ELSE body END, "
    f"ended_us = CASE WHEN {_NO_MORE} OR %(state)s IN ('done', 'dead') THEN %(now)s ELSE 0 END, "
    "attempts = %(attempts)s, due_us = %(due)s, reason = %(reason)s, record = %(record)s, "
    "answer = %(answer)s, leased_by = '', version = version + 1 "
    "WHERE place = %(place)s AND state = 'running' AND leased_by = %(by)s "
    f"RETURNING {_COLUMNS}"
)
_CANCEL = (
    "UPDATE kingpost_jobs SET state = 'cancelled', is_cancelled = 1, body = %(empty)s, "
    "ended_us = %(now)s, reason = 'cancelled', version = version + 1 "
    f"WHERE {_ONE} AND state = 'queued' RETURNING {_COLUMNS}"
)
_CANCEL_RUNNING = (
    "UPDATE kingpost_jobs SET is_cancelled = 1, version = version + 1 "
    f"WHERE {_ONE} AND state = 'running' AND is_cancelled = 0 RETURNING {_COLUMNS}"
)
_REPLAY = (
    "UPDATE kingpost_jobs SET state = 'queued', attempts = 0, lost = 0, is_cancelled = 0, "
    "reason = '', record = '', due_us = %(now)s, ended_us = 0, version = version + 1 "
    f"WHERE {_ONE} AND state = 'dead' RETURNING {_COLUMNS}"
)
_BACKLOG = (
    "SELECT decision, state, count(*), min(created_us) FROM kingpost_jobs "
    "WHERE state IN ('queued', 'running', 'dead') GROUP BY decision, state ORDER BY 1, 2"
)
_PRUNE = (
    "DELETE FROM kingpost_jobs WHERE state IN ('done', 'dead', 'cancelled') "
    "AND ended_us < %(before)s RETURNING place"
)


class SqlJobs:
    """A `JobStore` in a database.

    Args:
        connected: Lends a connection.
        close: Closes all of them.
    """

    def __init__(
        self,
        connected: Callable[[], AbstractContextManager[SqlDatabase]],
        close: Callable[[], None],
    ) -> None:
        self._connected, self._close = connected, close
        self.outbox = _LentOutbox(connected)
        self.dead_letters = _LentDeadLetters(connected)

    def submit(self, new: NewJob, *, now_us: int) -> Submitted:
        values = _values(new) | {"now": now_us}
        with self._connected() as database:
            rows = database.run(_SUBMIT, values)
            if rows:
                return Submitted(_job(rows[0]), is_repeat=False)
            key: dict[str, SqlValue] = {"tenant": new.tenant, "key": new.key}
            rows = database.run(f"{_SELECT} WHERE tenant = %(tenant)s AND key = %(key)s", key)
            if not rows:  # it was forgotten between the two
                rows = database.run(_SUBMIT, values)
                return Submitted(_job(rows[0]), is_repeat=False)
        found = _job(rows[0])
        if found.digest != new.digest:
            raise JobKeyReused(new.key)
        return Submitted(found, is_repeat=True)

    def get(self, tenant: str, identifier: str) -> Job | None:
        with self._connected() as database:
            return _get(database, tenant, identifier)

    def running(self, identifier: str) -> Job | None:
        with self._connected() as database:
            rows = database.run(
                f"{_SELECT} WHERE id = %(id)s AND state = 'running'", {"id": identifier}
            )
        return _job(rows[0]) if rows else None

    def find(self, tenant: str, query: JobQuery) -> Sequence[Job]:
        if query.decisions is not None and not query.decisions:
            return []
        values: dict[str, SqlValue] = {"tenant": tenant, "limit": query.limit}
        parts = ["tenant = %(tenant)s"]
        if query.state is not None:
            parts.append("state = %(state)s")
            values["state"] = query.state.value
        if query.before is not None:
            parts.append("place < %(before)s")
            values["before"] = query.before
        if query.decisions is not None:
            named = {f"decision_{at}": name for at, name in enumerate(query.decisions)}
            parts.append(f"decision IN ({', '.join(f'%({name})s' for name in named)})")
            values |= named
        text = f"{_SELECT} WHERE {' AND '.join(parts)} ORDER BY place DESC LIMIT %(limit)s"
        with self._connected() as database:
            return list(map(_job, database.run(text, values)))

    def claim(self, by: str, *, now_us: int, until_us: int, limit: int) -> Sequence[Job]:
        values: dict[str, SqlValue] = {"by": by, "now": now_us, "until": until_us, "limit": limit}
        with self._connected() as database:
            rows = database.run(_CLAIM.format(lock=database.skip_locked), values)
        return sorted(map(_job, rows), key=lambda job: (job.priority, job.place))

    def renew(self, by: str, identifiers: Sequence[str], *, until_us: int) -> int:
        with self._connected() as database, database.transaction():
            return sum(
                len(database.run(_RENEW, {"by": by, "id": one, "until": until_us}))
                for one in identifiers
            )

    def settle(self, by: str, settlements: Sequence[Settlement], *, now_us: int) -> Sequence[Job]:
        settled: list[Job] = []
        with self._connected() as database, database.transaction():
            for one in settlements:
                rows = database.run(_SETTLE, _settled(one) | {"by": by, "now": now_us})
                settled += map(_job, rows)
            for job in settled:
                _tell(database, job, now_us)
        return settled

    def cancel(self, tenant: str, identifier: str, *, now_us: int) -> Job:
        values: dict[str, SqlValue] = {"tenant": tenant, "id": identifier}
        with self._connected() as database, database.transaction():
            rows = database.run(_CANCEL, values | {"now": now_us, "empty": b""})
            if rows:
                job = _job(rows[0])
                _tell(database, job, now_us)
                return job
            rows = database.run(_CANCEL_RUNNING, values)
            found = _job(rows[0]) if rows else _get(database, tenant, identifier)
        if found is None:
            raise JobNotFound(identifier)
        if found.state.is_end and found.state is not JobState.CANCELLED:
            raise JobEnded(identifier, found.state)
        return found

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> Job:
        values: dict[str, SqlValue] = {"tenant": tenant, "id": identifier, "now": now_us}
        with self._connected() as database:
            rows = database.run(_REPLAY, values)
            found = _job(rows[0]) if rows else _get(database, tenant, identifier)
        if found is None:
            raise JobNotFound(identifier)
        if not rows:
            raise JobNotDead(identifier, found.state)
        return found

    def backlog(self) -> Sequence[JobBacklog]:
        with self._connected() as database:
            rows = database.run(_BACKLOG, {})
        return [
            JobBacklog(str(one[0]), JobState(str(one[1])), int(one[2]), int(one[3])) for one in rows
        ]

    def prune(self, *, before_us: int) -> int:
        with self._connected() as database:
            return len(database.run(_PRUNE, {"before": before_us}))

    def close(self) -> None:
        self._close()


class _LentOutbox:
    """An `Outbox` that borrows a connection for each call."""

    def __init__(self, connected: Callable[[], AbstractContextManager[SqlDatabase]]) -> None:
        self._connected = connected

    def put(self, message: OutboxMessage, *, now_us: int) -> bool:
        with self._connected() as database:
            return SqlOutbox(database).put(message, now_us=now_us)

    def claim(
        self, routes: Sequence[str], by: str, *, now_us: int, lease_us: int, limit: int
    ) -> Sequence[Claimed]:
        with self._connected() as database:
            return SqlOutbox(database).claim(
                routes, by, now_us=now_us, lease_us=lease_us, limit=limit
            )

    def sent(self, claimed: Claimed, by: str) -> bool:
        with self._connected() as database:
            return SqlOutbox(database).sent(claimed, by)

    def postpone(
        self, claimed: Claimed, by: str, *, due_us: int, is_attempt: bool, reason: str
    ) -> bool:
        with self._connected() as database:
            return SqlOutbox(database).postpone(
                claimed, by, due_us=due_us, is_attempt=is_attempt, reason=reason
            )

    def bury(self, claimed: Claimed, by: str, *, now_us: int, reason: str) -> bool:
        with self._connected() as database:
            return SqlOutbox(database).bury(claimed, by, now_us=now_us, reason=reason)

    def backlog(self) -> Sequence[RouteBacklog]:
        with self._connected() as database:
            return SqlOutbox(database).backlog()


class _LentDeadLetters:
    """The `DeadLetters` beside it."""

    def __init__(self, connected: Callable[[], AbstractContextManager[SqlDatabase]]) -> None:
        self._connected = connected

    def find(self, tenant: str, *, route: str = "", limit: int = 100) -> Sequence[DeadLetter]:
        with self._connected() as database:
            return SqlDeadLetters(database).find(tenant, route=route, limit=limit)

    def get(self, tenant: str, identifier: str) -> DeadLetter | None:
        with self._connected() as database:
            return SqlDeadLetters(database).get(tenant, identifier)

    def replay(self, tenant: str, identifier: str, *, now_us: int) -> bool:
        with self._connected() as database:
            return SqlDeadLetters(database).replay(tenant, identifier, now_us=now_us)

    def discard(self, tenant: str, identifier: str) -> bool:
        with self._connected() as database:
            return SqlDeadLetters(database).discard(tenant, identifier)


def _get(database: SqlDatabase, tenant: str, identifier: str) -> Job | None:
    rows = database.run(f"{_SELECT} WHERE {_ONE}", {"tenant": tenant, "id": identifier})
    return _job(rows[0]) if rows else None


def _tell(database: SqlDatabase, job: Job, now_us: int) -> None:
    if job.webhook and job.state.is_end:
        SqlOutbox(database).put(ended_message(job), now_us=now_us)


def _values(new: NewJob) -> dict[str, SqlValue]:
    return {
        "id": new.id,
        "tenant": new.tenant,
        "decision": new.decision,
        "principal": new.principal,
        "trace_id": new.trace_id,
        "session": new.session,
        "body": new.body,
        "digest": new.digest,
        "priority": new.priority,
        "key": new.key or None,
        "webhook": new.webhook,
        "empty": b"",
    }


def _settled(one: Settlement) -> dict[str, SqlValue]:
    return {
        "place": one.job.place,
        "state": one.state.value,
        "attempts": one.attempts,
        "due": one.due_us,
        "reason": one.reason,
        "record": one.record,
        "answer": one.answer,
        "empty": b"",
    }


def _job(row: SqlRow) -> Job:
    (
        place, identifier, tenant, decision, principal, trace_id, session, body, digest, priority,
        webhook, state, attempts, lost, reason, record, answer, is_cancelled, created_us,
        started_us, due_us, ended_us, version,
    ) = row  # fmt: skip
    assert isinstance(body, bytes)
    assert isinstance(answer, bytes)
    return Job(
        int(place), str(identifier), str(tenant), str(decision), str(principal), str(trace_id),
        str(session), body, str(digest), int(priority), str(webhook), JobState(str(state)),
        int(attempts), int(lost), str(reason), str(record), answer, bool(is_cancelled),
        int(created_us), int(started_us), int(due_us), int(ended_us), int(version),
    )  # fmt: skip
