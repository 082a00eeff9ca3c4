"""What people and programs do with workflows: start them, send to them, steer them.

The rule: each sees and steers those of their own tenant, with the scope `workflows`, and it
is logged who did. Everything here asks a database, so it is called in a thread of the pool.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kingpost.access import Principal
from kingpost.core import Clock
from kingpost.decisions import IdempotencyKeyReused
from kingpost.serving.errors import UnknownWorkflow
from kingpost.serving.workflow_counts import SparingCount
from kingpost.serving.workflow_input import read_input
from kingpost.workflows import (
    Run,
    RunQuery,
    RunState,
    StepRun,
    Workflow,
    WorkflowNotFound,
    WorkflowNotRunning,
)

if TYPE_CHECKING:
    from kingpost.workflows import Workflows

__all__ = ["SCOPE", "StartAsked", "WorkflowDesk", "next_runs", "run_query"]

SCOPE = "workflows"
_LONGEST_ID = 400
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StartAsked:
    """What somebody asks to be started.

    Attributes:
        given: Values of JSON by the names of the workflow's parameters.
        key: The same key starts it once.
        due_us: When it is due, microseconds UTC; None is now.
    """

    workflow: str
    given: Mapping[str, object]
    key: str = ""
    priority: int = 0
    due_us: int | None = None


class WorkflowDesk:
    """The workflows of an installation, for whoever may.

    Args:
        workflows: Those of all tenants.
    """

    def __init__(self, workflows: "Workflows", clock: Clock) -> None:
        self._workflows, self._clock = workflows, clock
        self._counts: dict[str, SparingCount] = {}

    @property
    def declared(self) -> Mapping[str, Workflow[..., Any]]:
        """What can be started, by name."""
        return self._workflows.declared

    def close(self) -> None:
        """Close the connections."""
        self._workflows.close()

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Count what has not ended, of all tenants, by workflow and state."""
        return _counted(self._workflows)

    def counts_of(self, principal: Principal) -> Mapping[tuple[str, str], int]:
        """Say how many have not ended, or had not a moment ago, by workflow and state."""
        workflows = self._of(principal)
        count = self._counts.get(principal.tenant)
        if count is None:
            counting = SparingCount(lambda: _counted(workflows), self._clock)
            count = self._counts.setdefault(principal.tenant, counting)
        return count.read()

    def find(self, principal: Principal, query: RunQuery) -> Sequence[Run]:
        """Return the runs asked for, the newest first, without inputs and outputs."""
        return self._of(principal).find(query)

    def read(self, principal: Principal, identifier: str) -> "tuple[Run, Sequence[StepRun]]":
        """Return a run and its steps.

        Raises:
            WorkflowNotFound
        """
        found = self._of(principal, identifier)
        return found.get(identifier), found.steps(identifier)

    def start(self, principal: Principal, asked: StartAsked) -> Run:
        """Start a workflow, once for each key of a tenant.

        Raises:
            UnknownWorkflow: The application declares none of this name.
            ContractViolation: Its parameters are others.
            IdempotencyKeyReused: The key started another one, or with another input.
        """
        found = self._of(principal)
        workflow = self.declared.get(asked.workflow)
        if workflow is None:
            raise UnknownWorkflow(tuple(self.declared))
        args, named = read_input(workflow, asked.given)
        key = asked.key or None
        before = None if key is None else _known(found, found.id_of(key))
        if before is None:
            at = None if asked.due_us is None else datetime.fromtimestamp(asked.due_us / 1e6, UTC)
            identifier = found.start_with(
                workflow, args, named, key=key, priority=asked.priority, at=at
            )
            self._log("workflow_started", principal, identifier)
            return found.get(identifier)
        called = {"args": args, "kwargs": named}
        if before.workflow != workflow.name or (before.is_open and before.input != called):
            raise IdempotencyKeyReused(asked.key)
        return before

    def send(
        self, principal: Principal, identifier: str, topic: str, value: object, key: str = ""
    ) -> None:
        """Send an event to a workflow that has not ended; the same key sends it once.

        Raises:
            WorkflowNotFound
            WorkflowNotRunning: It has ended.
        """
        found = self._of(principal, identifier)
        run = found.get(identifier, with_values=False)
        if run.has_ended:
            raise WorkflowNotRunning(identifier, run.state, "take an event")
        found.send(identifier, topic, value, key=f"{identifier}:{key}" if key else None)
        self._log("workflow_event_sent", principal, identifier)

    def cancel(self, principal: Principal, identifier: str) -> Run:
        """End a workflow at its next step; see `Workflows.cancel`."""
        run = self._of(principal, identifier).cancel(identifier)
        self._log("workflow_cancelled", principal, identifier)
        return run

    def resume(self, principal: Principal, identifier: str) -> Run:
        """Let a workflow that was cancelled go on; see `Workflows.resume`."""
        run = self._of(principal, identifier).resume(identifier)
        self._log("workflow_resumed", principal, identifier)
        return run

    def fork(self, principal: Principal, identifier: str, step: int) -> Run:
        """Do a workflow again from a step on, as another one; see `Workflows.fork`."""
        run = self._of(principal, identifier).fork(identifier, step)
        self._log("workflow_forked", principal, identifier)
        return run

    def _of(self, principal: Principal, identifier: str = "") -> "Workflows":
        principal.require(SCOPE)
        if len(identifier) > _LONGEST_ID or not identifier.isprintable():
            raise WorkflowNotFound(identifier[:_LONGEST_ID])
        return self._workflows.of_tenant(principal.tenant)

    def _log(self, event: str, principal: Principal, identifier: str) -> None:
        _log.info(event, extra={"workflow": identifier, "principal": principal.id})


def _counted(workflows: "Workflows") -> Mapping[tuple[str, str], int]:
    return {(name, state): one for (name, state), one in workflows.counts().items()}


def _known(workflows: "Workflows", identifier: str) -> Run | None:
    try:
        return workflows.get(identifier)
    except WorkflowNotFound:
        return None


def run_query(
    *,
    workflow: str | None = None,
    state: RunState | None = None,
    limit: int = 50,
    after: str = "",
) -> RunQuery:
    """Say which runs.

    Args:
        after: Only those behind a place that `next_runs` gave; empty begins with the newest.
    """
    until, _, offset = after.partition(":")
    return RunQuery(
        workflow=workflow,
        state=state,
        limit=limit,
        offset=int(offset or 0),
        until_ms=int(until) if until else None,
    )


def next_runs(query: RunQuery, found: Sequence[Run]) -> str | None:
    """Return the place behind a page; None when it was the last.

    It is a time and how many of that time were shown, so what is started since moves nothing.
    """
    if len(found) < query.limit:
        return None
    last_ms = found[-1].created_ms
    shown = sum(one.created_ms == last_ms for one in found)
    return f"{last_ms}:{shown + (query.offset if last_ms == query.until_ms else 0)}"
