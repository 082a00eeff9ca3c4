"""Which decisions an incident affected, by its kind."""

from dataclasses import replace

import pytest

from kingpost.monitoring import HOUR_US, Incident, Monitor, affected_query
from kingpost.records import Outcome, RecordQuery

OPENED_US = 1_790_000_000 * 10**6
INCIDENT = Incident(
    id="0b5cf2f0-5b9d-5d4e-8d93-3b8b9f6f2a11",
    tenant="acme",
    decision="fraud",
    kind="drift",
    title="amount has drifted",
    columns=("amount",),
    opened_us=OPENED_US,
    breach_since_us=OPENED_US - 70_000_000,
    value=6.21,
    limit=0.61,
    window="fast",
    rows=60,
    bundle="62" * 32,
)
QUERY = RecordQuery(tenant="acme", decision="fraud")
SINCE_US, HOUR_BEFORE_US = INCIDENT.breach_since_us, OPENED_US - HOUR_US


@pytest.mark.parametrize(
    ("kind", "window", "expected"),
    [
        ("drift", "fast", replace(QUERY, since_us=SINCE_US)),
        ("drift", "hour", replace(QUERY, since_us=HOUR_BEFORE_US)),
        ("score", "fast", replace(QUERY, since_us=SINCE_US, model=b"b" * 32)),
        ("failures", "hour", replace(QUERY, since_us=HOUR_BEFORE_US, outcome=Outcome.FAILED)),
        ("slo", "1h/5m", replace(QUERY, decided_since_us=SINCE_US, outcome=Outcome.FAILED)),
        (
            "quality",
            "week",
            replace(QUERY, since_us=OPENED_US - 7 * 24 * HOUR_US, model=b"b" * 32, mistaken=True),
        ),
        ("alarm", "", None),
        ("extraction", "", None),
    ],
)
def test_they_are_those_its_kind_is_about_from_the_first_that_was_measured(
    kind: Monitor, window: str, expected: RecordQuery | None
) -> None:
    assert affected_query(replace(INCIDENT, kind=kind, window=window)) == expected


def test_a_promised_time_makes_slow_answers_count() -> None:
    burning = replace(INCIDENT, kind="slo", window="1h/5m", columns=("fast",))
    slow = replace(INCIDENT, kind="latency", columns=("total",), limit=25_000.0)

    assert affected_query(burning, 50_000) == replace(
        QUERY, decided_since_us=SINCE_US, missed_us=50_000
    )
    assert affected_query(slow) == replace(QUERY, since_us=SINCE_US, missed_us=25_000)


def test_the_quiet_hour_before_the_end_affected_nothing() -> None:
    over = replace(INCIDENT, ended_us=OPENED_US + 3 * HOUR_US)

    assert affected_query(over) == replace(
        QUERY, since_us=SINCE_US, until_us=OPENED_US + 2 * HOUR_US
    )
