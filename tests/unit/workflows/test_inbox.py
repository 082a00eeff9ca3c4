"""Waiting for people: answers that come, that come late, and that never come."""

import asyncio
from collections.abc import Mapping

import pytest

from kingpost.workflows import Answer, BadWorkflow, Question
from kingpost.workflows.inbox import Inbox
from tests.stopped_clock import StoppedClock

HOUR_US = 3_600_000_000
QUESTION = Question("desk", "may it?", {"amount": 5}, HOUR_US)


class Desk:
    """People in memory."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[str, Question, int]] = {}
        self.said: dict[str, Answer] = {}
        self.withdrawn: list[str] = []

    def ask(self, identifier: str, workflow: str, question: Question, now_us: int) -> None:
        self.asked.setdefault(identifier, (workflow, question, now_us))

    def answers(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        return {one: self.said[one] for one in questions if one in self.said}

    def withdraw(
        self, identifier: str, question: Question, reason: str, now_us: int
    ) -> Answer | None:
        self.withdrawn.append(identifier)
        return self.said.get(identifier)


def waited(desk: Desk, clock: StoppedClock, question: Question = QUESTION) -> Answer | None:
    inbox = Inbox(desk, clock, poll_s=0.005)
    try:
        asked_us = inbox.ask("w-1", "w", question)
        clock.time_us += 10
        return asyncio.run(inbox.answer("w-1", question, asked_us))
    finally:
        inbox.close()


def test_an_answer_wakes_whoever_waits() -> None:
    desk, clock = Desk(), StoppedClock(1_000)
    desk.said["w-1"] = Answer("modified", "kate", "too much", {"amount": 4})

    answer = waited(desk, clock)

    assert answer == Answer("modified", "kate", "too much", {"amount": 4})
    assert answer is not None
    assert answer.is_yes
    assert not Answer("rejected", "kate").is_yes
    assert desk.asked == {"w-1": ("w", QUESTION, 1_000)}
    assert desk.withdrawn == []


def test_an_answer_given_while_nothing_ran_counts_although_the_time_is_over() -> None:
    desk, clock = Desk(), StoppedClock(1_000)
    desk.said["w-1"] = Answer("approved", "kate")
    inbox = Inbox(desk, clock, poll_s=0.005)

    answer = asyncio.run(inbox.answer("w-1", QUESTION, 1_000 - 5 * HOUR_US))

    inbox.close()
    assert answer is not None


def test_when_the_time_is_over_the_question_is_withdrawn() -> None:
    desk, clock = Desk(), StoppedClock(1_000)
    inbox = Inbox(desk, clock, poll_s=0.005)

    answer = asyncio.run(inbox.answer("w-1", QUESTION, 1_000 - 2 * HOUR_US))

    inbox.close()
    assert answer is None
    assert desk.withdrawn == ["w-1"]
    assert inbox.waiting == 0


def test_without_people_asking_is_an_error() -> None:
    inbox = Inbox(None, StoppedClock(0))
    with pytest.raises(BadWorkflow, match="no inbox"):
        inbox.ask("w-1", "w", QUESTION)
    inbox.close()
