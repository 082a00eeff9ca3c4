"""Archiving what is sealed to an S3-shaped store, and bringing it back."""

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.cli.sealing import NoArchive, keep_sealed
from kingpost.core import Settings, SystemClock
from kingpost.decisions import (
    ArchiveDiffers,
    ArchiveRefused,
    ArchiveUnreachable,
    NotArchived,
    ObjectStore,
    SealedDiffers,
    SealedFiles,
    archive_sealed,
    fetch_archived,
    open_sealed,
    prune_archived,
    seal_segments,
)
from kingpost.decisions.sealed.archive import Objects
from kingpost.journal import Journal, Lookup, SegmentArchived, finished_segments, scan
from tests.cut_proxy import Proxy
from tests.s3_server import BUCKET, CREDENTIALS, LocalStore, s3_server
from tests.sealed_journal import SealedJournal, names_of
from tests.stopped_clock import StoppedClock

FAR_US = 1 << 62


@pytest.fixture(scope="module")
def server() -> Generator[LocalStore, None, None]:
    with s3_server() as running:
        yield running


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def house(tmp_path: Path) -> Generator[SealedJournal, None, None]:
    house = SealedJournal(tmp_path)
    house.ask()
    house.decide(300)
    seal_segments(house.where, disk=house.disk, names_of=names_of)
    yield house
    house.close()


@pytest.fixture
def store(server: LocalStore, request: pytest.FixtureRequest) -> ObjectStore:
    return _opened(server.endpoint, request.node.name)


def _opened(endpoint: str, name: str) -> ObjectStore:
    prefix = hashlib.sha256(name.encode()).hexdigest()[:12]
    return ObjectStore(f"s3://{BUCKET}/{prefix}", endpoint, first_pause_s=0.01)


def _objects(server: LocalStore, store: ObjectStore) -> dict[str, bytes]:
    prefix = store.url.rpartition("/")[2] + "/"
    keys = [key for key in server.listed() if key.startswith(prefix)]
    return {key.removeprefix(prefix): server.read(key) for key in keys}


def _archive(house: SealedJournal, store: Objects) -> int:
    return archive_sealed(house.where, store, disk=house.disk).segments


def _commits(house: SealedJournal) -> list[object]:
    return [one.entries for one in scan(house.where.data, disk=house.disk)]


def test_segments_and_their_files_lie_in_the_store(
    house: SealedJournal, server: LocalStore, store: ObjectStore
) -> None:
    segments = finished_segments(house.where.data, disk=house.disk)

    assert _archive(house, store) == len(segments) > 2
    assert _archive(house, store) == 0

    objects = _objects(server, store)
    assert sum(key.startswith("manifests/data/") for key in objects) == len(segments)
    first = next(key for key in sorted(objects) if key.startswith("segments/data/"))
    assert segments[0].path.read_bytes().startswith(objects[first])
    parquet = {
        path.read_bytes() for path in (house.where.root / "sealed" / "records").rglob("*.parquet")
    }
    assert parquet == {body for key, body in objects.items() if key.startswith("records/")}


def test_what_was_removed_here_is_said_to_be_there_and_comes_back(
    house: SealedJournal, store: ObjectStore
) -> None:
    before = _commits(house)
    _archive(house, store)
    segments = finished_segments(house.where.data, disk=house.disk)
    body = segments[1].path.read_bytes()
    with open_sealed(house.where, disk=house.disk, names_of=names_of) as sealed:
        count = sealed.query("SELECT count(*), max(decided_at) FROM records").rows

    removed = prune_archived(house.where, store, disk=house.disk, before_us=FAR_US)

    assert removed == [one.path.name for one in segments]
    with pytest.raises(SegmentArchived, match="kingpost archive --fetch 0"):
        _commits(house)
    lookup = Lookup(house.where.data, disk=house.disk)
    with pytest.raises(SegmentArchived):
        lookup.read(segments[1].first_offset)
    assert lookup.read(segments[-1].next_offset).entries
    lookup.close()
    with open_sealed(house.where, disk=house.disk, names_of=names_of) as sealed:
        assert sealed.query("SELECT count(*), max(decided_at) FROM records").rows == count

    assert fetch_archived(house.where, store, disk=house.disk, offset=segments[1].first_offset) == [
        segments[1].path.name
    ]
    assert body.startswith(segments[1].path.read_bytes())
    assert len(fetch_archived(house.where, store, disk=house.disk)) == len(segments) - 1
    assert fetch_archived(house.where, store, disk=house.disk) == []
    assert _commits(house) == before


def test_a_journal_without_its_first_segments_is_written_on(
    house: SealedJournal, store: ObjectStore
) -> None:
    _archive(house, store)
    prune_archived(house.where, store, disk=house.disk, before_us=FAR_US)
    house.close()

    journal = Journal.open(house.where.data, disk=house.disk, clock=StoppedClock())
    assert journal.next_offset == 1 + 300 * 4
    journal.close()


def test_young_segments_and_those_not_archived_stay(
    house: SealedJournal, store: ObjectStore
) -> None:
    assert prune_archived(house.where, store, disk=house.disk, before_us=FAR_US) == []
    _archive(house, store)
    young_us = StoppedClock().now_us()

    assert prune_archived(house.where, store, disk=house.disk, before_us=young_us) == []


def test_an_altered_object_keeps_the_segment_here(
    house: SealedJournal, server: LocalStore, store: ObjectStore
) -> None:
    _archive(house, store)
    prefix = store.url.rpartition("/")[2]
    key = next(key for key in sorted(server.listed()) if key.startswith(f"{prefix}/segments"))
    server.write(key, b"something else")

    with pytest.raises(ArchiveDiffers):
        prune_archived(house.where, store, disk=house.disk, before_us=FAR_US)
    assert finished_segments(house.where.data, disk=house.disk)[0].path.exists()


def test_an_altered_object_is_not_brought_back(
    house: SealedJournal, server: LocalStore, store: ObjectStore
) -> None:
    _archive(house, store)
    prune_archived(house.where, store, disk=house.disk, before_us=FAR_US)
    prefix = store.url.rpartition("/")[2]
    key = next(key for key in sorted(server.listed()) if key.startswith(f"{prefix}/segments"))
    server.write(key, server.read(key)[:-1])

    with pytest.raises(ArchiveDiffers):
        fetch_archived(house.where, store, disk=house.disk)
    assert not finished_segments(house.where.data, disk=house.disk)[0].path.exists()


@pytest.mark.parametrize("asked", [0, 1])
def test_another_installation_is_not_overwritten_wherever_its_segments_end(
    house: SealedJournal, server: LocalStore, store: ObjectStore, tmp_path: Path, asked: int
) -> None:
    _archive(house, store)
    before = _objects(server, store)
    other = SealedJournal(tmp_path / "other")
    for _ in range(asked):
        other.ask()
    other.decide(300)
    other.close()
    seal_segments(other.where, disk=other.disk, names_of=names_of)

    with pytest.raises(ArchiveDiffers, match="Another installation"):
        _archive(other, store)
    assert _objects(server, store) == before


def test_a_segment_that_was_altered_here_is_not_put(
    house: SealedJournal, server: LocalStore, store: ObjectStore
) -> None:
    path = finished_segments(house.where.data, disk=house.disk)[0].path
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)

    with pytest.raises(SealedDiffers):
        _archive(house, store)
    assert _objects(server, store) == {}


class _Dying:
    """A store that is killed before a manifest is written."""

    def __init__(self, store: ObjectStore) -> None:
        self.url, self.put, self.get, self.digest = store.url, store.put, store.get, store.digest
        self.delete = store.delete

    def create(self, key: str, body: bytes) -> bytes:
        raise KeyboardInterrupt


def test_a_run_that_ended_before_the_manifest_is_gone_on_with(
    house: SealedJournal, server: LocalStore, store: ObjectStore
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _archive(house, _Dying(store))
    left = _objects(server, store)
    assert left and not any(key.startswith("manifests/") for key in left)

    assert _archive(house, store) == len(finished_segments(house.where.data, disk=house.disk))
    assert left.items() <= _objects(server, store).items()


def test_a_cut_connection_is_tried_again(
    house: SealedJournal, server: LocalStore, request: pytest.FixtureRequest
) -> None:
    proxy = Proxy(server.port)
    store = _opened(f"http://127.0.0.1:{proxy.port}", request.node.name)
    put = store.put
    cuts = 0

    def cut_in_the_middle(key: str, body: bytes) -> None:
        nonlocal cuts
        cuts += 1
        timers = [threading.Timer(0.002, proxy.cut), threading.Timer(0.05, proxy.mend)]
        for timer in timers:
            timer.start()
        put(key, body)
        for timer in timers:
            timer.join()

    store.put = cut_in_the_middle  # pyright: ignore[reportAttributeAccessIssue]
    try:
        assert _archive(house, store) > 2
    finally:
        proxy.close()
    assert cuts > 4
    segments = finished_segments(house.where.data, disk=house.disk)
    objects = _objects(server, store)
    assert sum(key.startswith("segments/") for key in objects) == len(segments)
    assert sum(key.startswith("manifests/") for key in objects) == len(segments)


def test_a_store_that_is_away_is_an_error_that_may_be_repeated(house: SealedJournal) -> None:
    proxy = Proxy(1)
    proxy.cut()
    try:
        with pytest.raises(ArchiveUnreachable) as caught:
            _archive(house, _opened(f"http://127.0.0.1:{proxy.port}", "away"))
    finally:
        proxy.close()
    assert caught.value.retry_safe


def test_a_large_object_goes_in_parts(server: LocalStore, store: ObjectStore) -> None:
    body = bytes(range(256)) * (17 * 4096)

    store.put("large", body)

    assert _objects(server, store) == {"large": body}
    assert store.get("large") == body
    assert store.get("none") is None and store.digest("none") is None


def test_a_bucket_that_is_none_is_refused() -> None:
    with pytest.raises(ArchiveRefused):
        ObjectStore("ftp://somewhere")


def test_a_segment_of_another_store_is_not_fetched_from_this_one(
    house: SealedJournal, server: LocalStore, store: ObjectStore
) -> None:
    _archive(house, store)
    prune_archived(house.where, store, disk=house.disk, before_us=FAR_US)

    with pytest.raises(NotArchived, match="not in"):
        fetch_archived(house.where, _opened(server.endpoint, "other"), disk=house.disk)
    with pytest.raises(NotArchived, match="no finished segment"):
        fetch_archived(house.where, store, disk=house.disk, offset=10**9)


def test_the_command_archives_removes_and_brings_back(
    server: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = SealedJournal(tmp_path, clock=SystemClock())
    for _ in range(500):
        house.ask()
    house.close()
    monkeypatch.setenv("KINGPOST_ARCHIVE_STORE", f"s3://{BUCKET}/command")
    monkeypatch.setenv("KINGPOST_ARCHIVE_ENDPOINT", server.endpoint)

    def run(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(
            command_line,
            ["--data-dir", str(tmp_path), "archive", "--json", *arguments],
            catch_exceptions=False,
        )
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    segments = len(finished_segments(house.where.data, disk=house.disk))
    first = run("--prune", "--older-than", "0s")
    assert (first["segments"], first["waiting"]) == (segments, 0)
    removed = first["removed"]
    assert len(removed) == segments > 1
    assert run()["segments"] == 0
    assert run("--fetch", "0")["fetched"] == removed[:1]
    assert run("--fetch", "all")["fetched"] == removed[1:]


def test_without_a_store_the_command_says_which_setting(tmp_path: Path) -> None:
    with pytest.raises(NoArchive, match="archive_store"):
        CliRunner().invoke(
            command_line, ["--data-dir", str(tmp_path), "archive"], catch_exceptions=False
        )


def test_the_observer_seals_and_archives_by_itself(
    server: LocalStore,
    tmp_path: Path,
    until: Callable[[Callable[[], bool]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = SealedJournal(tmp_path)
    for _ in range(500):
        house.ask()
    house.close()
    settings = Settings(
        data_dir=tmp_path, archive_store=f"s3://{BUCKET}/beside", archive_endpoint=server.endpoint
    )
    segments = len(finished_segments(house.where.data, disk=house.disk))

    seal = (sys.executable, "-m", "kingpost.cli", "--data-dir", str(tmp_path), "seal")
    monkeypatch.setenv("KINGPOST_ARCHIVE_STORE", settings.archive_store)
    monkeypatch.setenv("KINGPOST_ARCHIVE_ENDPOINT", settings.archive_endpoint)

    with keep_sealed(settings, house.where, (*seal, "--follow-parent"), poll_s=0.01):
        until(lambda: sum("beside/manifests" in key for key in server.listed()) == segments)

    assert len(SealedFiles(house.where, disk=house.disk).read()) == segments > 0


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    def wait(is_so: Callable[[], bool]) -> None:
        for _ in range(400):
            if is_so():
                return
            threading.Event().wait(0.05)
        raise AssertionError

    return wait
