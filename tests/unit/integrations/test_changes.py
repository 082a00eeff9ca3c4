"""Corrections and retractions from files: durable, idempotent, and never half a mistake."""

from pathlib import Path

import pytest

from kingpost.features import Histories, History
from kingpost.integrations import (
    CorrectionReport,
    Intake,
    Reading,
    RetractionReport,
    SchemaMismatch,
    correct_file,
    ingest_file,
    retract_file,
)
from kingpost.journal import scan
from tests.payments import DIRECTORY, PAYMENT, open_intake
from tests.simulated_disk import SimulatedDisk

EVENTS = """\
id,at,amount,shop
1,2018-08-01T00:01:00Z,1.5,x
2,2018-08-01T00:02:00Z,2.5,y
3,2018-08-01T00:03:00Z,3.5,z
"""
CORRECTIONS = """\
id,at,amount,shop
2,2018-08-01T00:02:00Z,20,y
9,2018-08-01T00:09:00Z,1,x
3,2018-08-01T00:03:00Z,-1,z
"""


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk()


def file(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text)
    return path


def take(intake: Intake, path: Path) -> None:
    ingest_file(intake, PAYMENT, path, tenant="acme")


def correct(intake: Intake, path: Path) -> CorrectionReport:
    return correct_file(intake, PAYMENT, path, tenant="acme")


def retract(intake: Intake, path: Path, reading: Reading | None = None) -> RetractionReport:
    return retract_file(intake, PAYMENT, path, tenant="acme", reading=reading)


def history(disk: SimulatedDisk) -> History:
    histories = Histories([PAYMENT])
    for commit in scan(DIRECTORY, disk=disk):
        histories.add(commit)
    return histories.of("acme")["payment"]


def amounts(disk: SimulatedDisk) -> dict[object, object]:
    live = history(disk.after_kill()).live().events
    return dict(zip(live.values("id"), live.values("amount"), strict=True))


def test_a_file_of_corrections_replaces_what_is_held_and_says_what_it_could_not(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    with open_intake(disk) as intake:
        take(intake, file(tmp_path, "events.csv", EVENTS))

        report = correct(intake, file(tmp_path, "corrections.csv", CORRECTIONS))

    assert (report.rows, report.corrected, report.unknown, report.refused) == (3, 1, 1, 1)
    assert report.problem == "row 4: amount: expected `float` >= 0.0, found a value outside it"
    assert amounts(disk) == {1: 1.5, 2: 20.0, 3: 3.5}


def test_the_same_corrections_again_change_nothing(disk: SimulatedDisk, tmp_path: Path) -> None:
    path = file(tmp_path, "corrections.csv", CORRECTIONS)
    with open_intake(disk) as intake:
        take(intake, file(tmp_path, "events.csv", EVENTS))
        correct(intake, path)
        assert correct(intake, path).unchanged == 1

    with open_intake(disk) as opened_again:
        report = correct(opened_again, path)

    assert (report.corrected, report.unchanged) == (0, 1)
    assert len(history(disk)) == 4


def test_of_several_corrections_of_one_event_the_last_one_stands(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    twice = file(
        tmp_path, "twice.csv",
        "id,at,amount,shop\n1,2018-08-01T00:01:00Z,7,x\n1,2018-08-01T00:01:00Z,8,x\n",
    )  # fmt: skip
    with open_intake(disk) as intake:
        take(intake, file(tmp_path, "events.csv", EVENTS))
        report = correct(intake, twice)

    assert (report.rows, report.corrected, report.unchanged) == (2, 1, 1)
    assert amounts(disk)[1] == 8.0


def test_a_file_of_keys_takes_events_back_and_holds_those_that_never_came(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    keys = file(tmp_path, "keys.csv", "id\n2\n77\n2\nx\n")
    with open_intake(disk) as intake:
        take(intake, file(tmp_path, "events.csv", EVENTS))
        report = retract(intake, keys)
        again = retract(intake, keys)
        take(intake, file(tmp_path, "late.csv", "id,at,amount\n77,2018-08-01T00:04:00Z,1\n"))
        take(intake, file(tmp_path, "events.csv", EVENTS))

    assert (report.rows, report.retracted, report.held, report.unchanged) == (4, 1, 1, 1)
    assert report.refused == 1
    assert report.problem.startswith("row 5: id: expected `int`")
    assert (again.retracted, again.held, again.unchanged) == (0, 0, 3)
    assert amounts(disk) == {1: 1.5, 3: 3.5}
    assert len(history(disk)) == 4


def test_an_intake_that_is_opened_again_knows_what_was_retracted(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    keys = file(tmp_path, "keys.csv", "id\n2\n")
    with open_intake(disk) as intake:
        take(intake, file(tmp_path, "events.csv", EVENTS))
        retract(intake, keys)

    with open_intake(disk) as opened_again:
        assert retract(opened_again, keys).unchanged == 1
        report = correct(opened_again, file(tmp_path, "corrections.csv", CORRECTIONS))

    assert (report.corrected, report.retracted) == (0, 1)
    assert amounts(disk) == {1: 1.5, 3: 3.5}


def test_keys_come_from_a_wider_file_when_its_other_columns_are_passed_over(
    disk: SimulatedDisk, tmp_path: Path
) -> None:
    path = file(tmp_path, "events.csv", EVENTS)
    with open_intake(disk) as intake:
        take(intake, path)
        with pytest.raises(SchemaMismatch):
            retract(intake, path)
        report = retract(intake, path, Reading(ignore_extra=True))

    assert report.retracted == 3
    assert amounts(disk) == {}
