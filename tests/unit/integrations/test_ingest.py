from pathlib import Path
from typing import Annotated

import duckdb
import pytest

from kingpost.contracts import Event, EventTime, Instant, Key, Range, Resolution, contract_of
from kingpost.integrations import (
    IngestReport,
    Intake,
    Reading,
    ReplayReport,
    SchemaMismatch,
    TooManyBadRows,
    UnreadableSource,
    ingest_chunks,
    ingest_file,
    quarantined,
    read_query,
    replay_quarantine,
)
from tests.payments import DIRECTORY, PAYMENT, Payment, commits_on, held, open_intake
from tests.simulated_disk import SimulatedDisk

ROWS = """\
id,at,amount,shop
1,2018-08-01T00:01:00Z,1.5,x
2,2018-08-01T00:02:00Z,-1,x
3,2018-08-01T00:03:00Z,2.5,y
1,2018-08-01T00:04:00Z,3.5,z
4,2018-08-01T00:05:00,4.5,z
"""


class Later:
    class Payment(Event):
        """The same stream, with room for refunds."""

        id: Key[int]
        at: EventTime
        amount: Annotated[float, Range(ge=-1000), Resolution("0.01")]
        shop: str = "-"
        ratio: float | None = None


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.rows, report.accepted, report.duplicates, report.quarantined


def ingest(intake: Intake, path: Path, reading: Reading | None = None) -> tuple[int, int, int, int]:
    return counts(ingest_file(intake, PAYMENT, path, tenant="acme", reading=reading))


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_a_file_is_taken_in_and_every_row_is_counted(disk: SimulatedDisk, rows: Path) -> None:
    with open_intake(disk) as intake:
        assert ingest(intake, rows) == (5, 2, 1, 2)

    assert [getattr(event, "shop") for _, event in held(disk)] == ["x", "y"]  # noqa: B009
    assert [
        (row.tenant, row.stream, row.source, row.row, row.field, row.expected, row.found)
        for row in quarantined(DIRECTORY, disk=disk)
    ] == [
        ("acme", "payment", str(rows), 3, "amount", "`float` >= 0.0", "a value outside it"),
        (
            "acme",
            "payment",
            str(rows),
            6,
            "at",
            "an ISO 8601 time with an offset, as 2018-08-01T12:00:00Z",
            "a time without one",
        ),
    ]


def test_the_same_file_again_adds_nothing(disk: SimulatedDisk, rows: Path) -> None:
    with open_intake(disk) as intake:
        ingest(intake, rows)
        before = commits_on(disk)
        again = ingest(intake, rows)
    with open_intake(disk) as intake:
        reopened = ingest(intake, rows)

    assert again == reopened == (5, 0, 5, 0)
    assert commits_on(disk) == before


def test_progress_is_told_after_each_chunk(disk: SimulatedDisk, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    select = 'n AS id, to_timestamp(n) AS "at", 1.0 AS amount FROM range(70000) AS numbers(n)'
    duckdb.execute(f"COPY (SELECT {select}) TO '{path}' (FORMAT parquet)")
    told: list[tuple[int, int, float]] = []

    def note(report: IngestReport, share: float) -> None:
        durable = sum(e.count for commit in commits_on(disk) for e in commit.entries) - 1
        assert report.accepted == durable
        told.append((report.rows, report.accepted, round(share, 3)))

    with open_intake(disk) as intake:
        ingest_file(intake, PAYMENT, path, tenant="acme", on_progress=note)

    assert told == [(65_536, 65_536, 0.936), (70_000, 70_000, 1.0)]


def test_a_source_of_mostly_bad_rows_is_refused_before_it_fills_the_quarantine(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    bad = "".join(f"{n},2018-08-01T00:01:00Z,free,x\n" for n in range(1500))
    good = "".join(f"{n},2018-08-01T00:01:00Z,1,x\n" for n in range(1499))
    path.write_text("id,at,amount,shop\n" + bad + good)

    with open_intake(disk) as intake, pytest.raises(TooManyBadRows) as caught:
        ingest(intake, path)

    assert commits_on(disk) == []
    assert "1,500 of 2,999 rows break the contract, most often amount: expected `float`" in str(
        caught.value
    )


def test_a_small_source_may_be_all_bad(disk: SimulatedDisk, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"id":{n}}}\n' for n in range(1000)))

    with open_intake(disk) as intake:
        assert ingest(intake, path) == (1000, 0, 0, 1000)


def test_a_changed_schema_takes_no_row(disk: SimulatedDisk, rows: Path) -> None:
    rows.write_text(ROWS.replace("amount", "sum"))

    with open_intake(disk) as intake, pytest.raises(SchemaMismatch):
        ingest(intake, rows)

    assert commits_on(disk) == []


def test_what_was_read_before_a_file_broke_off_is_kept_and_completed_later(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    lines = [f"{n},2018-08-01T00:01:00Z,1,x\n" for n in range(70_000)]
    path.write_text("id,at,amount,shop\n" + "".join(lines) + '"')

    with open_intake(disk) as intake:
        with pytest.raises(UnreadableSource, match="line 70002"):
            ingest(intake, path)
        path.write_text("id,at,amount,shop\n" + "".join(lines))

        assert ingest(intake, path) == (70_000, 70_000 - 65_536, 65_536, 0)


def test_rows_that_keep_the_contract_of_today_leave_the_quarantine(
    disk: SimulatedDisk, rows: Path
) -> None:
    later = contract_of(Later.Payment)
    with open_intake(disk) as intake:
        ingest(intake, rows)
        none = replay_quarantine(intake, PAYMENT, tenant="acme")
    with open_intake(disk, later) as intake:
        some = replay_quarantine(intake, later, tenant="acme")
        rest = replay_quarantine(intake, later, tenant="acme", zone="UTC")
        over = replay_quarantine(intake, later, tenant="acme", zone="UTC")
        again = counts(ingest_file(intake, later, rows, tenant="acme", reading=Reading(zone="UTC")))

    assert none == ReplayReport(rows=2, accepted=0, duplicates=0, refused=2)
    assert some == ReplayReport(rows=2, accepted=1, duplicates=0, refused=1)
    assert rest == ReplayReport(rows=1, accepted=1, duplicates=0, refused=0)
    assert over == ReplayReport(0, 0, 0, 0)
    assert again == (5, 0, 5, 0)
    assert [getattr(event, "id") for _, event in held(disk)[:2]] == [1, 3]  # noqa: B009


def test_rows_of_every_source_are_replayed_as_they_were_read(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    later = contract_of(Later.Payment)
    csv, lines = tmp_path / "a.csv", tmp_path / "a.jsonl"
    csv.write_text("ID,when,amount,shop\n1,2018-08-01 02:00:00,-1,12\n")
    lines.write_text('{"ID":2,"when":"2018-08-01T02:00:00","amount":-1,"shop":"12"}\n')
    select = (
        "SELECT 3 AS ID, TIMESTAMP '2018-08-01 02:00:00' AS \"when\", -1 AS amount, '12' AS shop"
    )
    reading = Reading({"id": "ID", "at": "when"}, zone="Europe/Rome")
    told: list[float] = []
    with open_intake(disk) as intake:
        assert ingest(intake, csv, reading) == (1, 0, 0, 1)
        assert ingest(intake, lines, reading) == (1, 0, 0, 1)
        chunks = read_query(select, PAYMENT, reading, source="query")
        report = ingest_chunks(intake, PAYMENT, chunks, tenant="acme", source="query")
        assert counts(report) == (1, 0, 0, 1)
    with open_intake(disk, later) as intake:
        replayed = replay_quarantine(
            intake, later, tenant="acme", on_progress=lambda _, share: told.append(share)
        )

    assert replayed == ReplayReport(rows=3, accepted=3, duplicates=0, refused=0)
    assert told == [1.0]
    midnight = Instant.parse("2018-08-01T00:00:00Z")
    assert [
        (getattr(event, "id"), getattr(event, "at"), getattr(event, "shop"))  # noqa: B009
        for _, event in held(disk, contract=later)
    ] == [(1, midnight, "12"), (2, midnight, "12"), (3, midnight, "12")]


def test_a_row_whose_event_came_another_way_leaves_the_quarantine_as_a_duplicate(
    disk: SimulatedDisk, rows: Path, tmp_path: Path
) -> None:
    mended = tmp_path / "mended.csv"
    mended.write_text(ROWS.replace("05:00,", "05:00Z,"))
    with open_intake(disk) as intake:
        ingest(intake, rows)
        assert ingest(intake, mended) == (5, 1, 4, 0)

        report = replay_quarantine(intake, PAYMENT, tenant="acme", zone="UTC")

    assert report == ReplayReport(rows=2, accepted=0, duplicates=1, refused=1)
    assert held(disk)[-1][1] == Payment(
        id=4, at=Instant.parse("2018-08-01T00:05:00Z"), amount=4.5, shop="z"
    )


def test_tenants_have_quarantines_of_their_own(disk: SimulatedDisk, rows: Path) -> None:
    with open_intake(disk) as intake:
        for tenant in ("acme", "bank"):
            report = ingest_file(intake, PAYMENT, rows, tenant=tenant)
            assert counts(report) == (5, 2, 1, 2)
        replay_quarantine(intake, PAYMENT, tenant="acme", zone="UTC")

    assert len(quarantined(DIRECTORY, disk=disk, tenant="acme")) == 1
    assert len(quarantined(DIRECTORY, disk=disk, tenant="bank")) == 2
    assert quarantined(DIRECTORY, disk=disk, stream="refund") == []
    assert len(quarantined(DIRECTORY, disk=disk)) == 3


def test_a_row_too_long_to_keep_is_cut_and_cannot_be_replayed(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    at = '"at":"2018-08-01T00:00:00Z"'
    path.write_text(f'{{"id":1,{at},"amount":-1,"shop":"{"x" * 20_000}"}}\n')
    later = contract_of(Later.Payment)
    with open_intake(disk) as intake:
        ingest(intake, path)
    with open_intake(disk, later) as intake:
        report = replay_quarantine(intake, later, tenant="acme")

    [row] = quarantined(DIRECTORY, disk=disk)
    assert (row.is_whole, len(row.raw)) == (False, 16_384)
    assert report == ReplayReport(rows=1, accepted=0, duplicates=0, refused=1)


def test_the_report_says_how_fast_it_went() -> None:
    assert IngestReport(100, 90, 5, 5, 2.0).rows_per_s == 50.0
    assert IngestReport(0, 0, 0, 0, 0.0).rows_per_s == 0.0
