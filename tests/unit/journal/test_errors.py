"""Errors of the journal: picklable, with a code, saying what to do."""

import pickle
from pathlib import Path

import pytest

from kingpost import journal
from kingpost.core import KingpostError

PATH = Path("journal/data")
ERRORS: list[KingpostError] = [
    journal.BadCommit("it has no entries"),
    journal.BadPartitionName("A"),
    journal.BadPosition("x"),
    journal.DifferentPartitions("a:1", "b:1"),
    journal.JournalClosed(PATH),
    journal.JournalCorrupt(PATH, 7, "a hole"),
    journal.JournalFailed(PATH, "EIO"),
    journal.JournalFull(PATH),
    journal.JournalInUse(PATH, 7),
    journal.JournalInUse(PATH, None),
    journal.JournalNewer(PATH, 2, 1),
    journal.JournalReadOnly(PATH, "Read-only file system"),
    journal.NoSuchOffset(PATH, 7, 3),
    journal.SegmentArchived(PATH, "s3://records/a", "segments/data/0.log"),
    journal.UnknownPartition("a", "b:1"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: KingpostError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_every_error_has_a_code_of_its_own() -> None:
    kinds = {type(error) for error in ERRORS}
    faces = {each for each in vars(journal).values() if isinstance(each, type)}

    assert kinds == {each for each in faces if issubclass(each, KingpostError)}
    assert len({kind.code for kind in kinds}) == len(kinds)
