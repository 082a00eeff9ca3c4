"""A call as its method sees it: what came, and the one answer that it owes."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Protocol

from kingpost.serving.grpc.heads import Head
from kingpost.serving.grpc.hpack import Field
from kingpost.serving.grpc.status import Status

__all__ = ["Answers", "Call", "Method", "TakesMessage"]


class Answers(Protocol):
    """Carries answers to their callers."""

    def answer(self, call: "Call", message: bytes, fields: Sequence[Field]) -> None:
        """Send a message and status OK."""
        ...

    def fail(self, call: "Call", status: Status, message: str, fields: Sequence[Field]) -> None:
        """Send a status alone."""
        ...


class Call:
    """One call, from its head to its answer.

    Attributes:
        stream: The number of its stream.
        window: How many bytes its caller has room for.
        body: What came of its message before the last of it.
        deadline_s: When its caller waits no more, by the clock of the loop.
        due_s: When it is looked at next.
        has_ended: Whether the caller has sent all of it.
        is_taken: Whether its method has the message.
        is_over: Whether it was answered, or nobody waits for that any more.
        is_orphan: Whether its method still works though it is over.
        ending: What is sent behind the answer.
        unsent: What waits for room of the answer; `unsent_before` is how much did last time.
    """

    __slots__ = (
        "_answers", "body", "deadline_s", "due_s", "ending", "has_ended", "head", "is_orphan", "is_over",
        "is_taken", "stream", "take", "unsent", "unsent_before", "window",
    )  # fmt: skip

    def __init__(self, stream: int, head: Head, window: int, answers: Answers) -> None:
        self.stream, self.head, self.window = stream, head, window
        self._answers = answers
        self.deadline_s = self.due_s = inf
        self.take: TakesMessage | None = None
        self.body: bytearray | None = None
        self.has_ended = self.is_taken = self.is_over = self.is_orphan = False
        self.ending = b""
        self.unsent: memoryview | None = None
        self.unsent_before = 0

    @property
    def metadata(self) -> Mapping[bytes, bytes]:
        """What the caller sent beside the message, by names in lower case."""
        return self.head.metadata

    def answer(self, message: bytes, fields: Sequence[Field] = ()) -> None:
        """Answer with a message; in the loop's thread, now or later.

        Args:
            fields: Sent behind the message, as trailing metadata.
        """
        self._answers.answer(self, message, fields)

    def fail(self, status: Status, message: str, fields: Sequence[Field] = ()) -> None:
        """Answer with a status that is not OK; see `answer`."""
        self._answers.fail(self, status, message, fields)


TakesMessage = Callable[[bytes], None]
"""Given the message of a call once it is whole; the call then is owed one answer."""

Method = Callable[[Call], TakesMessage | None]
"""Given a call when its head is there; returns what takes its message, or None when it has
failed the call already."""
