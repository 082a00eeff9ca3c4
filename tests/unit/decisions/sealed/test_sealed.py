"""Sealing, and SQL over what was sealed and what came since."""

from collections.abc import Generator
from pathlib import Path

import duckdb
import pytest

from kingpost.decisions import (
    BadQuery,
    NewerManifest,
    QueryTookTooLong,
    QueryTooLarge,
    SealedFiles,
    SealInUse,
    open_sealed,
    seal_segments,
)
from kingpost.journal import JournalCorrupt, finished_segments
from kingpost.records import Role
from tests.sealed_journal import SealedJournal, names_of

COUNT = "SELECT count(*) FROM records"


@pytest.fixture
def house(tmp_path: Path) -> Generator[SealedJournal, None, None]:
    house = SealedJournal(tmp_path)
    yield house
    house.close()


def _sealed(house: SealedJournal, most: int | None = None) -> int:
    return seal_segments(house.where, disk=house.disk, names_of=names_of, most=most).segments


def _ask(house: SealedJournal, sql: str, timeout_s: float = 60, memory_mb: int = 512) -> object:
    with open_sealed(
        house.where,
        disk=house.disk,
        names_of=names_of,
        timeout_s=timeout_s,
        memory_mb=memory_mb,
    ) as sealed:
        return sealed.query(sql).rows


def _files(house: SealedJournal) -> dict[str, bytes]:
    root = house.where.root / "sealed"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "seal.lock"
    }


def test_a_query_sees_each_record_once_however_much_is_sealed(house: SealedJournal) -> None:
    house.decide(400)
    for most in (0, 1, 2, None):
        _sealed(house, most)
        house.decide(1)
        total = 400 + (0, 1, 2, None).index(most) + 1

        assert _ask(house, COUNT + " WHERE event_key <> ''") == [(total,)]
        assert _ask(house, "SELECT count(DISTINCT id) FROM records") == [(total,)]


def test_the_unfinished_segment_is_not_sealed(house: SealedJournal) -> None:
    house.decide(400)
    finished = finished_segments(house.where.data, disk=house.disk)

    assert _sealed(house) == len(finished) > 2
    assert _sealed(house) == 0
    manifests = SealedFiles(house.where, disk=house.disk).read()
    assert [one.first_offset for one in manifests] == [one.first_offset for one in finished]
    assert manifests[-1].last_offset + 1 == finished[-1].next_offset


def test_sealed_and_unsealed_rows_are_equal(house: SealedJournal) -> None:
    house.ask()
    house.review()
    house.decide(200)
    house.decide(1, role=Role.SHADOW)
    house.decide(200)
    queries = [
        f"SELECT * FROM {table} ORDER BY journal_offset"
        for table in ("records", "inferences", "reviews")
    ]
    before = [_ask(house, one) for one in queries]

    assert _sealed(house) > 2

    # repr, since a value that is no number equals nothing
    assert [repr(_ask(house, one)) for one in queries] == list(map(repr, before))
    assert _ask(
        house,
        "SELECT features['amount'], is_cached, confidence, role FROM records "
        "WHERE event_key = 'p-7'",
    ) == [(7.0, False, 0.75, "champion")]
    assert _ask(
        house, "SELECT features, confidence, reason FROM records WHERE event_key = 'p-10'"
    ) == [(None, None, "no model")]
    assert _ask(
        house, "SELECT r.reviewed_by FROM reviews r JOIN records ON r.record = records.id"
    ) == [("Ann",)]
    assert _ask(house, "SELECT row_count, cached_rows FROM inferences") == [(7, 2)]
    assert _ask(house, "SELECT count(*) FROM records WHERE role = 'shadow'") == [(1,)]


def test_the_same_segment_gives_the_same_bytes(house: SealedJournal) -> None:
    house.decide(300)
    _sealed(house)
    before = _files(house)
    for path in (house.where.root / "sealed" / "manifests").rglob("*.json"):
        path.unlink()

    _sealed(house)

    assert _files(house) == before


def test_what_a_killed_run_left_is_not_counted_and_made_again(house: SealedJournal) -> None:
    house.decide(300)
    _sealed(house)
    before = _files(house)
    last = max((house.where.root / "sealed" / "manifests").rglob("*.json"))
    last.unlink()
    records = house.where.root / "sealed" / "records" / "data"
    (records / f"{last.stem}.parquet").write_bytes(b"half")
    (records / "left.77.tmp").write_bytes(b"half")

    assert _ask(house, COUNT + " WHERE id IS NOT NULL") == [(300,)]
    assert _sealed(house) == 1
    assert _files(house) == before


def test_row_groups_say_which_times_and_ids_they_hold(house: SealedJournal) -> None:
    house.decide(300)
    _sealed(house)
    path = next((house.where.root / "sealed" / "records").rglob("*.parquet"))
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT path_in_schema FROM parquet_metadata(?) WHERE stats_min_value IS NOT NULL "
            "AND stats_max_value IS NOT NULL",
            [str(path)],
        ).fetchall()

    assert {("id",), ("decided_at",), ("event_time",), ("journal_offset",), ("principal",)} <= set(
        found
    )


def test_a_damaged_segment_is_not_sealed(house: SealedJournal) -> None:
    house.decide(300)
    segment = finished_segments(house.where.data, disk=house.disk)[1]
    body = bytearray(segment.path.read_bytes())
    body[5000] ^= 1
    segment.path.write_bytes(body)

    with pytest.raises(JournalCorrupt):
        _sealed(house)
    assert [one.first_offset for one in SealedFiles(house.where, disk=house.disk).read()] == [0]


def test_two_do_not_seal_at_once(house: SealedJournal) -> None:
    house.decide(1)
    lock = SealedFiles(house.where, disk=house.disk).manifests
    with lock.claimed("seal.lock"), pytest.raises(SealInUse):
        _sealed(house)


def test_a_later_format_is_refused(house: SealedJournal) -> None:
    house.decide(300)
    _sealed(house)
    path = next((house.where.root / "sealed" / "manifests").rglob("*.json"))
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))

    with pytest.raises(NewerManifest, match="format 3"):
        _ask(house, COUNT)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT content FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
        "COPY (SELECT 1) TO 'never.csv'",
        'DELETE FROM "tail records"',
        "SET enable_external_access = true",
        "ATTACH 'never.db'",
        "INSTALL httpfs",
        "SELECT 1; SELECT 2",
        "SELECT no_such_column FROM records",
        "SELEC",
        "",
    ],
)
def test_a_query_reads_records_and_nothing_else(
    house: SealedJournal, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    house.decide(1)
    with pytest.raises(BadQuery):
        _ask(house, sql)
    assert list((tmp_path / "here").iterdir()) == []


def test_a_query_that_takes_too_long_is_stopped(house: SealedJournal) -> None:
    endless = (
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range > b.range"
    )
    with pytest.raises(QueryTookTooLong):
        _ask(house, endless, timeout_s=0.3)


def test_a_query_that_needs_too_much_memory_is_stopped(house: SealedJournal) -> None:
    large = "SELECT max(x) FROM (SELECT list(range) x FROM range(30000000))"
    with pytest.raises(QueryTooLarge):
        _ask(house, large, memory_mb=40)


def test_an_answer_is_written_whole(house: SealedJournal, tmp_path: Path) -> None:
    house.decide(300)
    _sealed(house)
    out = tmp_path / "it's.parquet"
    with open_sealed(house.where, disk=house.disk, names_of=names_of) as sealed:
        assert sealed.write("SELECT * FROM records;", out) == 300
    with duckdb.connect() as database:
        count = database.execute("SELECT count(*) FROM read_parquet(?)", [str(out)]).fetchall()
    assert count == [(300,)]
    with (
        open_sealed(house.where, disk=house.disk, names_of=names_of) as sealed,
        pytest.raises(BadQuery, match=r"neither \.parquet nor \.csv"),
    ):
        sealed.write("SELECT 1", tmp_path / "out.txt")
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


def test_a_limit_says_that_there_was_more(house: SealedJournal) -> None:
    house.decide(5)
    with open_sealed(house.where, disk=house.disk, names_of=names_of) as sealed:
        answer = sealed.query("SELECT event_key FROM records ORDER BY decided_at", limit=2)
        assert (answer.columns, answer.rows, answer.is_cut) == (
            ["event_key"],
            [("p-1",), ("p-2",)],
            True,
        )
        assert not sealed.query("SELECT 1", limit=1).is_cut
