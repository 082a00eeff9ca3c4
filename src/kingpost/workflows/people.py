"""Waiting for people: what a workflow asks, and who brings the answer.

The rule: the inbox holds the question and the answer; a workflow only waits for it there,
so no answer is lost while nothing runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = ["Answer", "People", "Question", "Verdict"]

Verdict = Literal["approved", "rejected", "modified"]


@dataclass(frozen=True)
class Question:
    """What a person is asked.

    Attributes:
        about: What they see and may change: a value of JSON.
        within_us: How long they have, and as long again after it was escalated.
        remind_us: After so long they are reminded; None is never.
        escalate_to: The queue it moves to when it is late; empty is none.
        tenant: Whose people are asked: the workflow's own; empty where it has none.
    """

    queue: str
    title: str
    about: Mapping[str, object]
    within_us: int
    remind_us: int | None = None
    escalate_to: str = ""
    tenant: str = ""


@dataclass(frozen=True)
class Answer:
    """What a person said.

    Attributes:
        value: `about` as they left it.
        reason: In their own words.
    """

    verdict: Verdict
    by: str
    reason: str = ""
    value: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def is_yes(self) -> bool:
        """Whether it may go on, perhaps with another value."""
        return self.verdict != "rejected"


class People(Protocol):
    """The inbox. Any thread may call."""

    def ask(self, identifier: str, workflow: str, question: Question, now_us: int) -> None:
        """Put a question in the inbox; one whose id is known stays as it is."""
        ...

    def answers(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Return the answers there are to these questions, by the question's id."""
        ...

    def withdraw(
        self, identifier: str, question: Question, reason: str, now_us: int
    ) -> Answer | None:
        """Close a question nobody needs an answer to any more.

        Returns:
            The answer, when there was one just before.
        """
        ...
