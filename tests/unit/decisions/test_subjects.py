"""The keys of a data directory: opened for contracts, with the right master key, for every door."""

from pathlib import Path

import pytest

from kingpost.contracts import ContentClosed, ContentUnreadable, Withheld, contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory, open_subjects, opened_subjects
from kingpost.integrations import Intake, ingest_file
from kingpost.journal import scan
from kingpost.subjects import MasterKeyUnusable, SubjectKeyMissing
from tests.claims_app import Claim, body

CONTRACT = contract_of(Claim)
STREAMS = (CONTRACT,)


def encrypted(where: DataDirectory, identifier: str = "1") -> bytes:
    with opened_subjects(where, STREAMS):
        return CONTRACT.protect("acme", CONTRACT.decode(body(identifier)), 0).body


def test_keys_are_there_while_they_are_open(tmp_path: Path) -> None:
    where = DataDirectory(tmp_path)
    stored = encrypted(where)
    assert where.master_key.stat().st_mode & 0o777 == 0o600
    assert where.subject_keys.stat().st_mode & 0o777 == 0o600

    with pytest.raises(ContentClosed):
        CONTRACT.decode_stored(stored)
    with opened_subjects(where, STREAMS):
        assert CONTRACT.decode_stored(stored).name == "Ann Winter"
        with opened_subjects(DataDirectory(tmp_path / "other"), STREAMS):
            assert CONTRACT.decode_stored(stored).name == "Ann Winter", "open already"
        assert CONTRACT.decode_stored(stored).name == "Ann Winter"


def test_another_master_key_or_none_is_refused(tmp_path: Path) -> None:
    where, other = DataDirectory(tmp_path / "one"), DataDirectory(tmp_path / "other")
    encrypted(where)
    encrypted(other)
    own = where.master_key.read_bytes()

    for content in (other.master_key.read_bytes(), b"something else\n", b"", own[:-9]):
        where.master_key.write_bytes(content)
        with pytest.raises(MasterKeyUnusable):
            open_subjects(where, STREAMS)
    where.master_key.unlink()
    with pytest.raises(MasterKeyUnusable, match="not there"):
        open_subjects(where, STREAMS)
    assert not where.master_key.exists(), "no other is made"


def test_content_without_its_key_is_withheld_from_a_server_and_refused_to_a_computation(
    tmp_path: Path,
) -> None:
    stored, elsewhere = encrypted(DataDirectory(tmp_path / "one")), DataDirectory(tmp_path / "two")

    subjects = open_subjects(elsewhere, STREAMS)
    assert subjects is not None
    assert CONTRACT.decode_stored(stored).name == Withheld.NO_KEY
    subjects.close()
    with opened_subjects(elsewhere, STREAMS), pytest.raises(SubjectKeyMissing):
        CONTRACT.decode_stored(stored)


def test_content_of_another_listed_partition_is_read_with_its_keys(tmp_path: Path) -> None:
    roots = {name: tmp_path / name for name in ("north", "south", "west")}
    listed = tuple(roots.items())
    theirs = encrypted(DataDirectory(roots["south"], "south", listed))

    with opened_subjects(DataDirectory(roots["north"], "north", listed), STREAMS):
        assert CONTRACT.decode_stored(theirs).name == "Ann Winter"


def test_content_of_a_later_format_is_refused(tmp_path: Path) -> None:
    where = DataDirectory(tmp_path)
    stored = encrypted(where).replace(b'"~personal":{"format":1', b'"~personal":{"format":2')

    with opened_subjects(where, STREAMS), pytest.raises(ContentUnreadable):
        CONTRACT.decode_stored(stored)


def test_a_file_is_taken_in_encrypted_and_its_wrong_rows_without_content(tmp_path: Path) -> None:
    where, file = DataDirectory(tmp_path / "data"), tmp_path / "claims.jsonl"
    wrong = body("9").replace(b"20.0", b'"no amount"')
    file.write_bytes(b"\n".join([body("1"), body("2", "Bob Winter"), body("1"), wrong]))

    for is_again in (False, True):
        with (
            opened_subjects(where, STREAMS),
            Intake.open(where.data, STREAMS, disk=SystemDisk(), clock=SystemClock()) as intake,
        ):
            report = ingest_file(intake, CONTRACT, file, tenant="acme")
            assert report.accepted == (0 if is_again else 2)
            assert report.quarantined == (0 if is_again else 1)

    entries = [one for commit in scan(where.data, disk=SystemDisk()) for one in commit.entries]
    assert [one.kind for one in entries] == ["contract", "event", "event", "quarantine"]
    assert not any(b"Winter" in one.body or b"winter.ex" in one.body for one in entries)
    with opened_subjects(where, STREAMS):
        names = [CONTRACT.decode_stored(one.body).name for one in entries if one.kind == "event"]
    assert names == ["Ann Winter", "Bob Winter"]
