import errno
from collections.abc import Iterable

import numpy as np
import pytest

from kingpost.contracts import (
    BadRow,
    ColumnBatch,
    ContractViolation,
    Event,
    EventTime,
    IncompatibleContract,
    Instant,
    Key,
    batch_of,
    check_columns,
    contract_of,
    decode_batch,
)
from kingpost.integrations import (
    Accepted,
    KeyIndex,
    RefusedRow,
    UnknownStream,
    quarantined,
    refused_row,
)
from kingpost.journal import Entry, Journal, JournalFailed, JournalInUse
from tests.payments import DIRECTORY, PAYMENT, Payment, commits_on, held, open_intake
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock


def payment(number: int, shop: str = "-") -> Payment:
    return Payment(id=number, at=Instant(number), amount=1.0, shop=shop)


def batch(numbers: Iterable[int], shop: str = "-") -> ColumnBatch:
    return batch_of(PAYMENT, [payment(number, shop) for number in numbers])


def bad_row(number: int, value: str = "x") -> RefusedRow:
    violation = ContractViolation("payment", "amount", "`float`", "`str`")
    return refused_row(BadRow(number, {"id": 1, "amount": value}, violation))


def test_events_are_written_with_their_contract_before_them() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        first = intake.accept_batch("acme", PAYMENT, batch([1, 2]))
        second = intake.accept_batch("acme", PAYMENT, batch([3]))

    assert first == Accepted(rows=2, duplicates=0, offset=1)
    assert second == Accepted(rows=1, duplicates=0, offset=3)
    assert [
        (commit.offset, entry.kind, entry.tenant, entry.topic, entry.count)
        for commit in commits_on(disk)
        for entry in commit.entries
    ] == [
        (0, "contract", "", "payment", 1),
        (0, "events", "acme", "payment", 2),
        (3, "events", "acme", "payment", 1),
    ]
    assert held(disk) == [(1, payment(1)), (2, payment(2)), (3, payment(3))]


def test_of_equal_keys_the_first_wins_and_the_others_are_counted() -> None:
    disk = SimulatedDisk()
    rows = batch_of(PAYMENT, [payment(1, "a"), payment(2, "b"), payment(1, "c")])
    with open_intake(disk) as intake:
        first = intake.accept_batch("acme", PAYMENT, rows)
        again = intake.accept_batch("acme", PAYMENT, batch([2, 3], "d"))

    assert first[:2] == (2, 1)
    assert again[:2] == (1, 1)
    assert [event for _, event in held(disk)] == [
        payment(1, "a"),
        payment(2, "b"),
        payment(3, "d"),
    ]


def test_a_batch_of_duplicates_writes_nothing() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, batch([1]))
        before = commits_on(disk)

        again = intake.accept_batch("acme", PAYMENT, batch([1, 1]))
        nothing = intake.accept_batch("acme", PAYMENT, batch([]))

    assert again == Accepted(0, 2, None)
    assert nothing == Accepted(0, 0, None)
    assert commits_on(disk) == before


def test_the_keys_of_one_tenant_are_not_those_of_another() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, batch([1]))

        assert intake.accept_batch("bank", PAYMENT, batch([1])).rows == 1


def test_keys_are_known_again_after_reopening_from_batches_and_from_single_events() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, batch([1, 2]))
    with Journal.open(DIRECTORY, disk=disk, clock=StoppedClock()) as journal:
        body = b'{"note":1,"id":3,"at":"2018-08-01T00:00:00Z","amount":1}'
        journal.append([Entry("event", "acme", "payment", body), Entry("record", "acme", "x", b"")])

    with open_intake(disk) as intake:
        accepted = intake.accept_batch("acme", PAYMENT, batch([1, 2, 3, 4]))

        assert accepted[:2] == (1, 3)
        assert intake.keys.count("acme", "payment") == 4


def many(rows: int) -> ColumnBatch:
    numbers = np.arange(rows)
    sound, _ = check_columns(
        PAYMENT, {"id": numbers, "at": numbers.astype("M8[us]"), "amount": numbers / 100}
    )
    return sound


def held_ids(disk: SimulatedDisk) -> list[object]:
    batches = [
        decode_batch(entry.body, PAYMENT)
        for commit in commits_on(disk)
        for entry in commit.entries
        if entry.kind == "events"
    ]
    return [number for batch in batches for number in batch.values("id")]


def test_large_batches_are_written_in_parts() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        accepted = intake.accept_batch("acme", PAYMENT, many(70_000))

    counts = [entry.count for commit in commits_on(disk) for entry in commit.entries]
    assert accepted == Accepted(70_000, 0, 1)
    assert counts == [1, 65_536, 70_000 - 65_536]
    assert held_ids(disk) == list(range(70_000))


def test_a_batch_of_long_texts_is_halved_until_it_fits_an_entry() -> None:
    disk = SimulatedDisk()
    rows = batch_of(PAYMENT, [payment(number, f"{number}" * 1_000_000) for number in range(10, 22)])
    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, rows)

    counts = [entry.count for commit in commits_on(disk) for entry in commit.entries]
    assert counts == [1, 3, 3, 3, 3]
    assert len(held(disk)) == 12


def test_a_contract_that_changed_is_written_again() -> None:
    class Later:
        class Payment(Payment):
            country: str = "IT"

    disk = SimulatedDisk()
    later = contract_of(Later.Payment)
    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, batch([1]))
    with open_intake(disk, later) as intake:
        event = Later.Payment(id=2, at=Instant(2), amount=1.0, country="FR")
        intake.accept_batch("acme", later, batch_of(later, [event]))
        intake.accept_batch("acme", later, batch_of(later, []))

    described = [
        entry.body
        for commit in commits_on(disk)
        for entry in commit.entries
        if entry.kind == "contract"
    ]
    assert described == [PAYMENT.description, later.description]


def test_a_contract_that_cannot_read_what_any_earlier_one_wrote_is_refused() -> None:
    class Without:
        class Payment(Event):
            id: Key[int]
            at: EventTime

    class Other:
        class Payment(Without.Payment):
            shop: int = 0

    disk = SimulatedDisk()
    without, other = contract_of(Without.Payment), contract_of(Other.Payment)
    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, batch([1]))
    with open_intake(disk, without) as intake:
        event = Without.Payment(id=2, at=Instant(2))
        intake.accept_batch("acme", without, batch_of(without, [event]))

    # the last description has no `shop`, the first has one of another type
    with pytest.raises(IncompatibleContract, match=r"payment\.shop: was text and is now integer"):
        open_intake(disk, other)


def test_a_stream_the_intake_was_not_opened_for_is_refused() -> None:
    class Refund(Event):
        id: Key[int]
        at: EventTime

    refund = contract_of(Refund)
    with (
        open_intake(SimulatedDisk()) as intake,
        pytest.raises(UnknownStream, match="no stream is called 'refund'; this intake knows paym"),
    ):
        intake.accept_batch("acme", refund, batch_of(refund, []))


def test_one_intake_at_a_time() -> None:
    disk = SimulatedDisk()
    with open_intake(disk), pytest.raises(JournalInUse):
        open_intake(disk)


def test_refused_rows_are_kept_once_whatever_source_they_come_in() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        first = intake.quarantine(
            "acme", "payment", "a.csv", [bad_row(2), bad_row(9), bad_row(3, "y")]
        )
        again = intake.quarantine("acme", "payment", "b.csv", [bad_row(2), bad_row(4, "z")])
    with open_intake(disk) as intake:
        reopened = intake.quarantine("acme", "payment", "a.csv", [bad_row(2), bad_row(3, "y")])
        other_tenant = intake.quarantine("bank", "payment", "a.csv", [bad_row(2)])

    assert (first, again, reopened, other_tenant) == (2, 1, 0, 1)
    rows = quarantined(DIRECTORY, disk=disk, tenant="acme")
    assert [(row.source, row.row) for row in rows] == [("a.csv", 2), ("a.csv", 3), ("b.csv", 4)]
    assert [row.offset for row in rows] == [0, 1, 2]


def test_marked_rows_are_in_quarantine_no_more_and_are_not_kept_again() -> None:
    disk = SimulatedDisk()
    with open_intake(disk) as intake:
        intake.quarantine("acme", "payment", "a.csv", [bad_row(2), bad_row(3, "y")])
        intake.mark_replayed("acme", "payment", [0])

        assert [row.row for row in intake.quarantined("acme", "payment")] == [3]
        assert intake.quarantine("acme", "payment", "a.csv", [bad_row(2)]) == 0


def test_what_the_disk_refused_is_not_taken_for_held() -> None:
    disk = SimulatedDisk()
    intake = open_intake(disk)
    intake.accept_batch("acme", PAYMENT, many(1))
    disk.fails = dict.fromkeys(range(disk.steps + 1, disk.steps + 9), errno.EIO)
    with pytest.raises(JournalFailed):
        intake.accept_batch("acme", PAYMENT, many(140_000))
    with pytest.raises(JournalFailed):
        intake.accept_batch("acme", PAYMENT, many(140_000))
    intake.close()
    disk.fails = {}

    with open_intake(disk) as intake:
        intake.accept_batch("acme", PAYMENT, many(140_000))

    assert held_ids(disk) == list(range(140_000))


def test_the_key_index_says_which_rows_are_new() -> None:
    index = KeyIndex()
    index.add("acme", "payment", [1, 2])

    assert index.fresh("acme", "payment", [3, 1, 3, 4]).tolist() == [True, False, False, True]
    assert index.fresh("acme", "payment", [3, 4]).all()
    assert index.fresh("acme", "refund", ["a", "b", "a"]).tolist() == [True, True, False]
    assert index.fresh("acme", "payment", []).dtype == np.bool_
    assert index.count("acme", "payment") == 2
    assert index.count("bank", "payment") == 0
