"""The rest of the API, by what it is about."""

from collections.abc import Iterator, Mapping

from kingpost.client import operations
from kingpost.client.documents import (
    Explanation,
    Incident,
    Record,
    RecordLine,
    Review,
    Run,
    RunLine,
    Task,
)
from kingpost.client.operations import PAGE, TaskVerb, new_key, query
from kingpost.client.sending import Sending

__all__ = ["Incidents", "Records", "Tasks", "Workflows"]


class Records:
    """Decision records."""

    def __init__(self, send: Sending) -> None:
        self._send = send

    def get(self, record: str) -> Record:
        """Read a record by its id."""
        return self._send(operations.read_record(record))

    def find(
        self,
        decision: str,
        *,
        text: str = "",
        outcome: str = "",
        review: str = "",
        model: str = "",
        principal: str = "",
        mistaken: bool = False,
        since: str = "",
        until: str = "",
    ) -> Iterator[RecordLine]:
        """Find records, the newest event first; pages are asked for as they are needed.

        Args:
            text: A record's id, event key, session or trace id, whole.
            review: `approved`, `overridden` or `none`.
            model: SHA-256 of a bundle or a model in hex: only what it has answered.
            principal: Only what this API key or user has asked.
            mistaken: Only those whose label contradicts the answer that stands.
            since: Only events from this time on, as `2026-11-21T09:00:00Z`.
        """
        asked = query(
            decision=decision, text=text, outcome=outcome, review=review, mistaken=mistaken, model=model, principal=principal,
            since=since, until=until, limit=PAGE,
        )  # fmt: skip
        following: str | None = ""
        while following is not None:
            page = self._send(operations.find_records(asked | query(before=following)))
            yield from page.records
            following = page.next

    def override(self, record: str, *, positive: bool, reason: str) -> Review:
        """Say what stands of a record's answer; never sent twice."""
        return self._send(operations.override_record(record, positive, reason))

    def explain(self, record: str) -> Explanation:
        """Ask why a record's score is what it is."""
        return self._send(operations.explain_record(record))


class Tasks:
    """The inbox of people. What changes a task is never sent twice."""

    def __init__(self, send: Sending) -> None:
        self._send = send

    def get(self, task: str) -> Task:
        """Read a task by its id."""
        return self._send(operations.read_task(task))

    def find(
        self,
        *,
        queue: str = "",
        kind: str = "",
        state: str = "",
        mine: bool = False,
        overdue: bool = False,
    ) -> Iterator[Task]:
        """Find tasks; pages are asked for as they are needed."""
        asked = query(queue=queue, kind=kind, state=state, mine=mine, overdue=overdue, limit=PAGE)
        following: str | None = ""
        while following is not None:
            page = self._send(operations.find_tasks(asked | query(after=following)))
            yield from page.tasks
            following = page.next

    def claim(self, task: str) -> Task:
        """Take a task, so that nobody else works on it."""
        return self._act(task, "claim", {})

    def release(self, task: str) -> Task:
        """Give a task back."""
        return self._act(task, "release", {})

    def approve(self, task: str, *, reason: str = "") -> Task:
        """Let an answer, or what a workflow asks, stand."""
        return self._act(task, "approve", {"reason": reason})

    def override(self, task: str, *, positive: bool, reason: str) -> Task:
        """Answer a review otherwise."""
        return self._act(task, "override", {"positive": positive, "reason": reason})

    def reject(self, task: str, *, reason: str) -> Task:
        """Say no to a workflow."""
        return self._act(task, "reject", {"reason": reason})

    def modify(self, task: str, *, value: Mapping[str, object], reason: str = "") -> Task:
        """Let a workflow go on with another value."""
        return self._act(task, "modify", {"value": value, "reason": reason})

    def acknowledge(self, task: str, *, reason: str = "") -> Task:
        """Say that an incident was seen."""
        return self._act(task, "acknowledge", {"reason": reason})

    def _act(self, task: str, verb: TaskVerb, body: Mapping[str, object]) -> Task:
        return self._send(operations.act_on_task(task, verb, body))


class Incidents:
    """What the monitors raised."""

    def __init__(self, send: Sending) -> None:
        self._send = send

    def get(self, incident: str) -> Incident:
        """Read an incident by its id."""
        return self._send(operations.read_incident(incident))

    def find(self, *, decision: str = "", open: bool = False) -> Iterator[Incident]:
        """Find incidents, the newest first; pages are asked for as they are needed."""
        asked = query(decision=decision, open=open, limit=PAGE)
        following: str | None = ""
        while following is not None:
            page = self._send(operations.find_incidents(asked | query(before=following)))
            yield from page.incidents
            following = page.next


class Workflows:
    """Durable workflows."""

    def __init__(self, send: Sending) -> None:
        self._send = send

    def start(
        self,
        workflow: str,
        input: Mapping[str, object] | None = None,
        *,
        key: str = "",
        priority: int = 0,
        at: str = "",
        after: str = "",
    ) -> RunLine:
        """Start a workflow.

        Args:
            input: Its parameters, by name.
            key: Under the same one it is started once; made anew when left out.
            at: When it is due, with an offset.
            after: How long from now it is due, as `10m`.
        """
        body = {
            "workflow": workflow, "input": input or {}, "priority": priority, "at": at,
            "after": after,
        }  # fmt: skip
        return self._send(operations.start_workflow(body, key or new_key()))

    def get(self, run: str, *, steps_after: int = 0) -> Run:
        """Read one that was started, with up to 200 steps and what it waits for."""
        return self._send(operations.read_workflow(run, query(after=steps_after)))

    def find(self, *, workflow: str = "", state: str = "") -> Iterator[RunLine]:
        """Find those that were started, the newest first."""
        asked = query(workflow=workflow, state=state, limit=PAGE)
        following: str | None = ""
        while following is not None:
            page = self._send(operations.find_workflows(asked | query(after=following)))
            yield from page.workflows
            following = page.next

    def send(self, run: str, topic: str, value: object = None, *, key: str = "") -> None:
        """Send it an event; under the same key it is kept once."""
        self._send(operations.send_event(run, topic, value, key or new_key()))

    def cancel(self, run: str) -> RunLine:
        """End it at its next step; never sent twice."""
        return self._send(operations.act_on_workflow(run, "cancel", {}))

    def resume(self, run: str) -> RunLine:
        """Let one that was cancelled or given up go on; never sent twice."""
        return self._send(operations.act_on_workflow(run, "resume", {}))

    def fork(self, run: str, *, step: int) -> RunLine:
        """Do it again from a step on, as another one; never sent twice."""
        return self._send(operations.act_on_workflow(run, "fork", {"step": step}))
