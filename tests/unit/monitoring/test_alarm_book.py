"""Alarms: one incident of an entity at a time, whatever the batches and the restarts."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.monitoring import HOUR_US, RUNBOOKS, Alarmed, AlarmTerms, Incident, MemoryMonitors
from kingpost.monitoring.alarm_book import AlarmBook
from tests.unit.monitoring.test_stores import INCIDENT

DAY_US = 24 * HOUR_US
TERMS = AlarmTerms(every_us=DAY_US, word="anomalous")


@pytest.fixture
def store() -> MemoryMonitors:
    return MemoryMonitors()


def alarm(entity: str, hour: int, number: int = 1) -> Alarmed:
    return Alarmed(entity, hour * HOUR_US, hour * HOUR_US + 5, b"b" * 32, bytes([number]), 0.75)


def told(
    store: MemoryMonitors, *batches: Sequence[Alarmed], until_h: int | None = None
) -> list[Incident]:
    """Tell batches, each to a book made anew; return all incidents in the order of opening."""
    for batch in batches:
        book = AlarmBook("acme", "anomaly", store, TERMS)
        for one in batch:
            book.tell(one)
        if until_h is not None:
            book.pass_to(until_h * HOUR_US)
        for incident in book.take()[0]:
            store.save_incident(incident)
    return sorted(store.incidents("acme"), key=lambda one: (one.opened_us, one.id))


def test_the_first_alarm_of_an_entity_opens_an_incident_that_says_all_of_it(
    store: MemoryMonitors,
) -> None:
    book = AlarmBook("acme", "anomaly", store, TERMS)

    book.tell(alarm("pump-3", 5))
    changed, [opened] = book.take()

    assert changed == [opened]
    assert (opened.title, opened.columns) == ("anomaly: pump-3 is anomalous", ("pump-3",))
    assert (opened.kind, opened.opened_us, opened.is_open) == ("alarm", 5 * HOUR_US, True)
    assert (opened.value, opened.limit, opened.records) == (0.75, 0, ("01",))
    assert opened.facts == ("pump-3 is anomalous, with a score of 0.75",)
    assert opened.runbook == RUNBOOKS["alarm"]
    assert book.take() == ([], [])


def test_what_alarms_again_joins_until_the_time_is_over(store: MemoryMonitors) -> None:
    first, second = told(store, [alarm("a", 0), alarm("a", 23, 2), alarm("a", 24, 3)])

    assert (first.records, first.ended_us) == (("01", "02"), DAY_US)
    assert (second.records, second.opened_us, second.is_open) == (("03",), DAY_US, True)


def test_at_most_twenty_records_are_kept(store: MemoryMonitors) -> None:
    [only] = told(store, [alarm("a", 1, number) for number in range(30)])

    assert len(only.records) == 20


def test_entities_alarm_each_for_itself(store: MemoryMonitors) -> None:
    found = told(store, [alarm("a", 0), alarm("b", 1), alarm("a", 2)])

    assert [one.columns for one in found] == [("a",), ("b",)]
    assert len({one.id for one in found}) == 2


def test_a_late_alarm_joins_and_opens_nothing(store: MemoryMonitors) -> None:
    [only] = told(store, [alarm("a", 100), alarm("a", 3, 2)], [alarm("a", 4, 3)])

    assert (only.opened_us, only.records) == (100 * HOUR_US, ("01", "02", "03"))


def test_it_ends_by_itself_when_the_stream_has_passed(store: MemoryMonitors) -> None:
    [going_on] = told(store, [alarm("a", 0)], [], until_h=23)
    [ended] = told(store, [], until_h=40)

    assert going_on.is_open
    assert ended == replace(going_on, ended_us=DAY_US)


def test_other_incidents_of_the_decision_are_left_alone(store: MemoryMonitors) -> None:
    store.save_incident(replace(INCIDENT, tenant="acme", decision="anomaly", kind="drift"))

    found = told(store, [alarm("a", 0)], until_h=1_000_000)

    assert sorted(one.kind for one in found if one.is_open) == ["drift"]


def test_a_runbook_of_the_applications_own_is_named(store: MemoryMonitors) -> None:
    terms = AlarmTerms(DAY_US, "anomalous", "https://wiki.example/pumps")
    book = AlarmBook("acme", "anomaly", store, terms)

    book.tell(alarm("a", 0))

    assert book.take()[1][0].runbook == "https://wiki.example/pumps"


ALARMS = st.lists(
    st.builds(alarm, st.sampled_from("ab"), st.integers(0, 120), st.integers(0, 255)), max_size=25
)


@given(alarms=ALARMS, cuts=st.sets(st.integers(0, 25)))
def test_the_same_incidents_come_of_any_batches_and_restarts(
    alarms: list[Alarmed], cuts: set[int]
) -> None:
    edges = [0, *sorted(cut for cut in cuts if cut < len(alarms)), len(alarms)]
    batches = [alarms[start:end] for start, end in pairwise(edges)]

    assert told(MemoryMonitors(), *batches) == told(MemoryMonitors(), alarms)
