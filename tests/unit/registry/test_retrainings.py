"""Runs in the control log: each step of each stage once, and what they add up to."""

from typing import Any

import pytest
from msgspec import structs

from kingpost.journal import Entry, Journal
from kingpost.registry import ControlLog, NewerDocument, RetrainingEvent, runs_of
from tests.unit.registry.test_control import DIRECTORY, NOON, new_log, parts

ASKED = RetrainingEvent(
    decision="fraud", tenant="acme", run="fraud-1", incident="i-1", step="asked",
    reason="amount has drifted", by="kingpost", at_us=NOON,
)  # fmt: skip


def event(stage: Any, step: Any, **more: Any) -> RetrainingEvent:
    return structs.replace(ASKED, stage=stage, step=step, **more)


def test_a_step_of_a_stage_is_noted_once_whoever_notes_it_again() -> None:
    log = new_log()

    assert log.note_retraining(ASKED)
    assert log.note_retraining(event("evaluate", "begun"))
    assert not log.note_retraining(event("evaluate", "begun", at_us=NOON + 5))
    assert log.note_retraining(structs.replace(ASKED, run="fraud-2"))

    assert [run.id for run in log.retrainings("fraud")] == ["fraud-1", "fraud-2"]
    assert [one.at_us for one in log.retrainings("fraud")[0].events] == [NOON, NOON]
    assert log.retrainings("other") == ()


def test_a_run_stands_as_its_last_word_says() -> None:
    steps = [ASKED]

    def state() -> str:
        return runs_of(steps)[0].state

    assert state() == "waits"
    steps.append(event("evaluate", "begun"))
    assert state() == "runs"
    steps += [event("evaluate", "done"), event("retrain", "done", bundle="ab")]
    assert state() == "runs"
    assert runs_of(steps)[0].bundle == "ab"
    assert runs_of([*steps, event("champion", "done")])[0].state == "released"
    for last in ("not_needed", "refused", "failed", "stopped"):
        run = runs_of([*steps, event("gates", last, reason="so")])[0]
        assert run.state == last
        assert run.ended is not None
        assert run.ended.reason == "so"


def test_who_wants_it_stopped_stands_there_and_ends_nothing_yet() -> None:
    run = runs_of([ASKED, event("", "stop_asked", by="ann", reason="no")])[0]

    assert run.stop is not None
    assert (run.stop.by, run.ended) == ("ann", None)
    assert run.noted("evaluate", "begun") is None


def test_an_event_of_a_later_version_is_refused() -> None:
    given = parts()
    with Journal.open(DIRECTORY, disk=given["disk"], clock=given["clock"]) as journal:
        journal.append([Entry("retraining", "acme", "fraud", b'{"format": 2}')])

    with pytest.raises(NewerDocument):
        ControlLog(DIRECTORY, **given).retrainings("fraud")
