import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from kingpost.contracts import LAST_US, BadRow, ContractViolation, Instant
from kingpost.integrations import (
    QuarantinedRow,
    RefusedRow,
    UnreadableQuarantine,
    quarantine_entry,
    quarantined,
    refused_line,
    refused_row,
)
from kingpost.integrations.quarantine import digest_of, event_of
from kingpost.journal import Journal
from tests.payments import PAYMENT, Payment
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

DIRECTORY = Path("/journal/data")
VIOLATION = ContractViolation("payment", "amount", "`float`", "`str`")
NOON = Instant.parse("2018-08-01T12:00:00Z")


def kept(row: RefusedRow) -> QuarantinedRow:
    """Put a row in quarantine and list it."""
    disk = SimulatedDisk()
    with Journal.open(DIRECTORY, disk=disk, clock=StoppedClock()) as journal:
        journal.append([quarantine_entry("acme", "payment", "a.csv", row)])
    [found] = quarantined(DIRECTORY, disk=disk)
    return found


def values(**named: object) -> RefusedRow:
    return refused_row(BadRow(7, named, VIOLATION))


def test_a_quarantined_row_tells_where_it_came_from_and_why_it_is_there() -> None:
    row = kept(values(id=1, at=NOON, amount="x", shop=None, ratio=0.5))

    assert json.loads(row.raw) == {
        "id": 1,
        "at": "2018-08-01T12:00:00Z",
        "amount": "x",
        "shop": None,
        "ratio": 0.5,
    }
    assert row._replace(raw="") == QuarantinedRow(
        offset=0,
        at_us=StoppedClock().now_us(),
        tenant="acme",
        stream="payment",
        source="a.csv",
        row=7,
        form="values",
        raw="",
        zone=None,
        field="amount",
        expected="`float`",
        found="`str`",
        is_whole=True,
    )
    assert str(row.violation) == "payment.amount: expected `float`, found `str`"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**70,
        b"bytes",
        Decimal("1.5"),
        ["list"],
        Instant(LAST_US + 1),
        "\ud800",
    ],
)
def test_what_json_cannot_hold_is_shown_and_never_read_again_as_something_else(
    value: object,
) -> None:
    row = kept(values(id=1, at=NOON, amount=1.0, shop=value))

    assert row.form == "shown"
    with pytest.raises(ContractViolation):
        event_of(row, PAYMENT)


def test_missing_values_of_a_table_are_replayed_as_missing() -> None:
    row = kept(values(id=1, at=NOON, amount=1.0, shop=None, ratio=None))

    assert event_of(row, PAYMENT) == Payment(id=1, at=NOON, amount=1.0)


def test_a_line_is_replayed_as_the_json_it_is() -> None:
    row = kept(refused_line(1, b'{"id":1,"at":"2018-08-01T12:00:00","amount":1}', VIOLATION))

    with pytest.raises(ContractViolation, match="a time without one"):
        event_of(row, PAYMENT)
    assert event_of(row, PAYMENT, zone="UTC") == Payment(id=1, at=NOON, amount=1.0)


def test_rows_are_the_same_by_what_they_hold() -> None:
    again = refused_row(BadRow(9, {"id": 1}, VIOLATION), zone="UTC")

    assert digest_of(values(id=1)) == digest_of(again)
    assert digest_of(values(id=1)) != digest_of(values(id="1"))
    assert digest_of(values(id="1")) != digest_of(
        refused_row(BadRow(7, {"id": "1"}, VIOLATION), text=True)
    )


def test_a_row_of_a_later_format_is_refused() -> None:
    disk = SimulatedDisk()
    entry = quarantine_entry("acme", "payment", "a.csv", values(id=1))
    later = msgspec.structs.replace(entry, body=entry.body.replace(b'"format":1', b'"format":2'))
    with Journal.open(DIRECTORY, disk=disk, clock=StoppedClock()) as journal:
        journal.append([later])

    with pytest.raises(UnreadableQuarantine, match="offset 0: format 2, this version reads up to"):
        quarantined(DIRECTORY, disk=disk)


def test_a_partition_that_does_not_exist_has_no_quarantine() -> None:
    assert quarantined(DIRECTORY, disk=SimulatedDisk()) == []


def test_a_row_at_a_lasting_place_is_there_once_however_often_it_comes() -> None:
    disk = SimulatedDisk()
    one, other = refused_line(7, b"{", VIOLATION), refused_line(8, b"{", VIOLATION)
    with Journal.open(DIRECTORY, disk=disk, clock=StoppedClock()) as journal:
        for row in (one, other, one):
            journal.append([quarantine_entry("acme", "payment", "a", row, is_lasting=True)])
        journal.append([quarantine_entry("acme", "payment", "a", one)])

    assert [row.row for row in quarantined(DIRECTORY, disk=disk)] == [7, 8, 7]
