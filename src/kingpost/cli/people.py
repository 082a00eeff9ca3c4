"""The inbox as workflows see it: what they ask becomes a task, what people say an answer.

The rule: the question's id is the task's, so that a workflow that asks again after a crash
finds the task that it made, and the answer to it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping

from kingpost.tasks import BadTaskId, Task, TaskStore
from kingpost.workflows import Answer, Question

__all__ = ["TaskPeople"]


class TaskPeople:
    """The `People` of workflows, over the inbox.

    Args:
        tasks: Gives the calling thread's inbox.
        tenant: Whose people workflows without a tenant of their own ask.
    """

    def __init__(self, tasks: Callable[[], TaskStore], tenant: str) -> None:
        self._tasks, self._tenant = tasks, tenant

    def ask(self, identifier: str, workflow: str, question: Question, now_us: int) -> None:
        """Put a question in the inbox; one whose id is known stays as it is.

        Raises:
            BadTaskValue: What it is about is no JSON object, or too large.
            BadTaskId: The workflow's id cannot stand in a URL, or another tenant has it.
            TaskStoreFailed: The inbox cannot be reached.
        """
        inbox, remind_us = self._tasks(), question.remind_us
        tenant = question.tenant or self._tenant
        added = inbox.add(
            [
                Task(
                    id=identifier,
                    tenant=tenant,
                    kind="approval",
                    queue=question.queue,
                    decision="",
                    subject=identifier,
                    title=question.title,
                    created_us=now_us,
                    event_time_us=now_us,
                    due_us=now_us + question.within_us,
                    escalate_to=question.escalate_to,
                    workflow=workflow,
                    about=question.about,
                    remind_us=None if remind_us is None else now_us + remind_us,
                )
            ]
        )
        if not added and inbox.get(tenant, identifier) is None:
            raise BadTaskId(identifier, "another tenant has a task of this id")

    def answers(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Return the answers there are to these questions.

        Raises:
            TaskStoreFailed: The inbox cannot be reached.
        """
        inbox, asked = self._tasks(), defaultdict[str, list[str]](list)
        for identifier, question in questions.items():
            asked[question.tenant or self._tenant].append(identifier)
        found = (
            (task.id, _answer(task))
            for tenant, identifiers in asked.items()
            for task in inbox.closed(tenant, identifiers)
        )
        return {identifier: answer for identifier, answer in found if answer is not None}

    def withdraw(
        self, identifier: str, question: Question, reason: str, now_us: int
    ) -> Answer | None:
        """Close a question nobody needs an answer to any more; return one given just before.

        Raises:
            TaskStoreFailed: The inbox cannot be reached.
        """
        answered = self._tasks().withdraw(
            question.tenant or self._tenant, identifier, reason, now_us
        )
        return None if answered is None else _answer(answered)


def _answer(task: Task) -> Answer | None:
    """Return what a person said; None when nobody did."""
    match task.verdict:
        case "approved" | "rejected":
            return Answer(task.verdict, task.closed_by, task.reason, task.about)
        case "modified":
            return Answer(task.verdict, task.closed_by, task.reason, task.answer)
        case _:
            return None
