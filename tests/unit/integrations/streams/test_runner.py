"""What keeps a stream flowing: tries again with longer pauses, and tells how it stands."""

import logging
import threading
from collections.abc import Mapping

import pytest

from kingpost.core import KingpostError
from kingpost.integrations import BrokerAway, ConsumerUnfit, StreamRunner
from kingpost.journal import JournalFull
from tests.payments import DIRECTORY

AWAY = BrokerAway("nats://host", "refused")


class Pauses(threading.Event):
    """An event that notes for how long it is waited for, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.noted.append(timeout or 0.0)
        return self.is_set()


class Script:
    """A flow that does what is written: an error is raised, a number was done."""

    name, topic, direction = "order", "nats://host/orders", "in"

    def __init__(self, *steps: KingpostError | int, opens: tuple[KingpostError, ...] = ()) -> None:
        self.steps, self.opens = list(steps), list(opens)
        self.opened = self.closed = 0

    def open(self) -> None:
        self.opened += 1
        if self.opens:
            raise self.opens.pop(0)

    def step(self) -> int:
        if not self.steps:
            return 0
        step = self.steps.pop(0)
        if isinstance(step, KingpostError):
            raise step
        return step

    def waiting(self) -> int:
        return len(self.steps)

    def verdicts(self) -> Mapping[str, int]:
        return {}

    def close(self) -> None:
        self.closed += 1


def test_a_broker_that_is_away_is_tried_again_with_longer_pauses_up_to_a_bound() -> None:
    pauses = Pauses()
    flow = Script(opens=(AWAY,) * 8)

    StreamRunner(flow).run(pauses, drains=True)

    assert pauses.noted[:8] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert flow.opened == flow.closed == 9


def test_the_pause_is_short_again_after_it_flowed() -> None:
    pauses = Pauses()
    flow = Script(AWAY, 5, AWAY, 5)

    StreamRunner(flow).run(pauses, drains=True)

    assert pauses.noted[:2] == [0.25, 0.25]


def test_what_flows_and_what_does_not_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    runner = StreamRunner(Script(AWAY, AWAY, AWAY, 5))
    with caplog.at_level(logging.WARNING):
        runner.run(Pauses(), drains=True)

    assert [one.message for one in caplog.records] == ["stream_away", "stream_back"]
    assert runner.problem is None


def test_while_it_is_away_its_problem_is_kept() -> None:
    stop = Pauses()
    seen: list[tuple[bool, KingpostError | None]] = []

    class Stopping(Script):
        def open(self) -> None:
            seen.append((runner.is_connected, runner.problem))
            if len(seen) == 3:
                stop.set()
            super().open()

    runner = StreamRunner(Stopping(opens=(AWAY,) * 5))
    runner.run(stop)

    assert seen == [(False, None), (False, AWAY), (False, AWAY)]


def test_a_full_journal_is_waited_for() -> None:
    flow = Script(JournalFull(DIRECTORY), 3)

    StreamRunner(flow).run(Pauses(), drains=True)

    assert not flow.steps


def test_what_no_wait_can_mend_ends_it_and_lets_go_of_the_broker() -> None:
    flow = Script(ConsumerUnfit("kingpost", "explicit acknowledgements", "none"), 3)
    runner = StreamRunner(flow)

    with pytest.raises(ConsumerUnfit):
        runner.run(Pauses())

    assert flow.closed == 1
    assert not runner.is_connected


def test_it_drains_until_nothing_waits() -> None:
    flow = Script(1, 0, 0, 2)
    runner = StreamRunner(flow)

    runner.run(Pauses(), drains=True)

    assert not flow.steps
    assert runner.waiting == 0
