"""Erasing in sealed files and archived objects: what they told of somebody goes, rows stay."""

import hashlib
from collections.abc import Generator, Sequence
from pathlib import Path

import duckdb
import pytest

from kingpost.core import id_text
from kingpost.decisions import (
    ErasedRows,
    ObjectStore,
    SealedFiles,
    archive_sealed,
    erase_sealed,
    is_seal_due,
    open_sealed,
    prune_archived,
    seal_segments,
)
from kingpost.records import Role
from tests.personal_shop import found_in
from tests.s3_server import BUCKET, CREDENTIALS, LocalStore, s3_server
from tests.sealed_journal import SealedJournal, names_of

TOLD = "session, idempotency_key, event_key, features, answer, confidence, trace_id"
FAR_US = 1 << 62


@pytest.fixture(scope="module")
def server() -> Generator[LocalStore, None, None]:
    with s3_server() as running:
        yield running


@pytest.fixture
def store(
    server: LocalStore, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> ObjectStore:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    prefix = hashlib.sha256(request.node.name.encode()).hexdigest()[:12]
    return ObjectStore(f"s3://{BUCKET}/{prefix}", server.endpoint, first_pause_s=0.01)


@pytest.fixture
def house(tmp_path: Path) -> Generator[SealedJournal, None, None]:
    house = SealedJournal(tmp_path)
    yield house
    house.close()


def _seal(house: SealedJournal) -> None:
    seal_segments(house.where, disk=house.disk, names_of=names_of)


def _erase(house: SealedJournal) -> ErasedRows:
    return erase_sealed(house.where, disk=house.disk)


def _ask(house: SealedJournal, sql: str) -> Sequence[tuple[object, ...]]:
    with open_sealed(house.where, disk=house.disk, names_of=names_of) as sealed:
        return sealed.query(sql).rows


def _about(house: SealedJournal, identifier: bytes, role: str = "champion") -> tuple[object, ...]:
    sql = f"SELECT {TOLD} FROM records WHERE id = '{id_text(identifier)}' AND role = '{role}'"
    (row,) = _ask(house, sql)
    return row


def _sealed(house: SealedJournal) -> Path:
    return house.where.root / "sealed"


NOTHING = (None,) * 7


def test_sealed_rows_of_whom_was_erased_tell_nothing_and_can_be_counted(
    house: SealedJournal,
) -> None:
    gone = house.decide_about("Quillfeather", key="k-Quillfeather", role=Role.SHADOW)
    kept = house.decide_about("Brown", key="k-Brown")
    house.review(gone)
    house.decide(300)
    _seal(house)
    assert found_in([_sealed(house)], ["Quillfeather"])
    before = _about(house, kept)
    house.erase("Quillfeather")

    assert _about(house, gone) == NOTHING, "at once, before the file is written anew"
    done = _erase(house)

    assert (done.segments, done.rows, done.waiting, done.old) == (1, 3, 0, 0)
    assert not found_in([_sealed(house)], ["Quillfeather", "I know them"])
    assert _about(house, gone) == _about(house, gone, "shadow") == NOTHING
    assert _about(house, kept) == before
    assert (
        _ask(house, "SELECT outcome, principal, decision FROM records WHERE is_erased")
        == [("decided", "key-1", "fraud")] * 2
    )
    assert _ask(house, "SELECT verdict, reason, is_erased FROM reviews") == [
        ("overridden", None, True)
    ]
    assert _ask(house, "SELECT count(*) FROM records") == [(303,)]
    assert _erase(house).rows == 0


def test_sealing_is_due_while_a_segment_or_an_erasure_waits(house: SealedJournal) -> None:
    def is_due() -> bool:
        return is_seal_due(house.where, disk=house.disk)

    house.decide_about("Quillfeather", key="k")
    assert not is_due(), "no segment is finished"
    house.decide(300)
    assert is_due()
    _seal(house)
    assert not is_due()
    house.erase("Quillfeather")
    assert is_due()
    _erase(house)
    assert not is_due()


def _records(house: SealedJournal) -> Sequence[Path]:
    return sorted((_sealed(house) / "records").rglob("*.parquet"))


def test_the_manifest_says_why_and_what_was_replaced(house: SealedJournal) -> None:
    house.decide_about("Quillfeather", key="k")
    house.decide(300)
    _seal(house)
    files = SealedFiles(house.where, disk=house.disk)
    before = files.read()
    house.erase("Quillfeather")
    _erase(house)

    after = files.read()

    assert after[1:] == before[1:]
    (rewriting,) = after[0].rewritten
    assert (rewriting.reason, rewriting.rows) == ("erasure", 1)
    assert rewriting.files == tuple(one for one in before[0].files if one.kind == "records")
    assert after[0].segment == before[0].segment
    assert not (files.root / rewriting.files[0].path).exists()


def test_an_erasure_concerns_requests_before_it_of_its_tenant_and_field(
    house: SealedJournal,
) -> None:
    gone = house.decide_about("7", key="a")
    house.erase("7", tenant="other")
    house.erase("a", entity="customer")
    house.erase("2.5", entity="amount")
    house.decide(300)
    _seal(house)
    assert _erase(house).rows == 0
    house.erase("7", entity="member")
    later = house.decide_about("Brown", key="b")
    house.decide(300)
    _seal(house)

    assert _erase(house).rows == 1
    assert _about(house, gone) == NOTHING
    assert _about(house, later)[0] == "of Brown"


def test_what_is_sealed_after_an_erasure_is_erased_too(house: SealedJournal) -> None:
    gone = house.decide_about("Quillfeather", key="k")
    house.decide(300)
    _seal(house)
    house.erase("Quillfeather")
    _erase(house)
    late = house.decide_about("Quillfeather", key="Quillfeather-again")
    house.review(gone)
    house.erase("Quillfeather")
    kept = house.decide_about("Quillfeather", key="came back")
    assert _about(house, late) == NOTHING
    assert _about(house, kept)[2] == "came back"
    assert _ask(house, "SELECT reason FROM reviews") == [(None,)]
    house.decide(300)
    _seal(house)
    assert _ask(house, "SELECT reason FROM reviews") == [(None,)]

    assert _erase(house).rows == 2

    assert _about(house, late) == NOTHING
    assert _about(house, kept)[2] == "came back"
    assert _ask(house, "SELECT reason FROM reviews") == [(None,)]
    assert not found_in([_sealed(house)], ["Quillfeather-again"])


def test_a_run_that_is_stopped_goes_on_later(house: SealedJournal) -> None:
    house.decide_about("Quillfeather", key="k")
    house.decide(200)
    house.decide_about("Quillfeather", key="k2")
    house.decide(200)
    _seal(house)
    house.erase("Quillfeather")

    stopped = erase_sealed(house.where, disk=house.disk, is_stopped=lambda: True)

    assert (stopped.rows, stopped.waiting) == (0, len(_records(house)))
    assert _erase(house).rows == 2


def test_what_a_killed_run_left_is_removed(house: SealedJournal) -> None:
    house.decide_about("Quillfeather", key="k")
    house.decide(300)
    _seal(house)
    path = _records(house)[0]
    body = path.read_bytes()
    house.erase("Quillfeather")
    _erase(house)
    path.write_bytes(body)  # it was killed before it removed this

    _erase(house)

    assert not path.exists()
    assert not found_in([_sealed(house)], ["Quillfeather"])
    assert _ask(house, "SELECT count(*) FROM records") == [(301,)]


def test_objects_are_replaced_in_the_store(
    house: SealedJournal, store: ObjectStore, server: LocalStore, tmp_path: Path
) -> None:
    gone = house.decide_about("Quillfeather", key="k")
    house.decide(300)
    _seal(house)
    segments = archive_sealed(house.where, store, disk=house.disk).segments
    assert len(prune_archived(house.where, store, disk=house.disk, before_us=FAR_US)) == segments
    house.erase("Quillfeather")
    _erase(house)

    assert archive_sealed(house.where, store, disk=house.disk).segments == 1
    assert archive_sealed(house.where, store, disk=house.disk).segments == 0

    objects = tmp_path / "objects"
    prefix = store.url.rpartition("/")[2]
    mine = [key for key in server.listed() if key.startswith(prefix)]
    assert len([key for key in mine if "/records/" in key]) == segments
    for key in mine:
        if "/segments/" not in key:
            path = objects / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(server.read(key))
    assert not found_in([objects], ["Quillfeather"])
    assert _about(house, gone) == NOTHING


class _Dying:
    """A store that is killed when an object is to be removed."""

    def __init__(self, store: ObjectStore) -> None:
        self.url, self.put, self.create = store.url, store.put, store.create
        self.get, self.digest = store.get, store.digest

    def delete(self, key: str) -> None:
        raise KeyboardInterrupt


def test_a_run_that_was_killed_before_it_removed_an_object_removes_it_later(
    house: SealedJournal, store: ObjectStore, server: LocalStore
) -> None:
    house.decide_about("Quillfeather", key="k")
    house.decide(300)
    _seal(house)
    archive_sealed(house.where, store, disk=house.disk)
    before = set(server.listed())
    house.erase("Quillfeather")
    _erase(house)
    with pytest.raises(KeyboardInterrupt):
        archive_sealed(house.where, _Dying(store), disk=house.disk)
    assert before <= set(server.listed())

    assert archive_sealed(house.where, store, disk=house.disk).segments == 1

    (removed,) = before - set(server.listed())
    assert "/records/" in removed


def test_what_an_earlier_version_sealed_is_sealed_anew_where_its_segment_is_here(
    house: SealedJournal,
) -> None:
    house.decide_about("Quillfeather", key="k")
    house.decide(300)
    _seal(house)
    manifests = sorted((_sealed(house) / "manifests").rglob("*.json"))
    for path in manifests:
        path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    for path in _records(house):
        _without_subjects(path)
    assert _ask(house, "SELECT count(*), count(event_key) FROM records") == [(301, 301)]
    house.erase("Quillfeather")
    assert _erase(house).old > 0

    _seal(house)

    done = _erase(house)
    assert (done.rows, done.old) == (1, 0)
    first = SealedFiles(house.where, disk=house.disk).read()[0]
    assert [one.reason for one in first.rewritten] == ["format", "erasure"]


def _without_subjects(path: Path) -> None:
    with duckdb.connect() as database:
        database.execute(
            f"COPY (SELECT * EXCLUDE (subjects, is_erased) FROM '{path}') TO '{path}.old' (FORMAT parquet)"
        )
    Path(f"{path}.old").replace(path)
