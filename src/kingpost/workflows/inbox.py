"""Workflows that wait for people: one look at the inbox for all of them.

The rule: what waits is a coroutine and no thread. The inbox is asked now and then which
questions have been answered, and whoever waited goes on.
"""

import asyncio
import logging
import threading
from typing import NamedTuple

from kingpost.core import Clock, KingpostError
from kingpost.workflows.errors import BadWorkflow
from kingpost.workflows.people import Answer, People, Question

__all__ = ["Inbox"]

_POLL_S = 0.5
_log = logging.getLogger(__name__)


class _Waiter(NamedTuple):
    loop: asyncio.AbstractEventLoop
    answered: "asyncio.Future[Answer]"
    question: Question


class Inbox:
    """Asks people, and wakes what waits for them.

    Args:
        people: The inbox; None where there is none, and asking is an error.
        poll_s: How often it is looked at.
    """

    def __init__(self, people: People | None, clock: Clock, *, poll_s: float = _POLL_S) -> None:
        self._people, self._clock, self._poll_s = people, clock, poll_s
        self._waiting: dict[str, _Waiter] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look, name="inbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """How many questions are waited for here."""
        return len(self._waiting)

    def ask(self, identifier: str, workflow: str, question: Question) -> int:
        """Put a question in the inbox; return when, in microseconds."""
        now_us = self._clock.now_us()
        self._reached().ask(identifier, workflow, question, now_us)
        return now_us

    async def answer(self, identifier: str, question: Question, asked_us: int) -> Answer | None:
        """Wait for the answer; None when the time is over."""
        times = 2 if question.escalate_to else 1
        ends_us = asked_us + times * question.within_us
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future(), question)
        with self._lock:
            self._waiting[identifier] = waiter
        try:
            left_s = max(0.0, (ends_us - self._clock.now_us()) / 1e6)
            # the first look comes before the end, also when nothing ran for long
            return await asyncio.wait_for(waiter.answered, max(left_s, 2 * self._poll_s))
        except TimeoutError:
            now_us = self._clock.now_us()
            return await asyncio.to_thread(
                self._reached().withdraw, identifier, question, "nobody answered in time", now_us
            )
        except asyncio.CancelledError:
            if not self._closed.is_set():  # the workflow was cancelled, and not the worker closed
                now_us = self._clock.now_us()
                self._reached().withdraw(identifier, question, "cancelled", now_us)
            raise
        finally:
            with self._lock:
                self._waiting.pop(identifier, None)

    def _reached(self) -> People:
        if self._people is None:
            raise BadWorkflow("ask", "there is no inbox here", "run it with `kingpost work`")
        return self._people

    def _look(self) -> None:
        while not self._closed.wait(self._poll_s):
            with self._lock:
                waiting = dict(self._waiting)
            if not waiting or self._people is None:
                continue
            try:
                answers = self._people.answers(
                    {identifier: one.question for identifier, one in waiting.items()}
                )
            except KingpostError:
                _log.exception("inbox_unreadable")
                continue
            for identifier, answer in answers.items():
                _wake(waiting[identifier], answer)


def _wake(waiter: _Waiter, answer: Answer) -> None:
    def tell() -> None:
        if not waiter.answered.done():
            waiter.answered.set_result(answer)

    try:
        waiter.loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the loop has ended, and the workflow is waited for elsewhere
        _log.debug("waiter_gone")
