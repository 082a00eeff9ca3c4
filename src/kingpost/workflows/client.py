"""Workflows from outside: start them, send to them, see them, end them, go on with them.

Works on the database alone, in any process, whether or not a worker runs.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Self, TypeVar, cast
from uuid import uuid4

from dbos import DBOSClient, EnqueueOptions, WorkflowHandle, WorkflowStatus
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from kingpost.core import Clock, duration_us
from kingpost.workflows.dbos_runtime import failures_of
from kingpost.workflows.declare import Workflow
from kingpost.workflows.engine import APPLICATION, VERSION, WAITS_FOR_CODE
from kingpost.workflows.errors import (
    RetriesExhausted,
    WorkflowNotFound,
    WorkflowNotRunning,
    WorkflowStoreFailed,
)
from kingpost.workflows.logs import log_as_others
from kingpost.workflows.runs import Run, RunQuery, RunState, StepRun, Unreadable, readable
from kingpost.workflows.system_database import WorkflowDatabase

__all__ = ["Workflows"]

P = ParamSpec("P")
R = TypeVar("R")

_STATES: Mapping[str, RunState] = {
    "ENQUEUED": "queued",
    "DELAYED": "delayed",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "given_up",
}
_STATUS_OF = {state: [status] for status, state in _STATES.items()} | {
    "waits_for_code": ["PENDING", "ENQUEUED"]
}
_LOOKED_AT = 500
"""How many runs are read at a time where not the database says which state they are in."""
_FINAL = ["SUCCESS", "ERROR", "CANCELLED"]
_ACTIVE = ["PENDING", "ENQUEUED", "DELAYED"]


class Workflows:
    """The workflows of a tenant, or of all tenants.

    Args:
        tenant: Whose; None is everybody's, for whoever runs the installation.
        declared: Those that the application declares, by name; None where it is not known,
            and then nothing is said of code that is gone.
        makes_tables: Make them where there are none; False changes nothing.

    Raises:
        WorkflowStoreFailed: The database cannot be reached.
    """

    def __init__(
        self,
        database: WorkflowDatabase,
        *,
        clock: Clock,
        declared: Mapping[str, Workflow[..., Any]] | None = None,
        tenant: str | None = None,
        makes_tables: bool = True,
    ) -> None:
        self._database, self._clock, self._declared = database, clock, declared
        self._tenant = tenant
        log_as_others()
        if makes_tables:
            database.prepare()
        self._engine = database.engine()
        with self._translated():
            self._client = DBOSClient(
                system_database_url=database.url,
                system_database_engine=self._engine,
                dbos_system_schema=database.schema,
                application_name=APPLICATION,
                retry_connection_errors=False,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def of_tenant(self, tenant: str) -> "Workflows":
        """Give another tenant's workflows over the same connections."""
        other = copy(self)
        other._tenant = tenant
        return other

    @property
    def declared(self) -> Mapping[str, Workflow[..., Any]]:
        """What can be started, by name."""
        return self._declared or {}

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()
        if self._engine is not None:
            self._engine.dispose()

    def start(
        self,
        workflow: Workflow[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> str:
        """Start a workflow when its queue has room; return its id."""
        return self.start_with(workflow, args, kwargs)

    def start_with(
        self,
        workflow: Workflow[..., Any],
        args: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        priority: int = 0,
        after: str | timedelta | None = None,
        at: datetime | None = None,
    ) -> str:
        """Start a workflow; return its id.

        Args:
            key: A second start of the same key starts nothing and returns the same id, which
                is the tenant, `:` and the key, or the key where there is no tenant.
            priority: A lower number goes first; 0 before all others.
            after, at: When it is due; now by default.
        """
        options = EnqueueOptions(
            workflow_name=workflow.name,
            queue_name=workflow.queue.name,
            workflow_id=self.id_of(key) if key else uuid4().hex,
            app_version=VERSION,
        )
        if self._tenant is not None:
            options["authenticated_user"] = self._tenant
        if priority:
            options["priority"] = priority
        if workflow.timeout_s is not None:
            options["workflow_timeout"] = workflow.timeout_s
        delay_s = self._delay_s(after, at)
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        with self._translated():
            return self._client.enqueue(options, *args, **(named or {})).get_workflow_id()

    def id_of(self, key: str) -> str:
        """Return the id of what a key of the tenant starts."""
        return key if self._tenant is None else f"{self._tenant}:{key}"

    def _delay_s(self, after: str | timedelta | None, at: datetime | None) -> float:
        if at is not None:
            return at.timestamp() - self._clock.now_us() / 1e6
        return 0.0 if after is None else duration_us(after) / 1e6

    def send(self, identifier: str, topic: str, value: object, *, key: str | None = None) -> None:
        """Send an event to a workflow that waits for it, or will.

        Args:
            key: A second event of the same key is dropped.

        Raises:
            WorkflowNotFound
        """
        self.get(identifier, with_values=False)
        with self._translated(identifier):
            self._client.send(identifier, {"value": value}, topic, key)

    def get(self, identifier: str, *, with_values: bool = True) -> Run:
        """Return a workflow.

        Raises:
            WorkflowNotFound
        """
        return self._run(self._status(identifier, with_values=with_values))

    def _status(self, identifier: str, *, with_values: bool) -> WorkflowStatus:
        with self._translated(identifier):
            found = self._client.list_workflows(
                workflow_ids=[identifier], load_input=with_values, load_output=True
            )
        if not found or self._tenant not in (None, found[0].authenticated_user):
            raise WorkflowNotFound(identifier)
        return found[0]

    def find(self, query: RunQuery | None = None) -> Sequence[Run]:
        """Return the runs asked for, the newest first, without inputs and outputs.

        Why one failed is told where those that failed are asked for: none of them has an output.
        """
        query = query or RunQuery()
        if query.state not in ("running", "queued", "waits_for_code"):
            return self._listed(query)
        # which of these wait for code is told apart here
        wanted, found, looked = query.offset + query.limit, list[Run](), 0
        while len(found) < wanted:
            batch = self._listed(replace(query, limit=_LOOKED_AT, offset=looked))
            found += [one for one in batch if one.state == query.state]
            looked += len(batch)
            if len(batch) < _LOOKED_AT:
                break
        return found[query.offset : wanted]

    def _listed(self, query: RunQuery) -> Sequence[Run]:
        until = query.until_ms
        with self._translated():
            found = self._client.list_workflows(
                name=query.workflow,
                user=self._tenant,
                status=None if query.state is None else _STATUS_OF[query.state],
                end_time=None if until is None else _iso(until),
                limit=query.limit,
                offset=query.offset,
                sort_desc=True,
                load_input=False,
                load_output=query.state == "failed",
            )
        return [self._run(one) for one in found]

    def steps(self, identifier: str) -> Sequence[StepRun]:
        """Return the history of a workflow, in order.

        Raises:
            WorkflowNotFound
        """
        status = self._status(identifier, with_values=False)
        is_open, noted = self._run(status).is_open, status.attributes or {}
        with self._translated(identifier):
            found = self._client.list_workflow_steps(identifier, load_output=True)
        return [
            StepRun(
                place=one["function_id"],
                name=one["function_name"].removeprefix("DBOS."),
                started_ms=one["started_at_epoch_ms"],
                ended_ms=one["completed_at_epoch_ms"],
                failed=_text_of(one["error"], is_open=is_open),
                failures=noted.get(failures_of(one["function_id"]), int(one["error"] is not None)),
                child=one["child_workflow_id"],
                output=readable(one["output"]) if is_open else None,
            )
            for one in found
        ]

    def result(self, identifier: str, *, poll_s: float = 0.1) -> Any:
        """Wait for the end of a workflow, and return what it returned.

        Raises:
            WorkflowNotFound
            Exception: What it failed with.
        """
        self.get(identifier, with_values=False)
        handle: WorkflowHandle[Any] = self._client.retrieve_workflow(identifier)
        return handle.get_result(polling_interval_sec=poll_s)

    def cancel(self, identifier: str) -> Run:
        """End a workflow at its next step; what is done stays done.

        Raises:
            WorkflowNotFound
            WorkflowNotRunning: It has ended.
        """
        run = self.get(identifier, with_values=False)
        if run.has_ended:
            raise WorkflowNotRunning(identifier, run.state, "be cancelled")
        with self._translated(identifier):
            self._client.cancel_workflow(identifier)
        return self.get(identifier)

    def resume(self, identifier: str) -> Run:
        """Let a workflow that was cancelled or given up go on behind its last step.

        Raises:
            WorkflowNotFound
            WorkflowNotRunning: It was neither.
        """
        run = self.get(identifier, with_values=False)
        if run.state not in ("cancelled", "given_up", "delayed"):
            what = "be resumed; `fork` does it again from a step"
            raise WorkflowNotRunning(identifier, run.state, what)
        with self._translated(identifier):
            self._client.resume_workflow(identifier)
        return self.get(identifier)

    def fork(self, identifier: str, step: int) -> Run:
        """Do a workflow again from a step on, as another one; the steps before are kept.

        Args:
            step: The first step that is done again, from 1 on.

        Raises:
            WorkflowNotFound
            WorkflowNotRunning: It has no such step.
        """
        steps = self.steps(identifier)
        if not 1 <= step <= len(steps) + 1:
            has = f"at step {len(steps)}"
            raise WorkflowNotRunning(identifier, has, f"be done again from step {step}")
        with self._translated(identifier):
            forked = self._client.fork_workflow(identifier, step, application_version=VERSION)
        return self.get(forked.get_workflow_id())

    def prune(self, older_than: str | timedelta) -> int:
        """Delete workflows that ended so long ago, with their steps; return how many.

        What a key started may then be started by it again.

        Raises:
            BadDuration: It is no length of time.
        """
        until_ms = (self._clock.now_us() - duration_us(older_than)) // 1000
        deleted = 0
        with self._translated():
            while ended := self._client.list_workflows(
                status=_FINAL,
                user=self._tenant,
                completed_before=_iso(until_ms),
                limit=_LOOKED_AT,
                load_input=False,
                load_output=False,
            ):
                self._client.delete_workflows([one.workflow_id for one in ended])
                deleted += len(ended)
        return deleted

    def is_idle(self) -> bool:
        """Tell whether every workflow has ended; one whose code is gone does not count."""
        names = None if self._declared is None else list(self._declared)
        with self._translated():
            return not self._client.list_workflows(
                status=_ACTIVE, name=names, limit=1, load_input=False, load_output=False
            )

    def counts(self) -> Mapping[tuple[str, RunState], int]:
        """Count what has not ended, by workflow and state."""
        found: dict[tuple[str, RunState], int] = {}
        with self._translated():
            active = self._client.list_workflows(
                status=_ACTIVE, user=self._tenant, load_input=False, load_output=False
            )
        for one in map(self._run, active):
            found[one.workflow, one.state] = found.get((one.workflow, one.state), 0) + 1
        return found

    def _run(self, status: WorkflowStatus) -> Run:
        declared = None if self._declared is None else self._declared.get(status.name)
        is_open = declared is None or declared.shows_input
        state, reason = _STATES[status.status], ""
        if state in ("running", "queued"):
            state, reason = self._waits_for_code(status, state)
        else:
            reason = _text_of(status.error, is_open=is_open)
        return Run(
            id=status.workflow_id,
            tenant=status.authenticated_user or "",
            workflow=status.name,
            state=state,
            queue=status.queue_name or "",
            priority=status.priority or 0,
            created_ms=status.created_at or 0,
            started_ms=status.dequeued_at,
            ended_ms=status.completed_at,
            due_ms=status.delay_until_epoch_ms,
            attempts=status.recovery_attempts or 0,
            parent=status.parent_workflow_id,
            forked_from=status.forked_from,
            reason=reason,
            is_open=is_open,
            input=readable(status.input) if is_open else None,
            output=readable(status.output) if is_open else None,
        )

    def _waits_for_code(self, status: WorkflowStatus, state: RunState) -> tuple[RunState, str]:
        changed = (status.attributes or {}).get(WAITS_FOR_CODE)
        if changed:
            return "waits_for_code", str(changed)
        known = self._declared
        if known is not None and status.name not in known and ":" not in status.name:
            return "waits_for_code", f"the application declares no workflow {status.name!r}"
        return state, ""

    @contextmanager
    def _translated(self, identifier: str = "") -> Generator[None]:
        try:
            yield
        except dbos_error.DBOSNonExistentWorkflowError as error:
            raise WorkflowNotFound(identifier) from error
        except (SQLAlchemyError, dbos_error.DBOSException) as error:
            reason = type(error).__name__
            raise WorkflowStoreFailed(self._database.where, reason) from error


def _iso(at_ms: int) -> str:
    # in the middle of its millisecond: whoever reads it cuts off what is behind
    return datetime.fromtimestamp((at_ms + 0.5) / 1000, UTC).isoformat()


def _text_of(error: BaseException | str | None, *, is_open: bool) -> str:
    """Say what an error was; of a workflow that shows nothing, only its code."""
    if error is None:
        return ""
    if isinstance(error, str):
        return str(Unreadable())
    if isinstance(error, dbos_error.DBOSMaxStepRetriesExceeded):
        reasons = tuple(f"{type(one).__name__}: {one}" for one in error.errors)
        error = RetriesExhausted(error.step_name, len(reasons), reasons)
    code = cast("str", getattr(error, "code", type(error).__name__))
    return f"{code}: {error}" if is_open else code
