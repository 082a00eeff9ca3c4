"""Backups: whole or not there, made of what changed, refused where a byte differs."""

import itertools
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kingpost.core import SystemDisk
from kingpost.decisions.backup import (
    BackupAhead,
    BackupDamaged,
    BackupDone,
    BackupInUse,
    BackupMissing,
    BackupNewer,
    BackupOfAnother,
    DataDirectoryInUse,
    DataDirectoryNotEmpty,
    NotInBackup,
    SourceDamaged,
    back_up,
    check_backup,
    read_manifest,
    restore_backed_up,
    restore_backup,
)
from kingpost.journal import (
    ArchivedSegment,
    Entry,
    Journal,
    JournalCorrupt,
    SegmentArchived,
    finished_segments,
    note_archived,
    scan,
    survey,
)
from kingpost.proofs.files import BUNDLE
from kingpost.registry import ArtefactStore
from tests.small_tree import pair, place_in, tree_on
from tests.stopped_clock import StoppedClock

DISK, CLOCK = SystemDisk(), StoppedClock()
SEGMENT_BYTES = 64 * 1024


def opened(partition: Path) -> Journal:
    return Journal.open(partition, disk=DISK, clock=CLOCK, segment_bytes=SEGMENT_BYTES)


def write(root: Path, first: int, number: int, partition: str = "data") -> None:
    with opened(root / "journal" / partition) as journal:
        for at in range(first, first + number):
            journal.append([Entry("event", "acme", "t", f"{at} ".encode() * 400)])


def bodies(root: Path) -> list[bytes]:
    commits = scan(root / "journal" / "data", disk=DISK)
    return [entry.body for commit in commits for entry in commit.entries]


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data directory with two journals, two databases, an artefact and what is derived."""
    root = tmp_path / "data"
    write(root, 0, 120)
    write(root, 0, 3, "control")
    ArtefactStore(root / "artefacts", disk=DISK).put(b"a model")
    execute(
        root / "access.sqlite",
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE keys (name TEXT)",
        "INSERT INTO keys VALUES ('ann')",
    )
    execute(root / "observed.sqlite", "CREATE TABLE derived (x)")
    (root / "snapshots").mkdir()
    (root / "snapshots" / "1.columns").write_bytes(b"derived")
    (root / "releases").mkdir()
    (root / "releases" / "seen.json").write_text("{}")
    return root


def backed_up(root: Path, directory: Path) -> BackupDone:
    return back_up({"data": root}, directory, disk=DISK, clock=CLOCK, version="0.1.0")


def stored(directory: Path, name: str) -> Path:
    (file,) = [one for one in read_manifest(directory).files if one.path == f"data/{name}"]
    return directory / "objects" / file.digest[:2] / file.digest


def segments(root: Path) -> Iterator[Path]:
    yield from sorted((root / "journal" / "data").glob("*.log"))


def test_a_tree_that_grows_meanwhile_can_be_kept_up_where_it_is_restored(tmp_path: Path) -> None:
    root, numbers = tmp_path / "data", itertools.count()
    place = place_in(root)
    with opened(place.journal) as journal, closing(tree_on(DISK, place)) as tree:

        def grow(done: int = 0, total: int = 0, stage: str = "") -> None:
            del done, total, stage
            for _ in range(BUNDLE):
                journal.append(pair(next(numbers)))
            tree.update()

        grow()
        back_up(
            {"data": root}, tmp_path / "backup", disk=DISK, clock=CLOCK, version="0.1.0", told=grow
        )
    restored = place_in(tmp_path / "elsewhere")
    restore_backup(tmp_path / "backup", {"data": tmp_path / "elsewhere"}, disk=DISK)

    with closing(tree_on(DISK, restored)) as tree:
        made = tree.update()

    commits = sum(1 for _ in scan(restored.journal, disk=DISK))
    assert made.size == commits > BUNDLE


def test_what_is_restored_is_what_was_backed_up(root: Path, tmp_path: Path) -> None:
    done = backed_up(root, tmp_path / "backup")
    write(root, 120, 5)  # comes after it

    restored = tmp_path / "elsewhere" / "data"
    manifest = restore_backup(tmp_path / "backup", {"data": restored}, disk=DISK)

    assert manifest == done.manifest
    assert manifest.partitions == {"journal/control": 3, "journal/data": 120}
    assert bodies(restored) == bodies(root)[:120]
    assert len(list(segments(restored))) > 2
    with closing(sqlite3.connect(restored / "access.sqlite")) as connection:
        assert connection.execute("SELECT name FROM keys").fetchall() == [("ann",)]
    artefacts = ArtefactStore(restored / "artefacts", disk=DISK)
    (artefact,) = [path for path in (restored / "artefacts").rglob("*") if path.is_file()]
    assert artefacts.get(artefact.name) == b"a model"
    names = {path.name for path in restored.iterdir()}
    assert names == {"journal", "access.sqlite", "artefacts", "releases"}
    write(restored, 120, 1)
    assert len(bodies(restored)) == 121


def test_what_a_backup_has_is_not_copied_again(root: Path, tmp_path: Path) -> None:
    first = backed_up(root, tmp_path / "backup")
    unchanged = backed_up(root, tmp_path / "backup")
    write(root, 120, 30)
    second = backed_up(root, tmp_path / "backup")

    assert first.kept == 0
    assert unchanged.copied == 0
    assert 0 < second.copied < second.kept
    kept = {file.digest for file in second.manifest.files}
    objects = {path.name for path in (tmp_path / "backup" / "objects").glob("*/*")}
    assert objects == kept
    restore_backup(tmp_path / "backup", {"data": tmp_path / "restored"}, disk=DISK)
    assert bodies(tmp_path / "restored") == bodies(root)


def test_the_settings_and_a_control_directory_are_in_it(root: Path, tmp_path: Path) -> None:
    settings, shared = tmp_path / "kingpost.toml", tmp_path / "shared"
    settings.write_text('tenant = "acme"\n')
    shutil.move(root / "artefacts", shared / "artefacts")
    roots = {"data": root, "control": shared}
    back_up(
        roots, tmp_path / "backup", disk=DISK, clock=CLOCK, version="0.1.0",
        settings=settings, elsewhere=["job_store"],
    )  # fmt: skip

    restored = {"data": tmp_path / "a", "control": tmp_path / "b"}
    manifest = restore_backup(tmp_path / "backup", restored, disk=DISK)

    assert manifest.elsewhere == ["job_store"]
    assert (tmp_path / "a" / "kingpost.toml.restored").read_text() == settings.read_text()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["artefacts"]


@pytest.mark.parametrize("how", ["flip", "cut", "lost"])
def test_a_damaged_backup_restores_nothing_and_names_the_file(
    root: Path, tmp_path: Path, how: str
) -> None:
    backed_up(root, tmp_path / "backup")
    name = next(segments(root)).relative_to(root).as_posix()
    path = stored(tmp_path / "backup", name)
    content = path.read_bytes()
    changed = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]
    path.unlink()
    if how != "lost":
        path.write_bytes(changed if how == "flip" else content[:5000])

    with pytest.raises(BackupDamaged, match=name):
        check_backup(tmp_path / "backup", disk=DISK)
    with pytest.raises(BackupDamaged, match=name):
        restore_backup(tmp_path / "backup", {"data": tmp_path / "restored"}, disk=DISK)

    assert {path.name for path in tmp_path.iterdir()} == {"backup", "data"}


def test_a_manifest_that_is_damaged_newer_or_missing_is_refused(root: Path, tmp_path: Path) -> None:
    backed_up(root, tmp_path / "backup")
    manifest = tmp_path / "backup" / "manifest.json"
    content = manifest.read_bytes()

    for changed, error in (
        (content.replace(b'"version":"0.1.0"', b'"version":"0.1.1"'), BackupDamaged),
        (content[:-9], BackupDamaged),
        (content.replace(b'"format":1', b'"format":2'), BackupNewer),
    ):
        assert changed != content
        manifest.write_bytes(changed)
        with pytest.raises(error):
            restore_backup(tmp_path / "backup", {"data": tmp_path / "restored"}, disk=DISK)
    manifest.unlink()
    with pytest.raises(BackupMissing):
        check_backup(tmp_path / "backup", disk=DISK)


def test_a_directory_that_holds_something_is_not_restored_into(root: Path, tmp_path: Path) -> None:
    backed_up(root, tmp_path / "backup")
    before = sorted(root.rglob("*"))

    with pytest.raises(DataDirectoryNotEmpty):
        restore_backup(tmp_path / "backup", {"data": root}, disk=DISK)

    assert sorted(root.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    restore_backup(tmp_path / "backup", {"data": tmp_path / "empty"}, disk=DISK)
    assert bodies(tmp_path / "empty") == bodies(root)


def test_a_damaged_source_leaves_the_backup_as_it_was(root: Path, tmp_path: Path) -> None:
    whole = backed_up(root, tmp_path / "backup").manifest
    segment, artefact = list(segments(root))[-2], next((root / "artefacts").rglob("*/??/*"))
    for path, error in ((segment, JournalCorrupt), (root / "access.sqlite", SourceDamaged)):
        content = path.read_bytes()
        damaged = content[:4096] + bytes(64) + content[4160:]
        path.write_bytes(damaged)
        with pytest.raises(error):
            backed_up(root, tmp_path / "backup")
        path.write_bytes(content)
    content = artefact.read_bytes()
    artefact.write_bytes(content + b"!")
    with pytest.raises(SourceDamaged):
        backed_up(root, tmp_path / "backup")

    assert check_backup(tmp_path / "backup", disk=DISK) == whole


def test_a_journal_that_has_lost_its_end_does_not_replace_a_longer_backup(
    root: Path, tmp_path: Path
) -> None:
    whole = backed_up(root, tmp_path / "backup").manifest
    *_, last = segments(root)
    last.unlink()

    with pytest.raises(BackupAhead, match="120"):
        backed_up(root, tmp_path / "backup")

    assert check_backup(tmp_path / "backup", disk=DISK) == whole


def test_a_segment_that_was_lost_in_the_middle_is_noticed(root: Path, tmp_path: Path) -> None:
    backed_up(root, tmp_path / "backup")
    _, second, *_ = segments(root)
    second.unlink()

    with pytest.raises(JournalCorrupt):
        backed_up(root, tmp_path / "backup")


def test_one_backup_at_a_time(root: Path, tmp_path: Path) -> None:
    backed_up(root, tmp_path / "backup")
    lock = DISK.lock(tmp_path / "backup" / "lock")

    with pytest.raises(BackupInUse):
        backed_up(root, tmp_path / "backup")

    lock.release()
    backed_up(root, tmp_path / "backup")


def test_a_damaged_segment_is_put_back_and_keeps_what_came_later(
    root: Path, tmp_path: Path
) -> None:
    backed_up(root, tmp_path / "backup")
    write(root, 120, 3)
    before = bodies(root)
    for path in (next(segments(root)), list(segments(root))[-1]):
        content = path.read_bytes()
        path.write_bytes(content[:4100] + bytes(900) + content[5000:])
        with pytest.raises(JournalCorrupt):
            bodies(root)

        restore_backed_up(
            tmp_path / "backup", path.relative_to(root).as_posix(), {"data": root}, disk=DISK
        )

        assert bodies(root) == before


def test_a_file_is_put_back_only_where_it_belongs_and_nobody_writes(
    root: Path, tmp_path: Path
) -> None:
    backed_up(root, tmp_path / "backup")
    name = next(segments(root)).relative_to(root).as_posix()
    other = tmp_path / "other"
    write(other, 0, 1)

    with pytest.raises(NotInBackup):
        restore_backed_up(tmp_path / "backup", "observed.sqlite", {"data": root}, disk=DISK)
    with pytest.raises(BackupOfAnother):
        restore_backed_up(tmp_path / "backup", name, {"data": other}, disk=DISK)
    with opened(root / "journal" / "data"), pytest.raises(DataDirectoryInUse):
        restore_backed_up(tmp_path / "backup", name, {"data": root}, disk=DISK)

    os.unlink(root / "access.sqlite")
    restore_backed_up(tmp_path / "backup", "access.sqlite", {"data": root}, disk=DISK)
    with closing(sqlite3.connect(root / "access.sqlite")) as connection:
        assert connection.execute("SELECT name FROM keys").fetchall() == [("ann",)]


def test_what_was_archived_and_pruned_stays_so(root: Path, tmp_path: Path) -> None:
    journal = root / "journal" / "data"
    first, *_ = finished_segments(journal, disk=DISK)
    kept = backed_up(root, tmp_path / "backup").manifest.partitions
    where = ArchivedSegment(store="s3://b", key="k", size_bytes=1, sha256="0" * 64)
    note_archived(first, where, disk=DISK)

    assert next(survey(journal, disk=DISK)).first_offset == first.next_offset
    assert backed_up(root, tmp_path / "backup").manifest.partitions == kept
    restore_backup(tmp_path / "backup", {"data": tmp_path / "again"}, disk=DISK)
    with pytest.raises(SegmentArchived):
        bodies(tmp_path / "again")
    later = scan(tmp_path / "again" / "journal" / "data", disk=DISK, start=first.next_offset)
    assert next(iter(later)).offset == first.next_offset


def test_keys_of_personal_content_are_in_no_backup(root: Path, tmp_path: Path) -> None:
    execute(root / "subject_keys.sqlite", "CREATE TABLE keys (wrapped BLOB)")
    (root / "subject_keys.master").write_bytes(b"k" * 32)

    done = backed_up(root, tmp_path / "backup")

    assert not [file.path for file in done.manifest.files if "subject_keys" in file.path]
    held = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert held
    assert not any(b"k" * 32 in path.read_bytes() for path in held)
