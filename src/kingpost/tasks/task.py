"""A task: one thing that waits for a person, and what became of it.

The rule: a task is answered once, by whoever holds it. Claiming it keeps others away for
`CLAIM_LEASE_US`; then anybody may take it over, so that nobody's absence holds it up.

Times are of the wall clock, microseconds UTC, but for `event_time_us`: deadlines are
for people, who live by the clock and not by the stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

__all__ = [
    "CLAIM_LEASE_US",
    "CLOSED",
    "Task",
    "TaskKind",
    "TaskState",
    "TaskVerdict",
    "closed_place",
]

CLAIM_LEASE_US = 30 * 60 * 1_000_000
"""How long a claim keeps others away."""

CLOSED = "2"
"""The places of what is closed begin with it, and come after all others."""

TaskKind = Literal["review", "incident", "approval"]
TaskState = Literal["open", "claimed", "closed"]
TaskVerdict = Literal[
    "", "approved", "overridden", "acknowledged", "rejected", "modified", "withdrawn"
]

_NEVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that waits for a person.

    Attributes:
        id: The subject's id; there is one task per subject, however often it is told.
        queue: The desk whose people look at it.
        decision: What it belongs to; empty for an approval.
        subject: Id of the decision record to review, of the incident, or of the approval itself.
        title: What it is about, for a list.
        event_time_us: When what it is about happened.
        due_us: When somebody should have answered; None is whenever.
        escalate_to: The queue it moves to when it is late; empty is none.
        escalated_us: When it moved there.
        claimed_by: Who has it now; empty is nobody. After it is closed it is empty.
        closed_by: Who answered it; of a task that was withdrawn, the workflow.
        verdict: What the person said; empty while it is not closed. `withdrawn` is nobody's
            answer: whoever asked needs none any more.
        reason: In the person's own words.
        workflow: Id of the workflow that waits for the answer; empty is none.
        about: What the person sees and may change, a JSON object of `LARGEST_VALUE` bytes at most.
        answer: What they made of it, when they changed it.
        remind_us: When to remind of it; None is never.
        reminded_us: When that was done.
    """

    id: str
    tenant: str
    kind: TaskKind
    queue: str
    decision: str
    subject: str
    title: str
    created_us: int
    event_time_us: int
    due_us: int | None = None
    escalate_to: str = ""
    escalated_us: int | None = None
    claimed_by: str = ""
    claimed_us: int | None = None
    closed_us: int | None = None
    closed_by: str = ""
    verdict: TaskVerdict = ""
    reason: str = ""
    workflow: str = ""
    about: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    answer: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)
    remind_us: int | None = None
    reminded_us: int | None = None

    @property
    def state(self) -> TaskState:
        """Whether it waits, is in somebody's hands or is done."""
        if self.closed_us is not None:
            return "closed"
        return "claimed" if self.claimed_by else "open"

    @property
    def place(self) -> str:
        """Where it stands in a list: a text that sorts.

        What is not closed comes first: what was escalated, then by the time it is due,
        then the oldest. What is closed follows, the newest first.
        """
        if self.closed_us is not None:
            return closed_place(self.id, self.closed_us)
        due_us = _NEVER if self.due_us is None else self.due_us
        is_late = self.escalated_us is not None
        return f"{0 if is_late else 1}{due_us:019d}{self.created_us:019d}{self.id}"

    def is_overdue(self, now_us: int) -> bool:
        """Tell whether it should have been answered by now."""
        return self.closed_us is None and self.due_us is not None and self.due_us <= now_us

    def is_held(self, now_us: int) -> bool:
        """Tell whether somebody has it and the claim has not lapsed."""
        claimed_us = self.claimed_us
        return bool(self.claimed_by) and (
            claimed_us is not None and now_us < claimed_us + CLAIM_LEASE_US
        )

    def escalated(self, now_us: int) -> "Task":
        """Return it as it is in the queue that it moves to when it is late.

        Whoever gets an approval has as much time for it as those before had.
        """
        due_us = self.due_us
        if self.kind == "approval" and due_us is not None:
            due_us += max(0, due_us - self.created_us)
        return replace(self, queue=self.escalate_to, escalated_us=now_us, due_us=due_us)


def closed_place(identifier: str, closed_us: int) -> str:
    """Return the `place` of a closed task."""
    return f"{CLOSED}{_NEVER - closed_us:019d}{identifier}"
