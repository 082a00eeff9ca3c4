"""One incident per kind: opened once, joined, ended when it has been quiet for an hour."""

from collections.abc import Sequence
from dataclasses import replace

from kingpost.monitoring import HOUR_US, MINUTE_US, Incident, incident_id
from kingpost.monitoring.incident_book import Breach, IncidentBook
from kingpost.monitoring.status import Monitor
from tests.unit.monitoring.test_stores import INCIDENT


def breach(
    at_us: int,
    columns: Sequence[str] = ("amount",),
    monitor: Monitor = "drift",
    until_us: int | None = None,
) -> Breach:
    def describe() -> Incident:
        return replace(
            INCIDENT,
            id=incident_id("acme", "fraud", monitor, at_us),
            kind=monitor,
            columns=tuple(columns),
            opened_us=at_us,
        )

    return Breach(monitor, at_us, at_us if until_us is None else until_us, columns, describe)


def test_a_breach_opens_an_incident_and_the_next_one_does_not() -> None:
    book = IncidentBook({})

    book.tell(breach(0))
    book.tell(breach(MINUTE_US))
    changed, opened = book.take()

    assert [one.opened_us for one in opened] == [0]
    assert list(changed) == list(opened)
    assert book.take() == ([], [])


def test_kinds_have_incidents_of_their_own() -> None:
    book = IncidentBook({})

    book.tell(breach(0))
    book.tell(breach(0, monitor="missing"))

    assert [one.kind for one in book.take()[1]] == ["drift", "missing"]
    assert book.going_on.keys() == {"drift", "missing"}


def test_columns_join_behind_those_that_were_there() -> None:
    book = IncidentBook({})

    book.tell(breach(0, ["amount"]))
    book.tell(breach(MINUTE_US, ["count", "amount", "age"]))

    joined = book.take()[0][0]
    assert joined.columns == ("amount", "count", "age")
    assert joined.joined == ((MINUTE_US, "count"), (MINUTE_US, "age"))


def test_an_hour_of_quiet_ends_it_whenever_that_is_noticed() -> None:
    soon, late = IncidentBook({}), IncidentBook({})
    for book in (soon, late):
        book.tell(breach(0))
        book.tell(breach(5 * MINUTE_US))

    soon.pass_to(5 * MINUTE_US + HOUR_US)
    assert soon.going_on
    soon.pass_to(6 * MINUTE_US + HOUR_US)
    late.tell(breach(5 * HOUR_US))

    ended = [book.take()[0][0].ended_us for book in (soon, late)]
    assert ended == [5 * MINUTE_US + HOUR_US] * 2
    assert late.going_on["drift"].incident.opened_us == 5 * HOUR_US


def test_what_is_measured_by_the_hour_counts_until_the_next_measure() -> None:
    book = IncidentBook({})
    book.tell(breach(HOUR_US, until_us=2 * HOUR_US))

    book.pass_to(3 * HOUR_US)
    assert book.going_on
    book.pass_to(3 * HOUR_US + MINUTE_US)

    assert book.take()[0][0].ended_us == 3 * HOUR_US


def test_an_id_says_what_it_is_of() -> None:
    first = incident_id("acme", "fraud", "drift", 1)

    assert first == incident_id("acme", "fraud", "drift", 1)
    others = {
        incident_id("umbrella", "fraud", "drift", 1),
        incident_id("acme", "refund", "drift", 1),
        incident_id("acme", "fraud", "missing", 1),
        incident_id("acme", "fraud", "drift", 2),
    }
    assert len(others - {first}) == 4


def test_a_time_without_decisions_ends_nothing_that_decisions_are_measured_by() -> None:
    book = IncidentBook({})
    book.tell(breach(0))
    book.tell(breach(0, monitor="quality"))
    book.take()

    book.pause(30 * MINUTE_US, 9 * HOUR_US)
    book.tell(breach(9 * HOUR_US))

    changed, opened = book.take()
    assert opened == []
    assert [(one.kind, one.ended_us) for one in changed] == [("quality", HOUR_US)]
    book.pass_to(10 * HOUR_US + MINUTE_US)
    assert [one.ended_us for one in book.take()[0]] == [10 * HOUR_US]


def test_what_was_over_before_a_time_without_decisions_stays_over() -> None:
    book = IncidentBook({})
    book.tell(breach(0))

    book.pause(2 * HOUR_US, 9 * HOUR_US)

    assert [one.ended_us for one in book.take()[0]] == [HOUR_US]
